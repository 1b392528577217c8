"""What trials in the field found about the runbook, alerts and dashboard, in numbered order.

Every line of the runbook is run as it is written, against a server where it has something to do.
"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate.stored import OptOutAct
from sluicegate_ops.inspect import CAMPAIGNS_SHOWN
from sluicegate_ops.metrics import exposed
from sluicegate_ops.simulator import Settings
from sluicegate_ops.web.keywords import HEAR
from sluicegate_worker.operator.halts import Halts
from support.bench import Bench
from support.command_line import SENDER, Cli
from support.messages import message, plan, recipient
from support.receiver import receiving
from support.simulated import simulated

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "ops/RUNBOOK.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "ops/grafana/dashboards/sluicegate.json").read_text("utf-8"))

CONFIG = f"""
[accounts.default]
limits_version = 1
[accounts.default.senders."{SENDER}"]
kind = "10dlc"
registration = "july"
[accounts.default.registrations.july]
brand = "july"
sms_per_minute = 60
mms_per_minute = 60
[accounts.default.brands.july]
tmobile_daily = 1000
[accounts.marketing]
"""
NAMED = {"SENDER": SENDER, "NAME": "july", "CODE": "40300", "LEVEL": "account"}
NAMED |= {"CAUSE": "a test", "WHY": "a test"}
REPLIES = "+15551234567"
IDS = {"dead": "m1", "doubt": "m2"}
"""Which message a group of commands is about; the others are about one that waits."""

KINDS = ("registration", "brand", "campaign", "app")
BLOCKS = ("serve", "archive run --watch")
"""Commands that run until they are stopped."""


def lines() -> list[str]:
    """Every command of ours in the runbook, each once, without the comment behind it."""
    spans = re.findall(r"`(sluicegate [^`]+)`", RUNBOOK)
    spans += re.findall(r"^\$ (sluicegate [^#\n]+)", RUNBOOK, re.MULTILINE)
    found = dict.fromkeys(" ".join(span.split()) for span in spans)
    ends = [line for line in found if line != "sluicegate notify"]
    return [line for line in ends if not line.removeprefix("sluicegate ").startswith(BLOCKS)]


def words(line: str) -> list[str]:
    """The line as somebody types it who puts in the names that are theirs."""
    group = line.split()[1]
    named = NAMED | {"ID": IDS.get(group, "m3")}
    pattern = re.compile(rf"\b({'|'.join(named)})\b")
    return shlex.split(pattern.sub(lambda found: shlex.quote(named[found[0]]), line))[1:]


@pytest.fixture
def scene(cli: Cli) -> Cli:
    """A server with one of all that the runbook is about: a letter, a doubt, a reply, halts."""
    Path("sluicegate.toml").write_text(CONFIG)
    cli.die(1)
    cli.doubt(2)
    cli.bench.enqueue(message(3))
    said = OptOutAct(source="recipient", text="We have got to STOP this bill").said()
    cli.bench.call(HEAR, [REPLIES, "review", int(cli.bench.now_ms), "", said, "e1", 1000, 1, "t"])
    july = plan()
    cli.bench.campaigns.create(july)
    cli.bench.add("july", recipient(july, 1, "Ann", "77"))
    cli.bench.act("july", "start")
    halts = Halts(cli.bench.store, cli.bench.keys)
    for level in ("account", f"sender:{SENDER}", *(f"{kind}:july" for kind in KINDS)):
        halts.set(level, "a test")
    return cli


@pytest.mark.parametrize("line", lines())
def test_12_each_line_of_the_runbook_runs_as_it_is_written(scene: Cli, line: str) -> None:
    if "campaign resume" in line:
        scene.bench.act("july", "pause")
    asked = words(line)
    if asked[0] == "reconcile":  # it asks the provider
        with simulated(Settings(limit=None)) as provider:
            base = f'[accounts.default]\nbase_url = "{provider.simulator.url}"\n'
            config = CONFIG.replace("[accounts.default]\n", base, 1)
            Path("sluicegate.toml").write_text(config)
            scene(*asked, env={"SLUICEGATE_TELNYX_API_KEY": "KEY"})
        return
    if asked[0] == "notify":  # it tells somebody
        with receiving() as receiver:
            scene(*asked, env={"SLUICEGATE_NOTIFY_WEBHOOK_URL": receiver.url})
        return
    finds_fault = asked[0] in ("status", "doctor") or asked[:2] == ["--account", "marketing"]
    try:
        scene(*asked, stdin="y\n")
    except AssertionError:
        if not finds_fault:
            raise
        scene(*asked, exits=1)


def test_12_every_placeholder_of_the_runbook_is_filled_in() -> None:
    capitals = {word for line in lines() for word in re.findall(r"\b[A-Z]{2,}\b", line)}
    assert capitals <= {*NAMED, "ID"}


@pytest.mark.parametrize("rule", RULES["groups"][0]["rules"], ids=lambda rule: rule["alert"])
def test_12_an_alert_links_to_its_entry_of_the_runbook(rule: dict[str, Any]) -> None:
    anchor = rule["alert"].lower()
    where = '{{ or $externalLabels.runbook "ops/RUNBOOK.md" }}'
    assert rule["annotations"]["runbook_url"] == f"{where}#{anchor}"


def test_12_prometheus_is_told_where_the_runbook_is_read() -> None:
    text = (ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["global"]["external_labels"]["runbook"].startswith("https://")


def datasources(value: Any) -> Iterator[Any]:
    """Every datasource that a part of the dashboard names."""
    if isinstance(value, dict):
        yield from ([value["datasource"]] if "datasource" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from datasources(part)


def test_12_the_dashboard_can_be_imported_whatever_the_datasource_is_called() -> None:
    first, *_ = DASHBOARD["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    used = list(datasources(DASHBOARD))
    assert len(used) > 30
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in used)


def test_12_no_two_panels_share_a_place_or_a_number() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (at["x"] + x, at["y"] + y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["w"])
        for y in range(at["h"])
    ]
    assert len(set(places)) == len(places)


def test_12_the_dashboard_has_panels_for_campaigns() -> None:
    queries = [
        target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
    ]
    about = [query for query in queries if "sluicegate_campaign_" in query]
    assert len(about) >= 4
    assert all('campaign=~"$campaign"' in query for query in about)


def test_12_campaigns_that_have_not_ended_have_series_and_never_too_many(
    store: redis.Redis,
) -> None:
    bench = Bench(store)
    for number in range(CAMPAIGNS_SHOWN + 5):
        made = plan(f"c{number}")
        bench.campaigns.create(made)
        bench.later(1)
        bench.add(made.name, recipient(made, 1, "Ann", "77"))
    bench.act("c24", "start")
    bench.act("c23", "cancel")
    text = exposed(store, bench.config)
    shown = set(re.findall(r'sluicegate_campaign_recipients\{.*campaign="(\w+)"', text))
    assert shown == {f"c{number}" for number in (24, *range(4, 23))}
    assert 'account="default",campaign="c24",state="waiting"} 1.0' in text
