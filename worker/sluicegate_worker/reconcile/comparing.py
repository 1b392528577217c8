"""Compares records with our books: each with its message, which is mended by what it tells."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sluicegate.archive import ArchiveReader
from sluicegate.errors import Malformed
from sluicegate.receipts import Receipt
from sluicegate.stored import Record

from ..provider.reports import ProviderRecord
from . import matching
from .findings import Difference, Found
from .matching import RecordOwner, Whose
from .ours import OwnMessages
from .progress import Progress

_FOLDS = 40
_FOLD_SECONDS = 0.5


class Pair(NamedTuple):
    """A record, our id of its message, and our record of it."""

    record: ProviderRecord
    id: str
    ours: Record


class Comparison:
    """Compares the records of the account ``name`` with its books.

    ``secrets`` sign our webhook URLs. ``expected`` are messaging profiles that others send with.
    ``fold`` applies what was set aside for archived messages, and returns how much that was. With
    ``dry_run`` nothing is applied, and what would be is counted as mended.
    """

    def __init__(
        self,
        name: str,
        progress: Progress,
        own: OwnMessages,
        archive: ArchiveReader,
        fold: Callable[[], int],
        sleep: Callable[[float], object],
        *,
        secrets: tuple[str, ...],
        expected: Sequence[str],
        skew_ms: int,
        dry_run: bool,
    ) -> None:
        self._name, self._secrets = name, secrets
        self._progress, self._own, self._archive = progress, own, archive
        self._fold, self._sleep = fold, sleep
        self._expected, self._skew_ms, self._dry_run = expected, skew_ms, dry_run

    def take(self, records: Sequence[ProviderRecord], found: Found) -> None:
        """Compare records; those that came before in this run are left out."""
        new = self._own.new_records([record.id for record in records])
        fresh = [record for record in records if record.id in new]
        outbound = [record for record in fresh if not record.inbound]
        found.count("records", len(fresh))
        found.count("inbound", len(fresh) - len(outbound))
        self.match(self._pairs(outbound, found), found)

    def match(self, pairs: Sequence[Pair], found: Found) -> None:
        """Mend our books by records whose messages are known, and count what they come to."""
        self._own.see(pair.id for pair in pairs)
        after = pairs if self._dry_run else self._mended(pairs, found)
        for before, now in zip(pairs, after, strict=True):
            self._tally(before, now, found)

    def records(self, ids: Sequence[str], found: Found) -> dict[str, Record]:
        """Our records, of Redis or of the archive; one that can't be read is a difference."""
        wanted = list(dict.fromkeys(ids))
        fields = self._progress.records(wanted)
        missing = [id for id in wanted if id not in fields]
        fields |= {id: one.fields for id, one in self._archive.some(missing).items()}
        read = {}
        for id, stored in fields.items():
            try:
                read[id] = Record.parse(stored)
            except Malformed as error:
                found.differs(Difference(kind="unreadable", id=id, what=f"our record: {error}"))
        return read

    def _pairs(self, records: Sequence[ProviderRecord], found: Found) -> list[Pair]:
        """The records whose messages are known; all others are named or counted."""
        by_provider_id = self._own.by_provider_id([record.id for record in records])
        owners = [
            matching.owner(one, self._name, self._secrets, by_provider_id) for one in records
        ]
        known = [*by_provider_id.values(), *(o.id for o in owners if o.whose is Whose.OURS)]
        ours = self.records(known, found)
        pairs, strangers = [], []
        for record, owner in zip(records, owners, strict=True):
            id = self._id_of(record, owner, by_provider_id, ours)
            if id:
                pairs.append(Pair(record, id, ours[id]))
            elif owner.whose is Whose.STRANGE:
                strangers.append(record)
            else:
                elsewhere = owner.whose is Whose.ELSEWHERE
                found.count("elsewhere" if elsewhere else "forgotten")
        self._own.keep_strangers(strangers)
        for record in strangers:
            self._tell_stranger(record, found, 1)
        return pairs

    def _id_of(
        self,
        record: ProviderRecord,
        owner: RecordOwner,
        by_provider_id: Mapping[str, str],
        ours: Mapping[str, Record],
    ) -> str:
        """Our id of a record's message, ``""`` for none that we know.

        An id that was given away anew, or whose message was erased, names none; the provider's own
        id may.
        """
        for id in (owner.id, by_provider_id.get(record.id, "")):
            one = None if owner.whose is Whose.ELSEWHERE else ours.get(id)
            if one is not None and not matching.is_too_old(record, one, self._skew_ms):
                return id
        return ""

    def _tell_stranger(self, record: ProviderRecord, found: Found, by: int) -> None:
        """Name, or no longer name, a message that is not ours."""
        if record.profile and record.profile in self._expected:
            found.count("expected", by)
            return
        difference = Difference.of("foreign", record)
        if by > 0:
            found.differs(difference)
        else:
            found.no_longer(difference)
        found.add("foreign", record.bill, by)

    def no_stranger(self, record: ProviderRecord, id: str, ours: Record, found: Found) -> None:
        """A record that was taken for a stranger's is that of a message of ours."""
        self._own.is_no_stranger(record.id)
        self._tell_stranger(record, found, -1)
        self.match([Pair(record, id, ours)], found)

    def _mended(self, pairs: Sequence[Pair], found: Found) -> Sequence[Pair]:
        """Apply what records tell, then costs that are still another; return what is there now."""
        told = [pair for pair in pairs if _is_news(pair)]
        if not told:
            return pairs
        after = self._applied(pairs, [matching.receipt_of(p.record, p.id) for p in told], found)
        now_ms, _ = self._progress.now()
        corrections = [
            matching.correction_of(*pair, now_ms)
            for pair in after
            if matching.is_known(pair.record, pair.ours) and _bills_differ(pair)
        ]
        return self._applied(after, corrections, found) if corrections else after

    def _applied(
        self, pairs: Sequence[Pair], receipts: Sequence[Receipt], found: Found
    ) -> list[Pair]:
        results = self._progress.apply(receipts)
        aside = {r.id for r, result in zip(receipts, results, strict=True) if result == "archived"}
        if aside:
            self._wait_for_archiver()
        now = self.records([receipt.id for receipt in receipts], found)
        return [pair._replace(ours=now.get(pair.id, pair.ours)) for pair in pairs]

    def _wait_for_archiver(self) -> None:
        """What was set aside is applied by the archiver: here, or where one is at work."""
        for _ in range(_FOLDS):
            self._fold()
            if not self._progress.now()[1]:
                return
            self._sleep(_FOLD_SECONDS)

    def _tally(self, before: Pair, now: Pair, found: Found) -> None:
        record, id = now.record, now.id
        found.count("ours")
        self._count_mended(before, now, found)
        if record.bill.cost_billionths is None:
            found.differs(Difference.of("cost", record, id, "the provider's record has none"))
        else:
            found.add("billed", record.bill)
            found.add("booked", matching.booked(record, now.ours))
        if not record.known:
            found.differs(Difference.of("status", record, id, f"{record.status[:40]!r}"))
        if matching.deliveries_differ(record, now.ours):
            what = f"{now.ours.delivery} here, {record.delivery} there"
            found.differs(Difference.of("delivery", record, id, what))
        if self._dry_run:
            return
        if not matching.is_known(record, now.ours) or matching.lacks_delivery(record, now.ours):
            found.differs(Difference.of("set_aside", record, id))
        elif matching.cost_differs(record, now.ours):
            found.differs(Difference.of("cost", record, id, "it could not be corrected"))

    def _count_mended(self, before: Pair, now: Pair, found: Found) -> None:
        """What was mended or, in a dry run, would be."""
        record, old, new = now.record, before.ours, now.ours
        dry = self._dry_run
        if not matching.is_known(record, old):
            if dry or matching.is_known(record, new):
                found.mend("accepted" if old.state != "accepted" else "bills")
        elif matching.cost_differs(record, old):
            if dry or not matching.cost_differs(record, new):
                found.mend("costs")
        elif matching.bill_differs(record, old) and (
            dry or not matching.bill_differs(record, new)
        ):
            found.mend("bills")
        if matching.lacks_delivery(record, old) and (dry or new.delivery):
            found.mend("deliveries")


def _bills_differ(pair: Pair) -> bool:
    return matching.cost_differs(pair.record, pair.ours) or matching.bill_differs(
        pair.record, pair.ours
    )


def _is_news(pair: Pair) -> bool:
    """Whether a record tells anything that our books don't know."""
    known = matching.is_known(pair.record, pair.ours)
    return not known or matching.lacks_delivery(pair.record, pair.ours) or _bills_differ(pair)
