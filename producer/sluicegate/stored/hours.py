"""When a class of a campaign's recipients is open, as it is stored for the scripts."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import Malformed

_OPEN_TIMES = re.compile(r"(\d*)\|((?:\d+-\d+(?: \d+-\d+)*)?)")


class OpenTimes(NamedTuple):
    """Stretches of time in which a class is open: ``over_ms|opens-closes opens-closes``.

    All are whole wall milliseconds, in order; ``closes`` itself is closed. From ``over_ms`` on,
    ``None`` where never, what still waits has ended.
    Mirrored by ``closed_until`` and ``is_over`` in ``hours.lua``.
    """

    over_ms: int | None
    stretches: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str | bytes) -> "OpenTimes":
        """Read a class's field of the hash of hours; raises Malformed."""
        parts = _OPEN_TIMES.fullmatch(text.decode() if isinstance(text, bytes) else text)
        if parts is None:
            raise Malformed("times of a class", text)
        pairs = (pair.split("-") for pair in parts[2].split())
        stretches = tuple((int(opens), int(closes)) for opens, closes in pairs)
        return cls(int(parts[1]) if parts[1] else None, stretches)

    def format(self) -> str:
        over = "" if self.over_ms is None else str(self.over_ms)
        return f"{over}|{' '.join(f'{opens}-{closes}' for opens, closes in self.stretches)}"

    def next_ms(self, now_ms: float) -> int | None:
        """When it opens next; before ``now_ms`` where it is open; None where nothing is known."""
        return next((opens for opens, closes in self.stretches if now_ms < closes), None)


class StoredHours(NamedTuple):
    """The hash of a campaign's hours: the classes' times, and as JSON what each of them is."""

    times: dict[str, OpenTimes]
    classes: dict[str, bytes]

    @classmethod
    def parse(cls, fields: Mapping[bytes, bytes]) -> "StoredHours":
        """Read the hash; raises Malformed."""
        named = {field.decode(): text for field, text in fields.items()}
        times = {
            name: OpenTimes.parse(text) for name, text in named.items() if not _is_defined(name)
        }
        defined = {name[1:]: text for name, text in named.items() if _is_defined(name)}
        return cls(times, defined)


def _is_defined(field: str) -> bool:
    return field.startswith("=")
