"""How a command is told which messages it means: by id, by filters, or all of them."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from .failures import BAD_INPUT, fail

MessageIds = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The ids of messages.")]
CampaignFilter = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Those of a campaign; - for those of no campaign."),
]
AppFilter = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Those of an app; - for those of nobody with a name."),
]


def chosen_by(filters: Mapping[str, str], *, everything: bool) -> dict[str, str]:
    """How messages were chosen without their ids, for the audit."""
    return {**filters, **({"all": "yes"} if everything else {})}


def chosen_ids(
    what: str, ids: Iterable[str] | None, *, everything: bool, filters: Mapping[str, str]
) -> tuple[str, ...]:
    """The ids that were named, each once; ends the command unless one way of naming was used."""
    named = tuple(dict.fromkeys(ids or ()))
    if (bool(named), everything, bool(filters)).count(True) != 1:
        ways = "by ID..., by filters such as --campaign, or with --all"
        fail(f"name {what} {ways}: in exactly one of these ways", BAD_INPUT)
    return named
