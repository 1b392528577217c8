"""``sluicegate erase`` and ``sluicegate export``: one person's data, gone or handed over."""

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from sluicegate.campaigns.phone import Phones
from sluicegate.errors import BadNumber
from sluicegate.rules import E164
from sluicegate.stored import LaneName, MessageId
from sluicegate_worker.operator.erasing import Erasure

from ..inspect import Mention, Mentions, read_holds, server_ms
from ..operating.session import Session
from ..operating.words import clean, hidden, listed
from .kit.acts import by_whom, note
from .kit.asking import confirm_typed
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, FAILED, fail
from .kit.files import text_output
from .kit.options import AsJsonDocument, Overwrite, RegionOption, WhoOption, WhyOption
from .kit.output import write_result
from .kit.retention import archive_to_change

_ROUNDS = 2  # what was a ticket when it was read may be a record by now

NumberArgument = Annotated[
    str, typer.Argument(metavar="NUMBER", help="The number, such as +15551234567.")
]


@option_set
class EraseOptions:
    """The options of ``erase``."""

    number: NumberArgument
    region: RegionOption = None
    who: WhoOption = None
    why: WhyOption = ""
    confirm: Annotated[
        str, typer.Option(metavar="NUMBER", help="The number again, instead of being asked.")
    ] = ""
    json: AsJsonDocument = False


@option_set
class PersonExportOptions:
    """The options of ``export``."""

    number: NumberArgument
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here, for its owner alone.")
    ] = None
    overwrite: Overwrite = False
    region: RegionOption = None
    who: WhoOption = None
    why: WhyOption = ""


class Left(msgspec.Struct, frozen=True):
    """Where a number still stands after it was erased, and why."""

    where: str
    why: str


@command
def erase(session: Session, options: EraseOptions) -> None:
    """Erase a person's number from Redis and the archive.

    Ledgers and totals keep their counts. What waits for the number is cancelled.
    Its opt-out stands, under a keyed hash, so that it is never sent to again. What
    a worker holds or is in doubt, and what is under a legal hold, is left and
    named, and the exit status is 1: repeat it then. Backups and your own files
    are not touched; docs/ARCHIVE.md says what to do about them.

    \b
    Example:
      sluicegate erase +15551234567 --why "asked by letter of 3 May"
    """
    number = _number(options.number, options.region)
    by = by_whom(options.who, options.why, needed=True)
    holds = read_holds(session.client, session.keys)
    if any(hold.kind == "number" and hold.name == number for hold in holds):
        fail(f"{hidden(number)} is under a legal hold: see sluicegate hold list")
    confirm_typed("Erase this number for good? Type it again", number, _given(options))
    held = {hold.name for hold in holds if hold.kind == "campaign"}
    mentions = Mentions(session.client, session.keys, number)
    names, keep_ms = mentions.names, session.config.retention_ms
    erasure = Erasure(session.client, session.keys, number, names, keep_ms)
    with archive_to_change(session) as archive:
        erasure.keep_optout()
        for _ in range(_ROUNDS):
            for mention in sorted(mentions, key=_rank):
                if _campaign(mention) not in held:
                    erasure.mention(*mention)
        if archive is not None:
            erasure.archive(archive, session.name, held)
    erasure.persist()
    left = [*_left(mentions, held), *_files(session, mentions), *_archived(session, number, held)]
    done = {what: count for what, count in sorted(erasure.done.items()) if count}
    note(session, by, "erase", {"left": str(len(left))}, sum(done.values()))
    told = listed([f"{count:,} {what}" for what, count in done.items()]) or "nothing was found"
    result = {"erased": done, "left": msgspec.to_builtins(left)}
    write_result(result, f"erased: {told}", as_json=options.json)
    if left:
        places = "; ".join(f"{clean(one.where)}: {one.why}" for one in left)
        fail(f"the number still stands in {places}", FAILED)


@command
def export(session: Session, options: PersonExportOptions) -> None:
    """Write all that is known of a number, as JSON.

    \b
    Example:
      sluicegate export +15551234567 --out person.json --why "asked by mail"
    """
    number = _number(options.number, options.region)
    by = by_whom(options.who, options.why, needed=False)
    known = _known(session, number)
    with text_output(options.out, options.overwrite) as output:
        text = msgspec.json.format(msgspec.json.encode(known), indent=2).decode()
        output.write(text + "\n")
    where = "stdout" if options.out is None else options.out.name
    note(session, by, "export", {"of": "a person", "file": where})


