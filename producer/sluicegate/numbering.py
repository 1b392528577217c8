"""What the numbering plans say about a number in E.164: its country, its kind, and what is odd.

The plans are those of the phonenumbers library. Its own functions take 50 to 100 microseconds a
number; here the same patterns are asked directly, in about one.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from types import ModuleType
from typing import Any, Literal, NamedTuple

from .errors import InvalidConfig

Kind = Literal["mobile", "landline", "service", "unknown"]
"""``mobile`` also stands for where the plan can't tell, as in North America, and for personal and
internet numbers. A ``service`` is toll-free, premium, shared-cost, a company's, a pager or a
voicemail. ``unknown``: the plan has no such number."""

_MOBILE = ("mobile", "personal_number", "voip")
_LANDLINE = ("fixed_line",)
_SERVICE = ("toll_free", "premium_rate", "shared_cost", "pager", "uan", "voicemail")

_PEOPLE = ("mobile", "landline")
_UNASSIGNED = "its area code is not assigned in North America"
_A_SERVICE = "a service number (toll-free, premium, a company's), not a person's phone"


class _Country(NamedTuple):
    """The numbers of one country code; the main one of its ``regions`` comes first."""

    regions: tuple[str, ...]
    is_mobile: Callable[[str], Any]
    is_landline: Callable[[str], Any]
    is_service: Callable[[str], Any]


@cache
def library() -> ModuleType:
    """The phonenumbers library; raises ModuleNotFoundError, which says what to install."""
    try:
        import phonenumbers
    except ModuleNotFoundError as error:
        reason = "phone numbers need phonenumbers: install Sluicegate with its extra campaign"
        raise ModuleNotFoundError(reason, name="phonenumbers") from error
    return phonenumbers


def check_countries(where: str, countries: Sequence[str]) -> None:
    """Check that each is a country's code; raises InvalidConfig about the setting ``where``."""
    try:
        known = library().SUPPORTED_REGIONS if countries else ()
    except ModuleNotFoundError as error:
        raise InvalidConfig(where, str(error)) from error
    for country in countries:
        if country not in known:
            hint = "the United Kingdom is GB" if country == "UK" else "such as US or GB"
            raise InvalidConfig(where, f"{country} is no country's ISO code ({hint})")


def kind_of(number: str) -> Kind:
    """What an E.164 number is by its country's plan."""
    if number[1] == "1" and (found := _area(number[2:5])[1]):
        return found
    code = country_code(number[:4])
    return _kind_in(_country(code), number[1 + len(code) :]) if code else "unknown"


def region_of(number: str) -> str:
    """The region of an E.164 number, such as ``GB``; ``001`` for no country's, ``""`` if unknown.

    Where several regions share a code, that of the number's first digits is looked up.
    """
    if number[1] == "1":
        return _area(number[2:5])[0]
    code = country_code(number[:4])
    if not code:
        return ""
    regions = _country(code).regions
    return regions[0] if len(regions) == 1 else _shared_region(number, regions[0])


def doubt(number: str, home: str | None = None) -> str:
    """Say what makes an E.164 number doubtful; ``""`` if nothing does.

    ``home`` is the region whose national numbers the file holds: one of them may have got a +
    before it by mistake.
    """
    found = kind_of(number)
    if found in _PEOPLE:
        return ""
    if home and _is_national(number[1:], home):
        return f"perhaps a number of {home} with a + before it instead of its country code"
    if found == "service":
        return _A_SERVICE
    if number[1] == "1" and not _area(number[2:5])[0]:
        return _UNASSIGNED
    where = region_of(number) or "any country"
    return f"no such number is known in {where} (+{country_code(number[:4])})"


def _is_national(digits: str, home: str) -> bool:
    code = str(library().country_code_for_region(home))
    return kind_of(f"+{code}{digits}") in _PEOPLE and (code != "1" or len(digits) == 10)


@cache
def country_code(prefix: str) -> str:
    """The country code with which ``prefix``, a + and three digits, begins."""
    known = library().COUNTRY_CODE_TO_REGION_CODE
    codes = (prefix[1:end] for end in (2, 3, 4))
    return next((code for code in codes if code.isdecimal() and int(code) in known), "")


@cache
def _country(code: str) -> _Country:
    regions = library().COUNTRY_CODE_TO_REGION_CODE[int(code)]
    plans = [
        library().PhoneMetadata.metadata_for_region_or_calling_code(int(code), name)
        for name in regions
    ]

    def union(fields: tuple[str, ...]) -> Callable[[str], Any]:
        found = (getattr(plan, field) for plan in plans for field in fields)
        patterns = {desc.national_number_pattern: None for desc in found if desc}
        sound = [f"(?:{pattern})" for pattern in patterns if pattern and pattern != "NA"]
        return re.compile("|".join(sound) or "(?!)").fullmatch

    return _Country(regions, union(_MOBILE), union(_LANDLINE), union(_SERVICE))


def _kind_in(country: _Country, rest: str) -> Kind:
    """The kind of the number that has ``rest`` after its country's code."""
    if country.is_mobile(rest):
        return "mobile"
    if country.is_landline(rest):
        return "landline"
    return "service" if country.is_service(rest) else "unknown"


@cache
def _area(code: str) -> tuple[str, Kind | None]:
    """The region and the kind of North American numbers with this area code.

    The kind is None where it depends on the exchange, as on most of the islands.
    """
    plan = _country("1")
    numbers = [f"{code}{exchange}2345" for exchange in range(200, 1000)]
    kinds = [_kind_in(plan, number) for number in numbers]
    known = [n for n, found in zip(numbers, kinds, strict=True) if found != "unknown"]
    where = _looked_up(f"+1{known[0]}") if known else ""
    return where, kinds[0] if len(set(kinds)) == 1 else None


def _shared_region(number: str, main: str) -> str:
    # The rest of the number matters to no plan of today's.
    return _by_head(number[:-3]) or main


@lru_cache(20_000)
def _by_head(head: str) -> str:
    return _looked_up(f"{head}456")


def _looked_up(number: str) -> str:
    return library().region_code_for_number(library().parse(number)) or ""


_SHORT_CODES = re.compile(r"\+(7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])")


def area_of(number: str) -> str:
    """Where a number in E.164 is, by its first digits: ``+1212``, ``+44``, ``+353``.

    That is an area code where numbers begin with +1, else a country. Mirrored by ``areas.lua``.
    """
    if number.startswith("+1"):
        return number[:5]
    short = _SHORT_CODES.match(number)
    return short[0] if short else number[:4]
