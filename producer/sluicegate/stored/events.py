"""What is stored of events: whose are wanted, and where one of them waits for an app's URL."""

from collections.abc import Sequence
from typing import NamedTuple


class WantedEvents(NamedTuple):
    """The field ``events`` of the limits: ``kept|app|app``, with ``*`` where one app wants all.

    Mirrored by ``is_wanted`` in ``events.lua`` and ``begin`` in ``readers.lua``.
    """

    kept: int
    apps: Sequence[str]
    all_of_them: bool

    def format(self) -> str:
        return "|".join([str(self.kept), *self.apps, *["*"] * self.all_of_them])


class WaitingEventId(NamedTuple):
    """The id of an event that waits for an app's URL: ``app:number/line``.

    Of a line only the first is passed on. Mirrored in ``relay_end.lua`` and ``event_off.lua``.
    """

    app: str
    number: int
    line: str

    def format(self) -> str:
        return f"{self.app}:{self.number}/{self.line}"
