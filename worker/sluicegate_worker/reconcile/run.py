"""One run: our messages are gathered, the provider's records read, and what is left judged."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import redis

from sluicegate.archive import ArchiveReader
from sluicegate.config import Config, ReconcileSettings
from sluicegate.errors import InvalidConfig

from ..archiver import Archiver
from ..provider.owned import Unread
from ..provider.registry import provider_of
from ..provider.reports import Reports
from .comparing import Comparison
from .findings import Difference, Found, Reconciled, summed
from .gathering import gather_archive, gather_redis, missed_since
from .judging import judge_doubts, judge_unseen
from .ours import OwnMessages
from .progress import Progress
from .reading import chunks
from .webhooks import apply_lost

if TYPE_CHECKING:  # heavy, and a worker that doesn't reconcile needs it not
    import httpx

DAY_MS: Final = 86_400_000
FIRST_MS: Final = 3 * DAY_MS
"""How far the first run looks back, where nobody says."""

AGAIN_MS: Final = DAY_MS
"""How much of what the last run compared is compared again: deliveries and costs come late."""

FURTHEST_MS: Final = 30 * DAY_MS
"""How far a run looks back for a doubt, where nobody says."""

_LEASE_MS: Final = 30_000
_V1_BATCH: Final = 50


class TimeSpan(NamedTuple):
    """What was sent from ``since_ms`` to before ``until_ms`` (wall); None for the default."""

    since_ms: int | None = None
    until_ms: int | None = None


EVER: Final = TimeSpan()
"""The default: from where the last run was until now."""


class Reconciler:
    """Reconciles one account, on a synchronous client, through the HTTP client ``http``.

    With ``dry_run`` nothing is written, here or there. ``stop`` ends a run before its next call;
    ``on_progress(records, of)`` is told how far it is. Tests pass ``reports`` in the provider's
    place, and ``clock``: see ``Script.source``.

    Raises InvalidConfig where the API can't be asked, or a secret is missing.
    """

    def __init__(
        self,
        client: redis.Redis,
        config: Config,
        account: str,
        http: "httpx.Client",
        *,
        dry_run: bool = False,
        stop: threading.Event | None = None,
        on_progress: Callable[[int, int], None] = lambda records, of: None,
        environ: Mapping[str, str] = os.environ,
        reports: Reports | None = None,
        clock: str | None = None,
    ) -> None:
        self._client, self._config, self._name = client, config, account
        self._account = config.account(account)
        self._settings = config.reconcile or ReconcileSettings()
        self._dry_run, self._on_progress = dry_run, on_progress
        self._stop, self._clock = stop or threading.Event(), clock
        timeout = self._account.read_timeout_seconds + self._account.connect_timeout_seconds
        lease_ms = _LEASE_MS + int(timeout * 1000)
        self._progress = Progress(
            client, account, config.retention_ms, lease_ms, dry_run=dry_run, clock=clock
        )
        self._secrets = _secrets(config, account, environ)
        self._reports = reports or self._opened(http, environ)

    def run(self, window: TimeSpan = EVER) -> Reconciled:
        """Compare the books; go on where a run of the same window was cut short.

        Raises ReconcileBusy, ArchiveUnavailable, WrongArchive and redis-py's errors. What the
        provider doesn't tell cuts the run short, and the next one goes on from there.
        """
        before = self._progress.take()
        self._own, cut_short = OwnMessages(), ""
        try:
            began_ms = self._progress.now()[0]
            gather_redis(self._progress, self._own)
            fields = self._begun(before, window, began_ms)
            try:
                self._compare(fields)
            except Unread as error:
                cut_short = str(error)
            return self._ended(cut_short)
        finally:
            self._own.close()
            self._progress.leave()

    def _begun(self, before: Mapping[str, str], window: TimeSpan, now_ms: int) -> dict[str, int]:
        """The fields of the run that goes on, or of a new one."""
        until_ms = min(window.until_ms or now_ms, now_ms)
        if before and _is_same(before, window, self._settings.skew_ms):
            goes_on = {name: int(before[name]) for name in ("since", "until", "began", "at")}
            goes_on["until"] = max(until_ms, goes_on["until"])
            self._progress.commit(Found(), until=goes_on["until"])
            return goes_on
        since_ms = window.since_ms
        if since_ms is None:
            since_ms = self._since(now_ms)
        fields = {"since": min(since_ms, until_ms), "until": until_ms, "began": now_ms}
        fields["at"] = fields["since"] - self._settings.skew_ms
        self._progress.begin(**fields)
        return fields

    def _since(self, now_ms: int) -> int:
        """From where the last run's end was, and from the oldest doubt on."""
        last = int(self._progress.last().get("until", now_ms - FIRST_MS + AGAIN_MS)) - AGAIN_MS
        doubt_ms = self._own.oldest_doubt_ms()
        first = last if doubt_ms is None else min(last, doubt_ms - self._settings.skew_ms)
        return max(first, now_ms - FURTHEST_MS)

    def _compare(self, fields: Mapping[str, int]) -> None:
        skew_ms = self._settings.skew_ms
        archive = ArchiveReader(self._client, self._config, self._name)
        gather_archive(
            archive,
            self._name,
            self._progress,
            self._own,
            fields["since"] - skew_ms,
            fields["began"],
        )
        self._own.ready()
        self._own.judged(fields["at"], skew_ms)
        archiver = self._archiver(archive)
        self._comparison = Comparison(
            self._name,
            self._progress,
            self._own,
            archive,
            archiver.fold if archiver else lambda: 0,
            self._rest,
            secrets=self._secrets,
            expected=self._settings.foreign_profiles,
            skew_ms=skew_ms,
            dry_run=self._dry_run,
        )
        try:
            if self._reports.lists:
                self._read_lists(fields)
            else:
                self._read_one_by_one(fields)
        finally:
            if archiver:
                archiver.close()

    def _read_lists(self, fields: Mapping[str, int]) -> None:
        """Lost webhooks first, since they tell most; then all records, then what is left."""
        skew_ms = self._settings.skew_ms
        first_ms, last_ms = fields["since"] - skew_ms, fields["until"] + skew_ms
        if fields["at"] == first_ms:
            found = Found()
            apply_lost(self._reports, self._progress, self._name, self._secrets,
                       (first_ms, last_ms), found, dry_run=self._dry_run)  # fmt: skip
            self._progress.commit(found)
        self._read_records(fields["at"], self._from(fields), last_ms, fields)
        found = Found()
        self._look_again(fields["began"], found)
        judge_doubts(self._own, self._comparison, self._progress, found, fields,
                     self._settings, whole=self._is_whole, dry_run=self._dry_run)  # fmt: skip
        self._progress.commit(found)

    def _from(self, fields: Mapping[str, int]) -> int:
        """Where to read from: before where the run was, for those whose records come there.

        Which of our messages have records is known to a run alone.
        """
        first_ms = fields["since"] - self._settings.skew_ms
        if fields["at"] == first_ms:
            return first_ms
        doubt_ms = self._own.oldest_doubt_ms() or fields["at"]
        back_ms = min(fields["at"] - 2 * self._settings.skew_ms, doubt_ms - self._settings.skew_ms)
        return max(first_ms, back_ms)

    def _read_records(
        self, at_ms: int, from_ms: int, last_ms: int, fields: Mapping[str, int]
    ) -> None:
        """Compare all records from ``from_ms`` on; those before ``at_ms`` are counted already."""
        found, done, skew_ms = Found(), 0, self._settings.skew_ms
        for chunk in chunks(self._reports, from_ms, last_ms):
            before = [record for record in chunk.records if record.created_ms < at_ms]
            self._comparison.take(before, Found())
            self._comparison.take(
                [record for record in chunk.records if record.created_ms >= at_ms], found
            )
            found.count("twice", chunk.twice)
            found.count("unreadable", chunk.unreadable)
            found.count("holes", not chunk.whole)
            if chunk.unreadable:
                what = f"{chunk.unreadable} entries without an id"
                found.differs(Difference(kind="unreadable", id=f"at {chunk.upto_ms}", what=what))
            done += len(chunk.records)
            self._on_progress(done, max(done, chunk.total + done - len(chunk.records)))
            if chunk.upto_ms > at_ms or chunk.upto_ms == last_ms:
                at_ms = chunk.upto_ms
                judge_unseen(self._own, self._comparison, self._reports, found, fields,
                             self._settings, at_ms)  # fmt: skip
                self._progress.commit(found, at=at_ms)
                found = Found()
            self._own.judged(at_ms, skew_ms)
            self._halt_if_asked()

    def _read_one_by_one(self, fields: Mapping[str, int]) -> None:
        """Where the provider tells of one message at a time: those of which we lack something."""
        found, lacking = Found(), self._own.lacking(max(fields["at"], 0), fields["until"])
        found.count("not_listed")
        for number, own in enumerate(lacking, 1):
            record = self._reports.record(own.provider_id)
            if record is None:
                found.differs(Difference(kind="missing", id=own.id, provider_id=own.provider_id,
                                         at_ms=own.ended_ms))  # fmt: skip
            else:
                self._comparison.take([record], found)
            self._on_progress(number, len(lacking))
            if number % _V1_BATCH == 0:
                self._progress.commit(found, at=own.ended_ms + 1)
                found = Found()
            self._halt_if_asked()
        found.count("undecided", len(self._own.doubts()))
        self._progress.commit(found)

    def _look_again(self, began_ms: int, found: Found) -> None:
        """A POST that was under way when our messages were gathered is known by now."""
        young = self._own.young_strangers(began_ms - self._settings.skew_ms)
        if not young:
            return
        known = missed_since(self._progress, {record.id for record in young})
        ours = self._comparison.records(list(known.values()), found)
        for record in young:
            if (id := known.get(record.id, "")) in ours:
                self._comparison.no_stranger(record, id, ours[id], found)

    @property
    def _is_whole(self) -> bool:
        """Whether every record of the time was read, and could be."""
        fields = self._progress.fields()
        return not any(int(fields.get(f"count:{name}", 0)) for name in ("holes", "unreadable"))

    def _ended(self, cut_short: str) -> Reconciled:
        if cut_short:
            return summed(self._name, self._progress.fields(), self._progress.left(),
                          dry_run=self._dry_run, cut_short=cut_short)  # fmt: skip
        fields = self._progress.fields() | {"ended": str(self._progress.now()[0])}
        left = self._progress.left()
        self._progress.finish(fields)
        return summed(self._name, fields, left, dry_run=self._dry_run)

    def _opened(self, http: "httpx.Client", environ: Mapping[str, str]) -> Reports:
        factory = provider_of(self._account).reports
        if factory is None:
            raise InvalidConfig("api", f"{self._account.api} can't be asked: name another account")
        spacing = 1 / self._settings.calls_per_second
        key = self._account.api_key(environ)
        return factory(self._account, key, http, self._rest, spacing)

    def _rest(self, seconds: float) -> None:
        self._halt_if_asked()
        self._progress.sleep(seconds, self._stop.wait)
        self._halt_if_asked()

    def _halt_if_asked(self) -> None:
        self._progress.keep()
        if self._stop.is_set():
            raise Unread("it was stopped")

    def _archiver(self, archive: ArchiveReader) -> Archiver | None:
        """Who applies what is found of archived messages, unless nothing may be applied."""
        if self._dry_run or archive.archive is None:
            return None
        return Archiver(self._client, self._config, self._name, clock=self._clock)


def _secrets(config: Config, account: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What our webhook URLs were signed with; none where messages ask for no receipts."""
    if not (config.web.public_url and config.account(account).receipts):
        return ()
    return config.web.receipts_secrets(environ)


def _is_same(before: Mapping[str, str], window: TimeSpan, skew_ms: int) -> bool:
    """Whether a run that was cut short began where this one should; it then ends where this one
    does. By default any is gone on with.
    """
    since_ms, until_ms = int(before["since"]), int(before["until"])
    begins = window.since_ms is None or since_ms <= window.since_ms <= since_ms + skew_ms
    return begins and (window.until_ms is None or window.until_ms >= until_ms)
