"""A preflight's report as people and programs read it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from unicodedata import name

import typer

from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.report import Report
from sluicegate.campaigns.substitutes import substitute
from sluicegate.config import Account
from sluicegate.paces import ceiling, requests_per_second
from sluicegate.stored import BrandLimits

from ...operating.campaign.opening_words import where
from ...operating.campaign.preflight import code_of, differs_from_file, finish_of, utc_now
from ...operating.session import Session
from ...operating.words import clean, cost, counted, hidden, lasting, local
from ..kit.output import grid, table, tell, write, write_pairs
from .preflight_costs import named, write_costs
from .presets import NO_ADVICE

_SHOWN = 12
"""Reasons and characters listed; JSON has all of them."""


def show(
    session: Session,
    report: Report,
    plan: Plan,
    rejects: Path | None,
    duplicates: Path | None,
    now: Callable[[], datetime] = utc_now,
) -> None:
    """Write the report for a person: what was guessed of the file first, then what it holds."""
    write_pairs(_guesses(report))
    excludes = plan.except_campaigns or report.excluded
    _section("DOUBTFUL", _warnings(report))
    typer.echo()
    write_sum(
        ("rows", report.rows),
        [
            ("sendable", report.sendable, ""),
            ("rejected", report.rejected, f"written to {rejects}" if rejects else ""),
            ("duplicates", report.duplicates, f"of earlier rows, listed in {duplicates}"),
            ("suppressed", report.suppressed, "opted out"),
            *[("excluded", report.excluded, _excluded_by(report))] * bool(excludes),
            *[("filtered", report.filtered, _filtered_by(report))] * bool(report.filtered),
        ],
    )
    _section("REJECTED BECAUSE", _reasons(report))
    _section("NOT IN GSM-7", _characters(report, plan, session.account))
    _section("SEGMENTS", _segments(report))
    _section("HOURS", _hours(report, now()))
    if plan.hours and plan.hours.preset:
        tell(f"{plan.hours.preset}: {NO_ADVICE}")
    write_costs(report, plan.kind, session.account)
    typer.echo()
    write_pairs(_estimates(report, plan, session.account, now()))
    for sample in report.samples:
        about = f"line {sample.line}, {sample.to}, {counted(sample.parts, 'segment')}"
        tell(f"\n{about}, {sample.encoding}:")
        for line in sample.text.splitlines():
            tell(f"    {clean(line)}", indent=4)


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
    return f"left out: {by}"


def _filtered_by(report: Report) -> str:
    by = ", ".join(f"{count:,} by {name}" for name, count in report.filtered_by.most_common())
    return f"not asked for: {by}"


def _guesses(report: Report) -> Iterator[tuple[str, str]]:
    """What nobody said, but the file: countries, encoding and delimiter."""
    yield "file", report.file
    shown = [f"{named(each.country)} {each.texts:,}" for each in report.countries[:_SHOWN]]
    if rest := report.countries[_SHOWN:]:
        shown.append(f"{len(rest)} more countries {sum(each.texts for each in rest):,}")
    yield "countries", ", ".join(shown)
    accents = ", ".join(map(hidden, report.accents))
    look = f". Do these read well? {accents}" if accents else ""
    yield "encoding", f"{report.form}{look}"
    if report.lines.tall:
        first = ", ".join(f"line {line} ({count} lines)" for line, count in report.lines.tallest)
        tall = counted(report.lines.tall, "row")
        yield "quotes", f"{tall} of several lines, such as {first}"
    if report.languages:
        counts = report.languages.most_common()
        yield "languages", ", ".join(f"{code or 'the others'} {n:,}" for code, n in counts)
    if report.landlines:
        yield "landlines", f"{report.landlines:,}; --skip-landlines leaves them out"


def _warnings(report: Report) -> Iterator[tuple[str, str, str]]:
    for warning in sorted(report.warnings, key=lambda each: -each.count)[:_SHOWN]:
        where = f"{warning.where}: " if warning.where else ""
        what = clean(hidden(f"{where}{warning.what}"))
        yield f"{warning.count:>9,}", what, f"from line {warning.line} on"
    if (more := len(report.warnings) - _SHOWN) > 0:
        yield "", f"and {more} more", ""


def _reasons(report: Report) -> Iterator[tuple[str, str]]:
    for reason, count in report.reasons.most_common(_SHOWN):
        yield f"{count:>9,}", clean(hidden(reason))
    if (more := len(report.reasons) - _SHOWN) > 0:
        yield "", f"and {more} more"


def _characters(report: Report, plan: Plan, account: Account) -> Iterator[tuple[str, ...]]:
    """Every character that keeps texts out of GSM-7, and what replacing all of them saves."""
    for character, count in report.ucs2.most_common(_SHOWN):
        about = (code_of(character), name(character, "no name").lower(), counted(count, "text"))
        in_text = "in your text: " if character in plan.text else ""
        yield (f"        {clean(character)}", *about, in_text + _instead(substitute(character)))
    if (more := len(report.ucs2) - _SHOWN) > 0:
        yield "", "", f"and {more} more", "", ""
    if saved := report.saved_by_plain:
        gain = cost(saved * report.cost / report.parts, account.currency)
        what = (
            f"--plain-punctuation writes ' \" - ... and saves {counted(saved, 'segment')}, {gain}"
        )
        yield "", "", what, "", ""
    if saved := report.saved:
        gain = cost(saved * report.cost / report.parts, account.currency)
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


def _hours(report: Report, now: datetime) -> Iterator[tuple[str, ...]]:
    """Who may be sent to from when on, by the clock of whoever reads it."""
    now_ms = now.timestamp() * 1000
    for share in report.hours[:_SHOWN]:
        opens = f"opens {local(share.opens_ms, now_ms)}"
        opened = f"open until {local(share.closes_ms, now_ms)}"
        state = opened if share.opens_ms <= now_ms else opens
        hours = "; ".join(share.rules) or "any time"
        yield f"{share.recipients:>9,}", where(share.zones), hours, state
    if (more := len(report.hours) - _SHOWN) > 0:
        yield "", f"and {more} more", "", ""


def _estimates(
    report: Report, plan: Plan, account: Account, now: datetime
) -> Iterator[tuple[str, object]]:
    finished = finish_of(report, now)
    ends = f"done at {_when(finished)} if it starts now and nothing else waits"
    yield "time", f"{lasting(report.seconds)} at the rate of {_limit(report)}; {ends}"
    if differs_from_file(report, account):
        version = report.limits.get("version", "0")
        yield "limits", f"those in force, version {version}; this file's differ: sluicegate status"
    if plan.expires_at is not None:
        late = ": not all can be sent by then" if finished > plan.expires_at else ""
        yield "expires", f"{_when(plan.expires_at)}{late}"
    waiting, sent = f"{report.import_bytes:,}", f"{report.sent_bytes:,}"
    yield "memory", f"about {waiting} bytes of Redis while they wait, {sent} once they are sent"


def _limit(report: Report) -> str:
    """The level that limits the campaign, and its rate."""
    level, _, name = report.held_by.partition(":")
    if report.held_by == "account":
        if requests_per_second(report.limits) == ceiling(report.limits):
            return f"the account, {ceiling(report.limits):g} requests per s at most"
        seconds = float(report.limits["window_ms"]) / 1000
        return f"the account, {int(report.limits['limit']):,} requests per {seconds:g} s"
    if level == "brand":
        cap = BrandLimits.parse(report.limits[report.held_by]).cap
        return f"brand {name}, {cap:,} segments a day at T-Mobile"
    per_second = f"{report.parts / report.seconds:,.4f}".rstrip("0").rstrip(".")
    who = f"the {level}" if level in ("account", "campaign") else f"{level} {name}"
    return f"{who}, {per_second} {'MMS' if name == 'mms' else 'segments'} per s"


def _when(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
