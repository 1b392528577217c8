"""``sluicegate campaign test``: a few rendered rows to your own phone, marked as a test."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from sluicegate.campaigns.phone import Phones
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.showcase import Exhibit
from sluicegate.errors import BadNumber
from sluicegate.message import Message
from sluicegate.outbox import EnqueueResult

from ...operating.session import Session
from ...operating.words import counted, hidden
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, FAILED, fail, say
from ..kit.output import tell, write_document
from .options import FileOptions
from .preview import shown_rows

MARK = "TEST: "
"""What each text begins with, so that nobody takes a test for the campaign."""

MOST_MESSAGES = 20
_EXPIRES = timedelta(minutes=15)  # a test that waits for a halt must not arrive tomorrow


@option_set
class _TestRecipients:
    to: Annotated[
        list[str],
        typer.Option(metavar="NUMBER", help="A phone that gets the test; repeatable."),
    ]


# Bases are read from the last to the first: the numbers stand first in the help.
@option_set
class CampaignTestOptions(FileOptions, _TestRecipients):
    """The options of ``campaign test``."""


@command
def test(session: Session, options: CampaignTestOptions) -> None:
    """Send a few rows, as they read, to your own phone.

    They are the rows that preview shows, each marked as a test, and no more
    than 20 messages. They go out like any message, ahead of bulk; whoever opted
    out gets none, and what is not sent in 15 minutes expires. The campaign's
    recipients get nothing, and it need not exist.

    \b
    Example:
      sluicegate campaign test people.csv --to +15551234567 --from +15557654321 \\
        --region US --text "Hi {{ first_name }}" --sample 3
    """
    numbers = list(dict.fromkeys(_number(options, text) for text in options.to))
    wanted = len(numbers) * options.sample
    if wanted > MOST_MESSAGES:
        fail(
            f"{options.sample} rows to {counted(len(numbers), 'phone')} are {wanted} messages; "
            f"a test has at most {MOST_MESSAGES}: see --sample",
            BAD_INPUT,
        )
    plan, shown, _ = shown_rows(session, options)
    if not shown:
        fail("nothing in these rows can be sent", FAILED)
    messages = list(_messages(plan, shown, numbers))
    results = session.sluice.enqueue_many([message for message, _ in messages])
    sent = [_about(result, *each) for result, each in zip(results, messages, strict=True)]
    if options.json:
        write_document({"messages": sent})
    failed = [each for each in sent if each["outcome"] != "enqueued"]
    for each in sent:
        told = f"line {each['line']} to {each['to']}: {each['id']}"
        if each in failed:
            say(f"{told}: not sent, {each['reason']}")
        elif not options.json:
            tell(f"{told}, {counted(each['parts'], 'segment')}")
    if failed:
        raise typer.Exit(FAILED)


def _number(options: CampaignTestOptions, text: str) -> str:
    try:
        return Phones(options.region).normalise(text)
    except BadNumber as error:
        fail(f"--to {hidden(text)}: {error.reason}", BAD_INPUT)


def _messages(
    plan: Plan, shown: list[Exhibit], numbers: list[str]
) -> Iterator[tuple[Message, int]]:
    """Each row to each number, and the row's line."""
    run, expires_at = secrets.token_hex(4), datetime.now(UTC) + _EXPIRES
    count = 0
    for each in shown:
        for to in numbers:
            count += 1
            message = Message(
                id=f"test-{run}-{count}",
                to=to,
                sender=plan.sender,
                text=MARK + each.recipient.text,
                media_urls=plan.media_urls,
                messaging_profile_id=plan.messaging_profile_id,
                priority="transactional",
                expires_at=expires_at,
            )
            yield message, each.recipient.line


def _about(result: EnqueueResult, message: Message, line: int) -> dict[str, Any]:
    reason = "this number has opted out" if result.outcome == "suppressed" else ""
    return {
        "id": message.id,
        "line": line,
        "to": hidden(message.to),
        "outcome": result.outcome,
        "parts": message.segments.parts if result.ok else 0,
        "reason": reason or str(result.error or ""),
    }
