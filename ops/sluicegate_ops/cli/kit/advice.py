"""What a code means, what to do about it and where: the worker's table on the screen."""

from collections.abc import Iterable, Iterator, Sequence

from sluicegate_worker.provider.codes import advice_for

from ...operating.advice import advised
from .output import tell


def pairs(code: str) -> Iterator[tuple[str, str]]:
    """The advice on a code, as lines of a screen."""
    advice = advised(code)
    yield "means", advice["means"]
    yield "do", advice["advice"]
    yield "portal", advice["portal"]


def write_advice(title: str, lines: Iterable[tuple[str, str]]) -> None:
    """Write a title, and the lines below it that are not empty."""
    tell(f"\n{title}", style="bold")
    for word, line in lines:
        if line:
            tell(f"    {word:<6}  {line}", indent=12)


def write_codes(codes: Sequence[str]) -> None:
    """Write the advice on each code that has any, once."""
    for code in dict.fromkeys(codes):
        if advice_for(code):
            write_advice(code, pairs(code))
