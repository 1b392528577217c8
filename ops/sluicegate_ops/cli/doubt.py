"""``sluicegate doubt``: messages that may have been sent, and a person's word on them."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, get_args

import msgspec
import typer

from sluicegate.errors import WrongState
from sluicegate_worker.operator.doubts import Doubtful, Verdict
from sluicegate_worker.queue import KEY_REUSE_MS

from .dead.acts import Who, by_whom
from .kit.advice import advised, pairs
from .kit.asking import Yes, confirm
from .kit.failures import BAD_INPUT, fail
from .kit.output import (
    Document,
    Full,
    Lines,
    clean,
    counted,
    hidden,
    lasting,
    table,
    when,
    write,
    write_document,
    write_lines,
    write_pairs,
)
from .kit.session import Session
from .message.screen import MessageScreen, read_screen

doubt = typer.Typer(
    help="Messages in doubt: sent or not, nobody knows.",
    no_args_is_help=True,
)

_SILENT = "no_answer"
"""Stands for a worker that fell silent: no answer came, and no code."""

_WORDS = {
    "accepted": "a person says that the provider accepted it",
    "resend": "a person wants it sent again",
}
_DONE = {
    "accepted": "accepted",
    "resend": "will be sent again under the same idempotency key",
    "drop": "a dead letter now",
}


@doubt.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 50,
    json: Lines = False,
    full: Full = False,
) -> None:
    """List messages in doubt, and who decides.

    \b
    Example:
      sluicegate doubt list
    """
    session: Session = ctx.obj
    found = [_masked(one, full) for one in islice(session.doubts, limit or None)]
    if json:
        write_lines(found)
        return
    rows = table("ID", "TO", "SINCE", "DECIDED", "ATTEMPTS", "REASON")
    for one in found:
        decided = "by you" if one.decided_ms is None else f"by policy {when(one.decided_ms)}"
        since = when(one.since_ms)
        rows.add_row(one.id, one.to, since, decided, str(one.attempts), clean(one.reason))
    if not found:
        typer.echo("no messages in doubt")
        return
    write(rows)
    if len(found) == limit < (total := len(session.doubts)):
        typer.echo(f"{counted(total, 'message')} in all; --limit 0 lists them", err=True)


@doubt.command()
def show(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    json: Document = False,
    full: Full = False,
) -> None:
    """Show one message in doubt, who decides, and what you can do.

    \b
    Example:
      sluicegate doubt show order-1234
    """
    session: Session = ctx.obj
    record = read_screen(session, id, full)
    if record.state != "in_doubt":
        raise WrongState(id, record.state, "not in doubt")
    code = record.code or _SILENT
    if json:
        about: dict[str, Any] = msgspec.to_builtins(record)
        write_document(about | advised(code))
        return
    write_pairs([*_shown(record), *pairs(code)])
    typer.echo(f"\nend it: sluicegate doubt resolve {id} --accepted, --resend or --drop")


def _shown(record: MessageScreen) -> Iterator[tuple[str, object]]:
    yield "id", record.id
    yield "to", record.to
    yield "since", when(record.changed_ms)
    yield (
        "decided",
        "by you" if record.decided_ms is None else f"by policy {when(record.decided_ms)}",
    )
    yield "attempts", f"{record.attempts}, of which {record.maybe} may have been acted on"
    yield "code", record.code
    yield "reason", record.reason
    yield "last answer", record.answer
    if record.key_age_seconds is not None:
        yield "idempotency key", f"first used {lasting(record.key_age_seconds)} ago"


@doubt.command()
def resolve(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    accepted: Annotated[bool, typer.Option("--accepted", help="It was sent.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send it under the same key.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Make it a dead letter.")] = False,
    provider_id: Annotated[
        str, typer.Option(help="The provider's id of it, with --accepted where you know it.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; needed with --drop.")] = "",
    who: Who = None,
    why: Annotated[str, typer.Option(help="Why, for the audit; else the reason.")] = "",
    yes: Yes = False,
) -> None:
    """End a doubt by your word.

    It was sent, send it again, or give it up. A resend goes under the same idempotency key.

    \b
    Example:
      sluicegate doubt resolve order-1234 --accepted --provider-id 40385f64-5717-4562
      sluicegate doubt resolve order-1234 --drop --reason "the customer was called"
    """
    session: Session = ctx.obj
    verdict = _verdict({"accepted": accepted, "resend": resend, "drop": drop})
    if drop and not reason:
        fail("--drop needs --reason: the dead letter keeps it", BAD_INPUT)
    if provider_id and not accepted:
        fail("--provider-id goes with --accepted: it says what the message was sent as", BAD_INPUT)
    if resend:
        _warn_of_old_key(session, id, yes)
    by = by_whom(who, why or reason, needed=False)
    told = reason or _WORDS[verdict]
    session.doubts.resolve(id, verdict, provider_id=provider_id, reason=told, by=by)
    typer.echo(f"{id}  {_DONE[verdict]}")


def _verdict(given: dict[str, bool]) -> Verdict:
    chosen = [verdict for verdict in get_args(Verdict) if given[verdict]]
    if len(chosen) != 1:
        fail("say what became of it: --accepted, --resend or --drop, one of them", BAD_INPUT)
    verdict: Verdict = chosen[0]
    return verdict


def _warn_of_old_key(session: Session, id: str, yes: bool) -> None:
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


def _masked(one: Doubtful, full: bool) -> Doubtful:
    return msgspec.structs.replace(one, to=hidden(one.to, full), reason=hidden(one.reason, full))
