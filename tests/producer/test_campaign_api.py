"""Campaigns from Python: the manual's example runs, and the module exports what it lists."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis

import sluicegate.campaign as api
from sluicegate.config import Config
from sluicegate.errors import BadFile, BadGuard, UnknownCampaign

MANUAL = Path(__file__).parents[2] / "docs/PYTHON.md"


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "people.csv"
    rows = "Phone,First Name,Network\n312-555-1001,Ann,Acme\n12,Bob,Best\n312-555-1003,Cy,Best\n"
    path.write_text(rows)
    return path


def test_the_manuals_example_runs(
    people: Path, redis_url: str, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    text = MANUAL.read_text(encoding="utf-8")
    [shown] = re.findall(r"<!-- campaigns -->\n\n```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(shown, names)  # noqa: S102 - our own manual
    assert names["added"] == 2
    assert [row.value for row in names["rejected"]] == ["12"]
    campaigns: api.Campaigns = names["campaigns"]
    assert [campaign.name for campaign in campaigns] == ["july"]
    assert campaigns.get("july").state == "paused"
    assert people.exists()


def test_the_module_exports_what_it_lists() -> None:
    assert sorted(api.__all__) == api.__all__
    assert all(hasattr(api, name) for name in api.__all__)


def test_rows_come_from_any_source_and_faults_are_told(people: Path, valkey: redis.Redis) -> None:
    plan = api.Plan(name="june", text="Hi", to_column="phone", sender="+15557654321", region="US")
    assert [one.to for one in api.sendable(plan, api.open_rows(people))] == [
        "+13125551001",
        "+13125551003",
    ]
    campaigns = api.open_campaigns(Config(), client=valkey)
    campaigns.create(plan)
    results = [result for _, result in campaigns.add("june", api.sendable(plan, people))]
    assert results == ["added", "added"]
    other = api.Plan(name="june", text="Hi", to_column="mobile", sender="+15557654321")
    with pytest.raises(BadFile, match="mobile"):
        next(api.sendable(other, people))


def test_what_makes_no_sense_is_refused_by_name(valkey: redis.Redis) -> None:
    campaigns = api.open_campaigns(Config(), client=valkey)
    campaigns.create(api.Plan(name="june", text="Hi", to_column="phone", sender="+15557654321"))
    with pytest.raises(ValueError, match="no time zone"):
        campaigns.schedule("june", datetime(2099, 1, 1))  # noqa: DTZ001 - what is refused
    action: Any = "bogus"
    with pytest.raises(ValueError, match="none of start, pause, resume, cancel"):
        campaigns.act("june", action)
    for ask in (campaigns.ledger, campaigns.recount, campaigns.estimates):
        with pytest.raises(UnknownCampaign):
            ask("nope")
    assert campaigns.get("june").state == "draft"


@pytest.mark.parametrize(
    "guards",
    [
        api.Guards(max_messages=-5),
        api.Guards(max_segments=-1),
        api.Guards(canary=api.Canary(size=0, share=0.5, within_ms=1)),
        api.Guards(canary=api.Canary(size=1, share=2.0, within_ms=1)),
        api.Guards(canary=api.Canary(size=1, share=float("nan"), within_ms=1)),
        api.Guards(canary=api.Canary(size=1, share=0.5, within_ms=-1)),
        api.Guards(shares=(api.ShareLimit(kind="failed", share=1.0, least=1),)),
        api.Guards(shares=(api.ShareLimit(kind="failed", share=0.5, least=0),)),
    ],
)
def test_guards_that_are_none_are_refused(guards: api.Guards, valkey: redis.Redis) -> None:
    campaigns = api.open_campaigns(Config(), client=valkey)
    campaigns.create(api.Plan(name="june", text="Hi", to_column="phone", sender="+15557654321"))
    with pytest.raises(BadGuard):
        campaigns.guard("june", guards)
    assert campaigns.get("june").guards == api.Guards()