def _known(session: Session, number: str) -> dict[str, Any]:
    optouts = session.sluice.optouts
    archive = session.archive.archive
    archived = archive.of_recipient(session.name, number) if archive else iter(())
    here = [
        {"key": mention.key, "holds": _texts(session, mention)}
        for mention in Mentions(session.client, session.keys, number)
    ]
    return {
        "number": number,
        "account": session.name,
        "at_ms": int(server_ms(session.client)),
        "opted_out": optouts.get(number),
        "consent": optouts.history(number),
        "under_review": optouts.under_review(number),
        "archived": [
            {"id": message.id, **{k.decode(): v.decode() for k, v in message.fields.items()}}
            for message in archived
        ],
        "redis": here,
    }


def _texts(session: Session, mention: Mention) -> Any:
    """What stands there: a whole record, or the one field, member or element."""
    if mention.kind == "hash" and not mention.member:
        fields = Mentions(session.client, session.keys, "").record(mention.key)
        return {name: value for name, value in fields.items() if name != "token"}
    texts = (mention.member, mention.value)
    return [text.decode(errors="replace") for text in texts if text]


def _number(text: str, region: str | None) -> str:
    try:
        return text if E164.match(text) else Phones(region).normalise(text)
    except BadNumber as error:
        fail(f"{hidden(text)}: {error.reason}", BAD_INPUT)


def _given(options: EraseOptions) -> str:
    return _number(options.confirm, options.region) if options.confirm else ""


def _rank(mention: Mention) -> int:
    """Records first, then the tickets that they make void, then the rest."""
    order = ("m:", "lane:")
    return next((at for at, start in enumerate(order) if mention.key.startswith(start)), 2)


def _campaign(mention: Mention) -> str:
    """The campaign that a mention belongs to; "" for none."""
    kind, _, rest = mention.key.partition(":")
    match kind:
        case "m":
            return MessageId.parse(rest).campaign
        case "lane":
            return LaneName.parse(rest).campaign
        case "unsent":
            return rest.partition(":")[0]
        case _:
            return ""


_WHY_LEFT = {
    "m": "it is under way or in doubt; repeat this once it has ended (sluicegate doubt list)",
    "lane": "it is under way; repeat this",
    "leases": "a worker is sending to it now; repeat this",
}


def _left(mentions: Mentions, held: set[str]) -> Iterator[Left]:
    for mention in mentions:
        campaign = _campaign(mention)
        kind = mention.key.partition(":")[0]
        why = _WHY_LEFT.get(kind, "it came in meanwhile; repeat this")
        if campaign in held:
            why = f"campaign {campaign} is under a legal hold"
        yield Left(hidden(mention.key), why)


def _files(session: Session, mentions: Mentions) -> Iterator[Left]:
    """Files of ours that name it, which only a person can deal with."""
    spool = Path(session.config.spool_directory)
    found = [
        *((path, "a worker of this host settles it at its start") for path in spool.glob("*")),
        *((path, "it is yours: delete it") for path in Path().glob("*.rejected.csv")),
        *((path, "it is yours: delete it") for path in Path().glob("*.duplicates.csv")),
    ]
    if desk := session.config.web.desk:
        drafts = Path(desk.files).glob("*/*")
        found += ((path, "remove its draft at the desk") for path in drafts)
    for path, why in found:
        if path.is_file() and _names(mentions, path):
            yield Left(str(path), why)


def _names(mentions: Mentions, path: Path) -> bool:
    """Whether a file names the number; it may be larger than memory."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return False
        with mmap(file.fileno(), 0, access=ACCESS_READ) as text:
            return bool(mentions.names(text))


def _archived(session: Session, number: str, held: set[str]) -> Iterator[Left]:
    archive = session.archive.archive
    if archive is None:
        return
    count = sum(1 for message in archive.of_recipient(session.name, number))
    if count:
        why = f"{listed(sorted(held))} under a legal hold" if held else "it came in meanwhile"
        yield Left("the archive", why)
