"""The recipients and texts of the bench, made up by number: the same in every run."""

from collections.abc import Iterator
from pathlib import Path

SENDER = "+15557654321"
TEXT = "Hi {{ first_name }}, your parcel is ready in {{ city }}. Bring your ID, please."
_EXCHANGES = [code for code in range(200, 1000) if code % 100 != 11 and code != 555]
_NAMES = ("Ann", "Bob", "Carla", "Dimitri", "Eve", "Farid", "Grace", "Hal")
_CITIES = ("Austin", "Boise", "Chicago", "Denver", "El Paso", "Fresno", "Gary")


def number(n: int) -> str:
    """The ``n``-th phone number, in E.164."""
    area, rest = divmod(n, len(_EXCHANGES) * 10_000)
    exchange, line = divmod(rest, 10_000)
    return f"+1{212 + area}{_EXCHANGES[exchange]}{line:04d}"


def variables(n: int) -> tuple[str, str]:
    """First name and city of the ``n``-th recipient."""
    return _NAMES[n % len(_NAMES)], _CITIES[n % len(_CITIES)]


def text(n: int) -> str:
    """The text for the ``n``-th recipient, for contenders that do not render a template."""
    first_name, city = variables(n)
    return TEXT.replace("{{ first_name }}", first_name).replace("{{ city }}", city)


def bodies(count: int) -> Iterator[dict[str, str]]:
    """Messages as the bodies of requests to the provider."""
    return ({"from": SENDER, "to": number(n), "text": text(n)} for n in range(count))


def write_csv(path: Path, count: int) -> None:
    """Write ``count`` recipients as a campaign's CSV file."""
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,first_name,city\n")
        for n in range(count):
            file.write(",".join((number(n), *variables(n))) + "\n")
