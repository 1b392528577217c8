"""``sluicegate message retrieve``: a message as the provider has it, by the provider's id."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from ...operating.session import Session
from ...operating.words import hidden
from ..kit.books import books
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, Unmasked
from ..kit.output import write_document, write_pairs

ProviderIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The provider's id, as message show has it.")
]
_UNSHOWN = "(not shown without --full)"
_NOT_SHOWN = ("text", "body", "media", "msg", "subject")


@option_set
class RetrieveOptions:
    """The options of ``message retrieve``."""

    id: ProviderIdArgument
    json: AsJsonDocument = False
    full: Unmasked = False


@command
def retrieve(session: Session, options: RetrieveOptions) -> None:
    """Ask the provider for a message: its state, cost and errors there.

    It takes the provider's id, and messages of the last 10 days. An account of
    API v1 answers with its message detail record. It changes nothing here.

    \b
    Example:
      sluicegate message retrieve b0c7e8cb-6227-4c74-9f32-c7f80c30934b
    """
    with books(session) as opened:
        told = opened.message(options.id)
    shown = _masked(told, options.full)
    if options.json:
        write_document(shown)
    else:
        write_pairs(_pairs(shown))


def _masked(value: Any, full: bool) -> Any:
    """The answer without texts and whole numbers, unless ``full``."""
    if full:
        return value
    if isinstance(value, Mapping):
        return {name: _part(name, part) for name, part in value.items()}
    if isinstance(value, list):
        return [_masked(part, full) for part in value]
    return hidden(value) if isinstance(value, str) else value


def _part(name: str, value: Any) -> Any:
    """A masked field of the answer; ids may look like numbers, and are none."""
    if name.endswith("id"):
        return value
    return _UNSHOWN if name in _NOT_SHOWN and value else _masked(value, full=False)


def _pairs(told: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Every field that has a value, nested ones by their path."""
    for name, value in told.items():
        yield from _flat(name, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for inner, part in value.items():
            yield from _flat(f"{name}.{inner}", part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _flat(name if len(value) == 1 else f"{name}.{index}", part)
    elif value not in ("", None):
        yield name, value
