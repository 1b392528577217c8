"""The runbook, the alerts and the dashboard: each alert has an entry, what they name is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from sluicegate import Config
from sluicegate.campaigns.ledger import STATES as LEDGER_STATES
from sluicegate_ops.cli.app import app
from sluicegate_ops.inspect import MessageCounts
from sluicegate_ops.metrics import EVENTS, AccountMetrics
from sluicegate_worker.observe.metrics import Meters, WorkerMetrics

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "ops/RUNBOOK.md").read_text(encoding="utf-8")
ALERTS = (ROOT / "ops/prometheus/alerts.yml").read_text(encoding="utf-8")
DASHBOARD = (ROOT / "ops/grafana/dashboards/sluicegate.json").read_text(encoding="utf-8")

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]
]
PANELS = [panel for panel in json.loads(DASHBOARD)["panels"] if "targets" in panel]
QUERIES = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]
STATES = {*MessageCounts.__struct_fields__, *LEDGER_STATES, "closed", "open", "half"}


def names_of(family: Any) -> Iterator[str]:
    """What a metric's samples are called."""
    ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    yield family.name
    yield from (family.name + end for end in ends.get(family.type, []))


def exported() -> set[str]:
    collectors = [WorkerMetrics({"default": Meters()}), AccountMetrics(None, Config())]
    families = [family for collector in collectors for family in collector.collect()]
    return {name for family in families for name in names_of(family)}


def served() -> set[str]:
    """What the web counts itself; its text is put together where it stands."""
    sources = (ROOT / "ops/sluicegate_ops/web").rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    return set(re.findall(r"\bsluicegate_(?:http|app_requests)_total\b", text))


def slugs() -> set[str]:
    """The anchors of the runbook's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", RUNBOOK, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def entry(anchor: str) -> str:
    """What stands below the heading of that anchor, up to the next."""
    parts = re.split(r"^#+ (.*)$", RUNBOOK, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return next(text for heading, text in found.items() if heading.lower() == anchor)


def commands() -> list[list[str]]:
    """Every command of ours that the runbook names, in words."""
    inline = re.findall(r"`(sluicegate [^`]+)`", RUNBOOK)
    console = re.findall(r"^\$ (sluicegate [^#\n]+)", RUNBOOK, re.MULTILINE)
    return [re.sub(r'"[^"]*"', "TEXT", line).split()[1:] for line in inline + console]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that ``words`` begin with, and the rest of them."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0].startswith("--"):
            words = words[2:]  # an option of all commands, and its value
            continue
        assert words[0] in command.commands, f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_has_an_entry_that_says_what_to_do(rule: dict[str, Any]) -> None:
    text = entry(rule["annotations"]["runbook_url"].partition("#")[2])
    full = all(f"**{word}" in text for word in ("See", "Look", "Act", "Ends by itself"))
    assert full or re.search(r"\]\(#[a-z-]+\)", text), "an entry, or a link to one"
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_no_entry_is_left_of_an_alert_that_is_gone() -> None:
    entries = set(re.findall(r"^### (Sluicegate\w+)$", RUNBOOK, re.MULTILINE))
    assert entries == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(
    "halt", ["the-account", "a-sender", "a-registration-a-brand", "a-campaign", "by-hand"]
)
def test_each_kind_of_halt_has_an_entry(halt: str) -> None:
    assert halt in slugs()


def test_each_state_of_the_breaker_has_an_entry() -> None:
    table = entry("the breaker")
    assert all(f"| {state} |" in table for state in ("closed", "open", "half"))


def test_its_links_lead_somewhere() -> None:
    links = set(re.findall(r"\]\(#([^)]*)\)", RUNBOOK))
    assert links
    assert links <= slugs()


@pytest.mark.parametrize(
    "text",
    [pytest.param(" ".join(QUERIES), id="queries"), pytest.param(RUNBOOK, id="runbook")],
)
def test_each_metric_that_is_named_is_exported(text: str) -> None:
    named = set(re.findall(r"\bsluicegate_(?!ops\b|worker\.)\w+", text))
    assert named
    assert named <= exported() | served()


def test_each_state_and_event_that_is_asked_for_can_be_found() -> None:
    queries = " ".join(QUERIES)
    for label, known in (("event", set(EVENTS)), ("state", STATES)):
        values = re.findall(rf'\b{label}=~?"([^"]*)"', queries)
        asked = {value for text in values for value in text.split("|")}
        assert asked
        assert asked <= known


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_that_is_named_is_there(words: list[str]) -> None:
    command, rest = resolve(words)
    known = {option for parameter in command.params for option in parameter.opts}
    asked = {word for word in rest if word.startswith("--")}
    assert asked <= known
    assert not hasattr(command, "commands"), "a group of commands does nothing itself"


def test_each_setting_that_is_named_is_one() -> None:
    named = set(re.findall(r"\bSLUICEGATE_[A-Z_]+", RUNBOOK))
    known = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("producer", "worker")
        for path in (ROOT / package).rglob("*.py")
    )
    assert {name for name in named if name not in known} == set()
