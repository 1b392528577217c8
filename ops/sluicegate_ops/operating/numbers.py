"""Numbers that people give, in whatever form."""

from collections.abc import Sequence

from sluicegate.campaigns.phone import Phones
from sluicegate.errors import BadNumber, SluicegateError
from sluicegate.rules import E164

from .words import hidden, listed


class BadNumbers(SluicegateError):
    """Some of the numbers are none; nothing was changed."""


def numbers_of(numbers: Sequence[str], region: str | None) -> list[str]:
    """Each of them once, in E.164; raises BadNumbers, which names those that are none."""
    phones, found, wrong = Phones(region), dict[str, None](), list[str]()
    for number in numbers:
        try:
            found[number if E164.match(number) else phones.normalise(number)] = None
        except BadNumber as error:
            wrong.append(f"{hidden(number)}: {error.reason}")
    if wrong:
        raise BadNumbers(f"{listed(wrong)}; nothing was changed")
    return list(found)
