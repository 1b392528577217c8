"""The options that the commands on dead letters share."""

from typing import Annotated

import typer

from ..kit.choosing import AppFilter, CampaignFilter, MessageIds
from ..kit.command import option_set
from ..kit.options import AsJsonDocument, Confirmed, WhoOption
from ..kit.times import PAST_FORMS


@option_set
class LetterFilters:
    """Which dead letters, by what they are; a filter that is None lets all pass."""

    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Those that died of this code, e.g. 40300.")
    ] = None
    campaign: CampaignFilter = None
    app: AppFilter = None
    sender: Annotated[
        str | None,
        typer.Option("--sender", metavar="SENDER", help="Those from this sender."),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help=f"Those that died since then: {PAST_FORMS}."),
    ] = None
    older_than: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help=f"Those that died before: {PAST_FORMS}."),
    ] = None

    @property
    def filters(self) -> dict[str, str]:
        """The filters that were given, by name."""
        texts = {name: getattr(self, name) for name in LetterFilters.__dataclass_fields__}
        return {name: text for name, text in texts.items() if text is not None}


@option_set
class _NamedLetters:
    ids: MessageIds = None
    all: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False


# Bases are read from the last to the first: so stand their options in the help.
@option_set
class SelectionOptions(LetterFilters, _NamedLetters):
    """Which dead letters to change: by id, by filters, or all of them."""


@option_set
class ActOptions:
    """Who changes dead letters and why, and whether it is only tried."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and count; change nothing.")
    ] = False
    who: WhoOption = None
    why: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="The reason, for the audit; required for many, and for edits."
        ),
    ] = ""
    yes: Confirmed = False
    json: AsJsonDocument = False
