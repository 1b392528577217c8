"""Public holidays of countries and of their parts, by the library of that name."""

from functools import lru_cache
from types import ModuleType

from ...errors import BadHours


def check_calendar(code: str) -> None:
    """Check that a code such as ``DE`` or ``US-TX`` has holidays; raises BadHours."""
    country, _, part = code.partition("-")
    known = _library().list_supported_countries()
    if country not in known:
        raise BadHours(code, "has no known holidays: write a country's code, as DE, or US-TX")
    if part and part not in known[country]:
        parts = ", ".join(known[country]) or "none"
        raise BadHours(code, f"{country} has no part {part}; its parts are: {parts}")


@lru_cache(1000)
def holidays_in(code: str, year: int) -> tuple[str, ...]:
    """The dates (ISO) in a year that are public holidays of ``code``; raises BadHours."""
    check_calendar(code)
    country, _, part = code.partition("-")
    found = _library().country_holidays(country, subdiv=part or None, years=year)
    return tuple(sorted(day.isoformat() for day in found if day.year == year))


def _library() -> ModuleType:
    try:
        import holidays
    except ModuleNotFoundError as error:
        reason = "public holidays need holidays: install Sluicegate with its extra campaign"
        raise ModuleNotFoundError(reason, name="holidays") from error
    return holidays
