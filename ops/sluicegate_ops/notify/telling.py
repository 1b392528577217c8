"""One look at an account, and what comes of it: notices noted down, and handed to receivers."""

import random
from collections.abc import Callable, Sequence

import msgspec

from sluicegate.config.notify import NotifySettings
from sluicegate.stored import Notice, ToldEvent

from ..inspect import read_account, read_awaiting, read_finished
from ..operating.session import Session
from ..operating.status.document import masked_state
from ..operating.status.findings import findings
from .deciding import decide
from .happening import happenings
from .receivers import NotTaken, Receiver, title_of
from .remembering import Memory, readable

AT_ONCE = 20
"""Notices in one message."""

_BEGAN = "began"
"""When notices were first told: what ended before is no news."""

_FIRST_SECONDS, _MOST_SECONDS = 5.0, 300.0


class Told(msgspec.Struct, frozen=True):
    """What one look came to: what is new, and why a receiver took nothing."""

    account: str
    notices: Sequence[Notice]
    sent: int
    failed: dict[str, str]


class Backoff:
    """When a receiver that does not take notices is tried again."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter, self._failures, self.until = jitter, 0, 0.0

    def failed(self, now: float, asked_seconds: float) -> None:
        doubled = min(_MOST_SECONDS, _FIRST_SECONDS * 2**self._failures)
        self._failures += 1
        self.until = now + max(asked_seconds, doubled * (0.5 + self._jitter()))

    def worked(self) -> None:
        self._failures, self.until = 0, 0.0


class Teller:
    """Tells of one account, in one process."""

    def __init__(
        self, session: Session, settings: NotifySettings, receivers: Sequence[Receiver]
    ) -> None:
        self._session, self._settings, self._receivers = session, settings, receivers
        self._memory = Memory(session.client, session.keys)
        self._backoff = {receiver.name: Backoff() for receiver in receivers}

    def look(self, now: float) -> Told:
        """Note what is new, and hand over what waits; ``now`` is a steady clock's.

        Raises NotifyBusy where another process does, and redis.RedisError.
        """
        notices = self._note()
        sent, failed = 0, dict[str, str]()
        for receiver in self._receivers:
            backoff = self._backoff[receiver.name]
            if now < backoff.until:
                continue
            try:
                sent += self._hand_over(receiver)
                backoff.worked()
            except NotTaken as error:
                backoff.failed(now, error.seconds)
                failed[receiver.name] = str(error)
        return Told(self._session.name, notices, sent, failed)

    def leave(self) -> None:
        """Let another process tell of the account at once."""
        self._memory.leave()

    def _note(self) -> list[Notice]:
        session, (now_ms, known) = self._session, self._memory.take()
        told = dict(known)
        began = told.pop(_BEGAN, None)
        state = masked_state(read_account(session.client, session.config, session.name))
        finished = read_finished(session.client, session.keys, float(began.at_ms)) if began else []
        awaiting = read_awaiting(session.client, session.keys)
        happening = happenings(state, findings(state), finished, awaiting, self._campaigns_url)
        decision = decide(happening, told, now_ms, int(1000 * self._settings.quiet_seconds))
        if began is None:
            decision.told[_BEGAN] = ToldEvent(at_ms=now_ms)
        if decision.told:
            names = [receiver.name for receiver in self._receivers]
            self._memory.put(names, decision)
        return decision.notices

    @property
    def _campaigns_url(self) -> str:
        desk = self._session.config.web.desk
        return f"{desk.url}/desk/campaigns" if desk and desk.url else ""

    def _hand_over(self, receiver: Receiver) -> int:
        """All that a receiver has yet to take; raises NotTaken."""
        handed = 0
        while stored := self._memory.waiting(receiver.name, AT_ONCE):
            if notices := readable(stored):
                receiver.send(title_of(self._session.name, notices), notices)
            self._memory.sent(receiver.name, stored)
            handed += len(stored)
        return handed
