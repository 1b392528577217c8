"""``sluicegate doubt``: messages that may have been sent, and a person's decision on them."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import msgspec
import typer

from sluicegate.errors import WrongState
from sluicegate_worker.operator.doubts import Resolution
from sluicegate_worker.queue import KEY_REUSE_MS

from ..operating.advice import advised
from ..operating.doubts import REASONS, SILENT, decided_by, masked_doubt
from ..operating.message.screen import MessageScreen, read_screen
from ..operating.pasting import pasted
from ..operating.session import Session
from ..operating.words import clean, counted, lasting, when
from .kit.acts import by_whom
from .kit.advice import pairs
from .kit.asking import confirm
from .kit.choosing import CampaignFilter, MessageIds, chosen_by, chosen_ids
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.groups import group
from .kit.options import (
    AsJsonDocument,
    AsJsonLines,
    Confirmed,
    ListLimit,
    MessageArgument,
    Unmasked,
    WhoOption,
)
from .kit.output import table, write, write_document, write_lines, write_pairs, write_result
from .resolve_many import resolve_many

doubt = group("Decide on messages that may or may not have been sent.")

_DONE: dict[Resolution, str] = {
    "accepted": "accepted",
    "resend": "will be sent again under the same idempotency key",
    "drop": "now a dead letter",
}


@option_set
class DoubtListOptions:
    """The options of ``doubt list``."""

    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@option_set
class DoubtShowOptions:
    """The options of ``doubt show``."""

    id: MessageArgument
    json: AsJsonDocument = False
    full: Unmasked = False


@option_set
class ResolveOptions:
    """The options of ``doubt resolve``."""

    ids: MessageIds = None
    campaign: CampaignFilter = None
    code: Annotated[
        str | None,
        typer.Option(metavar="CODE", help=f"Those of this code; {SILENT} for no answer."),
    ] = None
    all: Annotated[bool, typer.Option("--all", help="All messages in doubt.")] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and count; change nothing.")
    ] = False
    accepted: Annotated[bool, typer.Option("--accepted", help="It was sent.")] = False
    resend: Annotated[
        bool, typer.Option("--resend", help="Send it again under the same idempotency key.")
    ] = False
    drop: Annotated[bool, typer.Option("--drop", help="Make it a dead letter.")] = False
    provider_id: Annotated[
        str,
        typer.Option(metavar="ID", help="The provider's id for it, if known; with --accepted."),
    ] = ""
    reason: Annotated[
        str,
        typer.Option(metavar="TEXT", help="The reason the message keeps; --why if absent."),
    ] = ""
    who: WhoOption = None
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for the audit; required with --drop.")
    ] = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@doubt.command("list")
@command
def list_(session: Session, options: DoubtListOptions) -> None:
    """List messages in doubt, and who decides on each.

    \b
    Example:
      sluicegate doubt list
    """
    listed = islice(session.doubts, options.limit or None)
    doubtful = [masked_doubt(message, options.full) for message in listed]
    if options.json:
        write_lines(doubtful)
        return
    if not doubtful:
        typer.echo("no messages in doubt")
        return
    rows = table("ID", "TO", "SINCE", "DECIDED", "ATTEMPTS", "REASON", spare=("ATTEMPTS", "SINCE"))
    for message in doubtful:
        about = (decided_by(message.decided_ms), str(message.attempts), clean(message.reason))
        rows.add_row(message.id, message.to, when(message.since_ms), *about)
    write(rows)
    if len(doubtful) == options.limit < (total := len(session.doubts)):
        typer.echo(f"{counted(total, 'message')} in all; --limit 0 lists them", err=True)


@doubt.command()
@command
def show(session: Session, options: DoubtShowOptions) -> None:
    """Show one message in doubt, and what you can do.

    \b
    Example:
      sluicegate doubt show order-1234
    """
    id = options.id
    record = read_screen(session, id, options.full)
    if record.state != "in_doubt":
        raise WrongState(id, record.state, "not in doubt")
    code = record.code or SILENT
    if options.json:
        about: dict[str, Any] = msgspec.to_builtins(record)
        write_document(about | advised(code))
        return
    write_pairs([*_pairs(record), *pairs(code)])
    typer.echo(f"\nend it: sluicegate doubt resolve --accepted, --resend or --drop {pasted(id)}")


@doubt.command()
@command
def resolve(session: Session, options: ResolveOptions) -> None:
    """End doubts: each was sent, is sent again, or is dropped.

    Sending it again uses the same idempotency key, so that the provider ignores
    the message if it has it already.

    \b
    Example:
      sluicegate doubt resolve order-1234 --accepted --provider-id 40385f64-5717-4562
      sluicegate doubt resolve order-1234 --drop --why "the customer was called"
      sluicegate doubt resolve --campaign july --resend --why "Telnyx says: never seen"
    """
    verdict = _verdict(options)
    filters = {name: text for name in ("campaign", "code") if (text := getattr(options, name))}
    ids = chosen_ids("messages in doubt", options.ids, everything=options.all, filters=filters)
    said = options.reason or options.why
    if options.drop and not said.strip():
        fail("--drop needs --why: the dead letter keeps it, and so does the audit", BAD_INPUT)
    if options.provider_id and not options.accepted:
        fail("--provider-id goes with --accepted: it names what the provider has", BAD_INPUT)
    many = len(ids) != 1
    if many and options.provider_id:
        fail("--provider-id goes with one ID: each message has its own", BAD_INPUT)
    by = by_whom(options.who, options.why or options.reason, needed=not ids)
    reason = said or REASONS[verdict]
    if many or options.dry_run:
        about = chosen_by(filters, everything=options.all)
        resolve_many(
            session, ids, about, verdict, reason, by,
            yes=options.yes, dry_run=options.dry_run, as_json=options.json,
        )  # fmt: skip
        return
    [id] = ids
    if options.resend:
        _confirm_old_key(session, id, options.yes)
    session.doubts.resolve(id, verdict, provider_id=options.provider_id, reason=reason, by=by)
    done = {"id": id, "resolution": verdict}
    write_result(done, f"{id}  {_DONE[verdict]}", as_json=options.json)


def _verdict(options: ResolveOptions) -> Resolution:
    given: dict[Resolution, bool] = {
        "accepted": options.accepted,
        "resend": options.resend,
        "drop": options.drop,
    }
    chosen = [verdict for verdict, is_given in given.items() if is_given]
    if len(chosen) != 1:
        fail("say what to do: exactly one of --accepted, --resend or --drop", BAD_INPUT)
    return chosen[0]


def _confirm_old_key(session: Session, id: str, yes: bool) -> None:
    """Ask before a resend that the provider may take for a new message."""
    record = read_screen(session, id)
    if record.state != "in_doubt":
        raise WrongState(id, record.state, "only messages in doubt are resolved")
    age = record.key_age_seconds or 0
    if age * 1000 > KEY_REUSE_MS:
        warning = (
            f"Its idempotency key was first used {lasting(age)} ago. The provider forgets a key "
            "after 24 h, so the recipient may get the message twice."
        )
        confirm(f"{warning}\nSend {id} again?", yes)


def _pairs(record: MessageScreen) -> Iterator[tuple[str, object]]:
    yield "id", record.id
    yield "to", record.to
    yield "since", when(record.changed_ms)
    yield "decided", decided_by(record.decided_ms)
    yield "attempts", f"{record.attempts}, of which {record.maybe} may have been acted on"
    yield "code", record.code
    yield "reason", record.reason
    yield "last answer", record.answer
    if record.key_age_seconds is not None:
        yield "idempotency key", f"first used {lasting(record.key_age_seconds)} ago"
