"""``sluicegate twice``: messages that the provider accepted twice, until a person clears them."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from sluicegate.audit import act
from sluicegate_worker.operator.twice import clear_twice

from ..inspect import SentTwice, read_twice
from ..operating.choosing import of_campaign
from ..operating.session import Session
from ..operating.words import clean, counted, hidden, when
from .kit.acts import by_whom, carry_out, write_act
from .kit.asking import confirm
from .kit.choosing import CampaignFilter, MessageIds, chosen_by, chosen_ids
from .kit.command import command, option_set
from .kit.groups import group
from .kit.options import (
    AsJsonDocument,
    AsJsonLines,
    Confirmed,
    ListLimit,
    Unmasked,
    WhoOption,
)
from .kit.output import table, write, write_lines

twice = group("Look at messages that the provider accepted twice.")


@option_set
class TwiceListOptions:
    """The options of ``twice list``."""

    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@option_set
class TwiceClearOptions:
    """The options of ``twice clear``."""

    ids: MessageIds = None
    campaign: CampaignFilter = None
    all: Annotated[bool, typer.Option("--all", help="All of them.")] = False
    who: WhoOption = None
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="What was done, for the audit; needed for many.")
    ] = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@twice.command("list")
@command
def list_(session: Session, options: TwiceListOptions) -> None:
    """List messages that the provider accepted twice, the latest first.

    Their recipients may have received them twice. They stay on the list until
    you clear them.

    \b
    Example:
      sluicegate twice list
      sluicegate twice list --json --full --limit 0
    """
    every = read_twice(session.client, session.keys)
    listed = [
        msgspec.structs.replace(sent, to=hidden(sent.to, options.full))
        for sent in every[: options.limit or None]
    ]
    if options.json:
        write_lines(listed)
        return
    if not listed:
        typer.echo("no message was sent twice")
        return
    rows = table("ID", "TO", "FOUND", "FIRST", "SECOND", spare=("FOUND",))
    for sent in listed:
        both = (clean(sent.provider_id), clean(sent.provider_id_2))
        rows.add_row(sent.id, sent.to, when(sent.at_ms), *both)
    write(rows)
    if len(listed) < len(every):
        typer.echo(f"{counted(len(every), 'message')} in all; --limit 0 lists them", err=True)


@twice.command()
@command
def clear(session: Session, options: TwiceClearOptions) -> None:
    """Take messages off the list: you have dealt with them.

    Their records keep both of the provider's ids.

    \b
    Example:
      sluicegate twice clear order-1234
      sluicegate twice clear --all --why "told Telnyx's support"
    """
    filters = {} if options.campaign is None else {"campaign": options.campaign}
    ids = chosen_ids("messages sent twice", options.ids, everything=options.all, filters=filters)
    by = by_whom(options.who, options.why, needed=not ids)
    every = read_twice(session.client, session.keys)
    meant = [sent for sent in every if _is_meant(sent, ids, options.campaign)]
    unlisted = sorted({*ids} - {sent.id for sent in meant})
    cleared = [*(sent.id for sent in meant), *unlisted]
    if not cleared:
        write_act("cleared", 0, "no such message was sent twice", as_json=options.json)
        return
    confirm(f"Clear {counted(len(cleared), 'message')} sent twice?", options.yes)
    given = chosen_by(filters, everything=options.all)
    entry = act(by, "clear twice", *ids, filter=given)

    def call(batch: Sequence[str]) -> list[str]:
        return clear_twice(session.client, session.keys, batch, entry)

    worst = carry_out(
        session, cleared, call, "cleared", as_json=options.json, rule="nothing to clear"
    )
    if worst:
        raise typer.Exit(worst)


def _is_meant(sent: SentTwice, ids: Sequence[str], campaign: str | None) -> bool:
    return sent.id in ids if ids else of_campaign(sent.campaign, campaign)
