"""A preflight's report as programs read it; rows checked and imported for agents and apps."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args
from unicodedata import name

import msgspec

from sluicegate.audit import By
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.import_batch import ImportResult
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import preflight
from sluicegate.campaigns.recipients import Recipient
from sluicegate.campaigns.rejects import Rejects
from sluicegate.campaigns.report import Report
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.substitutes import substitute
from sluicegate.config import Account
from sluicegate.levels import published
from sluicegate.paces import ceiling
from sluicegate.stored import UNITS

from ...inspect import limits_in_force
from ..session import Session
from ..words import hidden

_OF_APPS = re.compile(r"(version|digest|recipient_before|events|money(:.*)?)\Z")


def utc_now() -> datetime:
    return datetime.now(UTC)


def document(
    session: Session,
    report: Report,
    rejects: Path | None,
    duplicates: Path | None,
    now: Callable[[], datetime] = utc_now,
) -> dict[str, Any]:
    """The report for a program."""
    account = session.account
    about: dict[str, Any] = msgspec.structs.asdict(report)
    about["reasons"] = {hidden(reason): count for reason, count in report.reasons.most_common()}
    about["segments"] = {str(parts): count for parts, count in sorted(report.segments.items())}
    about["countries"] = [
        msgspec.structs.asdict(each) | {"price": float(each.price), "cost": float(each.cost)}
        for each in report.countries
    ]
    about["warnings"] = [
        msgspec.structs.asdict(each) | {"what": hidden(each.what)} for each in report.warnings
    ]
    del about["limits"]
    about["ucs2"] = [
        {"character": character, "code": code_of(character), "name": name(character, "")}
        | {"texts": count, "substitute": substitute(character)}
        for character, count in report.ucs2.most_common()
    ]
    return about | {
        "segments_total": report.parts,
        "cost_is_estimate": True,
        "price_list": account.price_list or None,
        "limit": int(report.limits["limit"]),
        "window_seconds": float(report.limits["window_ms"]) / 1000,
        "max_requests_per_second": ceiling(report.limits),
        "limits_differ_from_file": differs_from_file(report, account),
        "finished_ms": int(finish_of(report, now()).timestamp() * 1000),
        "rejects": None if rejects is None else str(rejects),
        "duplicates_file": None if duplicates is None else str(duplicates),
    }


def finish_of(report: Report, now: datetime) -> datetime:
    """When everything is sent if it starts now and nothing else waits, in hours that open."""
    opens_ms = max((share.opens_ms for share in report.hours), default=0)
    opens = datetime.fromtimestamp(opens_ms / 1000, UTC)
    return max(now, opens) + timedelta(seconds=round(report.seconds))


def differs_from_file(report: Report, account: Account) -> bool:
    """Whether limits in force count here, and the configuration has others.

    What its apps add to the account's, caps and events, sets no campaign's pace.
    """
    in_force, own = report.limits, published(account)
    if "digest" not in in_force:
        return False
    others = {name for name in in_force if name not in own and not _OF_APPS.match(name)}
    return bool(others) or any(in_force.get(name) != text for name, text in own.items())


def checked(
    session: Session,
    plan: Plan,
    rows: RowSource,
    account: Account,
    on_row: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Check rows for who keeps no file of the rejected ones; raises as ``preflight``."""
    with TemporaryDirectory() as folder, Rejects(Path(folder, "rejected"), rows) as rejects:
        return preflight(
            plan,
            rows,
            account,
            session.client,
            session.keys,
            rejects,
            on_row,
            limits=limits_in_force(session.client, session.keys),
            archive=session.archive,
        )


def masked_document(session: Session, report: Report) -> dict[str, Any]:
    """The report for who is told no whole number and no path of ours, in plain values."""
    told: dict[str, Any] = msgspec.to_builtins(
        document(session, report, None, None), str_keys=True
    )
    for sample in told["samples"]:
        sample["text"] = hidden(sample["text"])
    del told["file"]
    return told


def imported(
    campaigns: Campaigns,
    name: str,
    recipients: Iterable[Recipient],
    by: By,
    report: Report,
    file: str = "",
) -> dict[ImportResult, int]:
    """Import what a report is about, with its estimate; how many had which result."""
    tally = Counter(result for _, result in campaigns.add(name, recipients, by, file))
    campaigns.note_estimate(name, report.currency, estimate_billionths(report, tally["added"]))
    return {result: tally[result] for result in get_args(ImportResult)}


def estimate_billionths(report: Report, added: int) -> int:
    """What so many recipients of a file were reckoned to cost: their share of the file's cost."""
    if not (added and report.sendable):
        return 0
    cost = sum((country.cost for country in report.countries), Decimal(0))
    return int((cost * UNITS * added / report.sendable).to_integral_value())


def code_of(character: str) -> str:
    return f"U+{ord(character):04X}"
