"""Time zones: which one a name means, and which ones a number's owner may live in."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ...errors import BadHours
from ...numbering import country_code, kind_of, library

_UNKNOWN = "Etc/Unknown"
_EXAMPLE = "America/New_York"


def zone_named(text: str) -> str:
    """The name, as the time zone database has it, of a zone; raises BadHours.

    Abbreviations are refused: CST is a time in Chicago, in Havana and in Shanghai, and EST names
    a zone without daylight saving.
    """
    words = text.strip()
    if words.upper() in ("UTC", "GMT", "Z"):
        return "UTC"
    found = _names().get(words.lower())
    if found is None or "/" not in found:
        raise BadHours(text, f"is no time zone: write one such as {_EXAMPLE}, or UTC")
    return found


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that name; raises BadHours where this host doesn't know it."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise BadHours(name, "this host knows no such time zone: install tzdata") from None


def zones_of(number: str) -> tuple[str, ...]:
    """The zones in which the owner of an E.164 number may live, by its first digits, in order.

    Empty where the numbering plan says nothing. A mobile or toll-free number has those of its
    whole country, which may be many; that of North America has them of all its countries.
    """
    prefixes, longest = _prefixes()
    if number[1] != "1" and kind_of(number) != "landline" and not _geographical(number[:4]):
        return prefixes.get(country_code(number[:4]), ())
    for end in range(longest + 1, 1, -1):
        if (found := prefixes.get(number[1:end])) is not None:
            return found
    return ()


def zones_with(digits: str) -> set[str]:
    """The zones of all numbers that begin with ``digits``: a country's code and an area code."""
    prefixes, _ = _prefixes()
    places = (names for prefix, names in prefixes.items() if prefix.startswith(digits))
    return {name for names in places for name in names}


@cache
def _geographical(prefix: str) -> bool:
    """Whether mobile numbers that begin with ``prefix`` tell where they are from."""
    phones, code = library(), country_code(prefix)
    region = phones.region_code_for_country_code(int(code)) if code else ""
    example = phones.example_number_for_type(region, phones.PhoneNumberType.MOBILE)
    return bool(example and phones.is_number_geographical(example))


@cache
def _names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


@cache
def _prefixes() -> tuple[dict[str, tuple[str, ...]], int]:
    library()  # says what to install, where it is missing
    from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

    known = set(_names().values())
    prefixes = {
        prefix: tuple(sorted({name for name in names if name in known or name == _UNKNOWN}))
        for prefix, names in TIMEZONE_DATA.items()
    }
    return (
        {prefix: () if _UNKNOWN in names else names for prefix, names in prefixes.items()},
        TIMEZONE_LONGEST_PREFIX,
    )
