"""What the shipped deployment must keep: no eviction, no open port, no secret, time to stop."""

from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def test_redis_keeps_everything_that_it_was_given(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--maxmemory-policy"] == "noeviction"
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert services["redis"]["volumes"] == ["redis:/data"]


def test_only_flower_is_published_and_only_on_this_host(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"flower": ["127.0.0.1:5555:5555"]}


def test_a_secret_comes_from_outside_and_is_required(services: dict[str, Any]) -> None:
    needed = {"worker": "SLUICEGATE_TELNYX_API_KEY", "flower": "FLOWER_BASIC_AUTH"}
    for service, variable in needed.items():
        assert services[service]["environment"][variable].startswith(f"${{{variable}:?")
    assert needed["worker"] not in services["flower"]["environment"]


def test_data_and_signals_are_kept_apart(services: dict[str, Any]) -> None:
    for service in ("worker", "flower"):
        environment = services[service]["environment"]
        urls = {environment["SLUICEGATE_REDIS_URL"], environment["SLUICEGATE_BROKER_URL"]}
        assert len(urls) == 2
        assert all(url.startswith("redis://redis:6379/") for url in urls)


def test_workers_scale_and_are_given_time_to_finish(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert not {"container_name", "ports", "hostname"} & set(worker), (
        "one of these allows only one"
    )
    assert worker["stop_grace_period"] == "60s"
    assert "-A sluicegate_worker.app worker -P threads" in worker["command"]


@pytest.mark.parametrize("service", ["redis", "worker", "flower"])
def test_every_service_comes_back(services: dict[str, Any], service: str) -> None:
    assert services[service]["restart"] == "unless-stopped"


def test_the_image_holds_what_it_copies_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "ops/Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--" not in line
    ]
    assert all((ROOT / source).exists() for sources in copied for source in sources)
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{source}" for sources in copied for source in sources} <= set(ignore)
    assert "USER sluicegate" in lines
