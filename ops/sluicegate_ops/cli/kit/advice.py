"""What a code means, what to do about it and where: the worker's table, as it is shown."""

from collections.abc import Iterable, Iterator, Sequence

from sluicegate_worker.provider.codes import advice_for

from .output import console


def advised(code: str) -> dict[str, str]:
    """``means``, ``advice`` and ``portal`` of a code, each ``""`` where there is none."""
    found = advice_for(code)
    if found is None:
        return {"means": "", "advice": "", "portal": ""}
    return {"means": found.means, "advice": found.advice, "portal": found.portal}


def pairs(code: str) -> Iterator[tuple[str, str]]:
    """The same as lines of a screen."""
    found = advised(code)
    yield "means", found["means"]
    yield "do", found["advice"]
    yield "portal", found["portal"]


def write_advice(title: str, lines: Iterable[tuple[str, str]]) -> None:
    """Write a title, and below it what there is to say of it."""
    out = console()
    out.print(f"\n{title}", style="bold", soft_wrap=True)
    for word, line in lines:
        if line:
            out.print(f"    {word:<6}  {line}", soft_wrap=True)


def write_codes(codes: Sequence[str]) -> None:
    """Write the advice on each code once, where there is any."""
    for code in dict.fromkeys(codes):
        if advice_for(code):
            write_advice(code, pairs(code))
