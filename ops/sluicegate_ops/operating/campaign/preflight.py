"""A preflight's report as programs read it, and what both forms of it are made of."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import name

import msgspec

from sluicegate.campaigns.report import Report
from sluicegate.campaigns.substitutes import substitute
from sluicegate.config import Account
from sluicegate.levels import ceiling, published
from sluicegate.stored import UNITS

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


def estimate_billionths(report: Report, added: int) -> int:
    """What so many recipients of a file were reckoned to cost: their share of the file's cost."""
    if not (added and report.sendable):
        return 0
    cost = sum((country.cost for country in report.countries), Decimal(0))
    return int((cost * UNITS * added / report.sendable).to_integral_value())


def code_of(character: str) -> str:
    return f"U+{ord(character):04X}"
