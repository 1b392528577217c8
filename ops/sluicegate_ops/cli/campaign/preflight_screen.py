"""A preflight's report as people and programs read it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unicodedata import name

import msgspec
import typer

from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import Report
from sluicegate.campaigns.substitutes import substitute
from sluicegate.config import Account

from ..kit.output import clean, counted, grid, hidden, lasting, table, write, write_pairs
from ..kit.session import Session

_SHOWN = 12
"""Reasons and characters listed; JSON has all of them."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def show(
    session: Session,
    report: Report,
    plan: Plan,
    rejects: Path | None,
    now: Callable[[], datetime] = _utc_now,
) -> None:
    """Write the report for a person, what matters most first."""
    write_sum(
        ("rows", report.rows),
        [
            ("sendable", report.sendable, ""),
            ("rejected", report.rejected, f"written to {rejects}" if rejects else ""),
            ("duplicates", report.duplicates, "of earlier rows in the file"),
            ("suppressed", report.suppressed, "opted out"),
            *[("excluded", report.excluded, _excluded_by(report))] * bool(plan.except_campaigns),
        ],
    )
    _section("REJECTED BECAUSE", _reasons(report))
    _section("NOT IN GSM-7", _characters(report, plan, session.account))
    _section("SEGMENTS", _segments(report))
    typer.echo()
    write_pairs(_estimates(report, plan, session.account, now()))
    for sample in report.samples:
        about = f"line {sample.line}, {sample.to}, {counted(sample.parts, 'segment')}"
        typer.echo(f"\n{about}, {sample.encoding}:")
        for line in sample.text.splitlines():
            typer.echo(f"    {clean(line)}")


def document(
    session: Session,
    report: Report,
    rejects: Path | None,
    now: Callable[[], datetime] = _utc_now,
) -> dict[str, Any]:
    """The report for a program."""
    account = session.account
    about: dict[str, Any] = msgspec.structs.asdict(report)
    about["reasons"] = {hidden(reason): count for reason, count in report.reasons.most_common()}
    about["segments"] = {str(parts): count for parts, count in sorted(report.segments.items())}
    about["ucs2"] = [
        {"character": character, "code": _code(character), "name": name(character, "")}
        | {"texts": count, "substitute": substitute(character)}
        for character, count in report.ucs2.most_common()
    ]
    return about | {
        "segments_total": report.parts,
        "cost_is_estimate": True,
        "price_per_segment": account.price_per_segment,
        "limit": account.limit,
        "window_seconds": account.window_seconds,
        "finished_ms": int(_finished(report, now()).timestamp() * 1000),
        "rejects": None if rejects is None else str(rejects),
    }


def write_sum(whole: tuple[str, int], parts: Iterable[tuple[str, int, str]]) -> None:
    """Write a number and the parts that it is the sum of, with a note on each that is not 0."""
    rows = grid()
    for justify in ("left", "left", "right"):
        rows.add_column(justify=justify, no_wrap=True)
    rows.add_column(style="dim")
    rows.add_row("", whole[0], f"{whole[1]:,}", "", style="bold")
    for index, (word, count, note) in enumerate(parts):
        style = "" if count else "dim"
        rows.add_row("+" if index else "=", word, f"{count:,}", note if count else "", style=style)
    write(rows)


def cost(amount: float, currency: str) -> str:
    """An amount of money, for people."""
    shown = f"{amount:,.2f}" if amount >= 0.01 or not amount else f"{amount:.4f}"
    return f"{shown} {currency}"


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    lines = list(rows)
    if not lines:
        return
    typer.echo()
    section = table(title, *[""] * (len(lines[0]) - 1))
    for line in lines:
        section.add_row(*line)
    write(section)


def _excluded_by(report: Report) -> str:
    by = ", ".join(f"{count:,} by {name}" for name, count in report.excluded_by.most_common())
    return f"reached or still held: {by}"


def _reasons(report: Report) -> Iterator[tuple[str, str]]:
    for reason, count in report.reasons.most_common(_SHOWN):
        yield f"{count:>9,}", clean(hidden(reason))
    if (more := len(report.reasons) - _SHOWN) > 0:
        yield "", f"and {more} more"


def _characters(report: Report, plan: Plan, account: Account) -> Iterator[tuple[str, ...]]:
    """Every character that keeps texts out of GSM-7, and what replacing all of them saves."""
    for character, count in report.ucs2.most_common(_SHOWN):
        about = (_code(character), name(character, "no name").lower(), counted(count, "text"))
        in_text = "in your text: " if character in plan.text else ""
        yield (f"        {clean(character)}", *about, in_text + _instead(substitute(character)))
    if (more := len(report.ucs2) - _SHOWN) > 0:
        yield "", "", f"and {more} more", "", ""
    if saved := report.saved:
        gain = cost(saved * account.price_per_segment, account.currency)
        yield "", "", f"replacing all of them saves {counted(saved, 'segment')}, {gain}", "", ""


def _instead(substitute: str | None) -> str:
    if substitute is None:
        return "of another script: no substitute"
    return f"write {substitute!r}" if substitute else "leave it out"


def _segments(report: Report) -> Iterator[tuple[str, ...]]:
    most = max(report.segments.values(), default=0)
    for parts, count in sorted(report.segments.items()):
        bar = "#" * max(1, round(40 * count / most))
        yield f"{parts:>9}", f"{count:,}", bar


def _estimates(
    report: Report, plan: Plan, account: Account, now: datetime
) -> Iterator[tuple[str, object]]:
    price = f"{account.price_per_segment:g} {account.currency}"
    what = "media message" if plan.media_urls else "segment"
    carriers = "without carrier fees and taxes"
    about = f"estimated: {counted(report.parts, what)} at {price}, {carriers}"
    yield "cost", f"{cost(report.cost, report.currency)}, {about}"
    finished = _finished(report, now)
    ends = f"done at {_when(finished)} if it starts now and nothing else waits"
    yield "time", f"{lasting(report.seconds)} at the rate of {_limit(report, account)}; {ends}"
    if plan.expires_at is not None:
        late = ": not all can be sent by then" if finished > plan.expires_at else ""
        yield "expires", f"{_when(plan.expires_at)}{late}"
    waiting, sent = f"{report.import_bytes:,}", f"{report.sent_bytes:,}"
    yield "memory", f"about {waiting} bytes of Redis while they wait, {sent} once they are sent"
    yield "file", f"{report.file}: {report.encoding}, values separated by {report.delimiter!r}"


def _limit(report: Report, account: Account) -> str:
    """The level that limits the campaign, and its rate."""
    level, _, name = report.held_by.partition(":")
    if report.held_by == "account":
        return f"the account, {account.limit:,} requests per {account.window_seconds:g} s"
    if level == "brand":
        return f"brand {name}, {account.brands[name].tmobile_daily:,} segments a day at T-Mobile"
    per_second = f"{report.parts / report.seconds:,.4f}".rstrip("0").rstrip(".")
    who = f"the {level}" if level in ("account", "campaign") else f"{level} {name}"
    return f"{who}, {per_second} {'MMS' if name == 'mms' else 'segments'} per s"


def _finished(report: Report, now: datetime) -> datetime:
    return now + timedelta(seconds=round(report.seconds))


def _when(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"
