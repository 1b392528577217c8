"""What is stored of levels: their published limits, a brand's day, and halts."""

from typing import NamedTuple

import msgspec

from ..errors import Malformed


class SenderLimits(NamedTuple):
    """A sender's limits: ``sms_ms|mms_ms|registration``; 0 and ``""`` are no such limit.

    An interval is milliseconds from one segment to the next.
    Mirrored by ``of`` in ``levels.lua``, as are the two below.
    """

    sms_ms: float = 0.0
    mms_ms: float = 0.0
    registration: str = ""

    @classmethod
    def parse(cls, text: str) -> "SenderLimits":
        """Read a sender's field of the hash of limits; raises Malformed."""
        return cls(*_intervals("sender's limits", text))

    def format(self) -> str:
        return f"{interval_text(self.sms_ms)}|{interval_text(self.mms_ms)}|{self.registration}"


class RegistrationLimits(NamedTuple):
    """A registration's limits: ``sms_ms|mms_ms|brand``, as a sender's."""

    sms_ms: float = 0.0
    mms_ms: float = 0.0
    brand: str = ""

    @classmethod
    def parse(cls, text: str) -> "RegistrationLimits":
        """Read a registration's field of the hash of limits; raises Malformed."""
        return cls(*_intervals("registration's limits", text))

    def format(self) -> str:
        return f"{interval_text(self.sms_ms)}|{interval_text(self.mms_ms)}|{self.brand}"


class NumberLimits(NamedTuple):
    """What a registration allows a sender by itself, and its own rate: ``sms_ms|mms_ms|own_ms``.

    Intervals are as a sender's.
    """

    sms_ms: float = 0.0
    mms_ms: float = 0.0
    own_ms: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "NumberLimits":
        """Read a sender's second field of the hash of limits; raises Malformed."""
        sms, mms, own = _intervals("sender's limits", text)
        try:
            return cls(sms, mms, float(own or 0))
        except ValueError as error:
            raise Malformed("sender's limits", text) from error

    def format(self) -> str:
        return "|".join(map(interval_text, self))


class BrandLimits(NamedTuple):
    """A brand's limits: ``cap|share``.

    ``cap`` is segments a day, ``share`` what a segment to an unknown +1 number counts.
    """

    cap: int
    share: float

    @classmethod
    def parse(cls, text: str) -> "BrandLimits":
        """Read a brand's field of the hash of limits; raises Malformed."""
        try:
            cap, share = text.split("|")
            return cls(int(cap), float(share))
        except ValueError as error:
            raise Malformed("brand's limits", text) from error

    def format(self) -> str:
        return f"{self.cap}|{limit_text(self.share)}"


class CarrierMemory(NamedTuple):
    """How many numbers' carriers are remembered, for how many days: ``most|days|shards``.

    Mirrored by ``read_settings`` in ``carriers.lua``.
    """

    most: int
    days: int
    shards: int

    def format(self) -> str:
        return f"{self.most}|{self.days}|{self.shards}"


class BrandDay(NamedTuple):
    """What a brand has used: ``day segments``; a day is the carrier's, counted since 1970.

    Mirrored by ``used_today`` in ``levels.lua`` and ``use_cap`` in ``charges.lua``.
    """

    day: int
    segments: float

    @classmethod
    def parse(cls, text: str) -> "BrandDay":
        """Read a brand's field of the hash of levels; raises Malformed."""
        try:
            day, segments = text.split(" ")
            return cls(int(day), float(segments))
        except ValueError as error:
            raise Malformed("brand's day", text) from error

    def format(self) -> str:
        return f"{self.day} {self.segments:.3f}"


class HaltInfo(msgspec.Struct, frozen=True):
    """A level's halt: why, and until when (wall ms); None means until it is lifted.

    ``who`` set it at ``since_ms``: "" and None where an older version did, "provider" where the
    provider's answer did.

    Mirrored by ``in_force`` in ``halts.lua``.
    """

    level: str
    why: str
    until_ms: int | None = None
    since_ms: int | None = None
    who: str = ""

    @classmethod
    def parse(cls, level: str | bytes, text: str | bytes) -> "HaltInfo":
        """Read a field of the hash of halts; raises Malformed.

        It is ``ends_ms,since_ms,who|why``, or ``ends_ms|why`` as version 0.1 wrote it.
        """
        named = level.decode() if isinstance(level, bytes) else level
        head, bar, why = (text.decode() if isinstance(text, bytes) else text).partition("|")
        ends, since, who = [*head.split(",", 2), "", ""][:3]
        try:
            if bar:
                return cls(named, why, _ms(ends), _ms(since), who)
        except ValueError:
            pass
        raise Malformed("halt", text)

    def format(self) -> str:
        head = "" if self.until_ms is None else str(self.until_ms)
        if self.since_ms is not None or self.who:
            head += f",{'' if self.since_ms is None else self.since_ms},{self.who}"
        return f"{head}|{self.why}"


def _ms(text: str) -> int | None:
    return int(float(text)) if text else None


def limit_text(value: float) -> str:
    """A number as limits are published: at most six decimals, and no zeros behind them."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def interval_text(interval_ms: float) -> str:
    """A rate's interval as limits are published; ``""`` if there is no such rate."""
    return limit_text(interval_ms) if interval_ms else ""


def _intervals(form: str, text: str) -> tuple[float, float, str]:
    try:
        sms, mms, above = text.split("|", 2)
        return float(sms or 0), float(mms or 0), above
    except ValueError as error:
        raise Malformed(form, text) from error
