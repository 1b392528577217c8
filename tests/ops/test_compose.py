"""What the shipped deployment must keep: no eviction, no open port, no secret, time to stop."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]


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


def test_what_is_published_is_so_only_on_this_host(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {
        "web": ["127.0.0.1:8080:8080", "127.0.0.1:8082:8082"],
        "flower": ["127.0.0.1:5555:5555"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "alertmanager": ["127.0.0.1:9093:9093"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_grafana_has_no_password_to_guess_and_nothing_to_change(services: dict[str, Any]) -> None:
    environment = services["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"


def test_every_file_that_is_mounted_is_there(services: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith("./ops")]
    assert files
    assert all((ROOT / file).is_dir() for file in files)


RECEIVERS = sorted((ROOT / "ops/prometheus").glob("alertmanager.*.yml"))


def test_people_choose_how_alerts_reach_them(services: dict[str, Any]) -> None:
    manager = services["alertmanager"]
    assert "${SLUICEGATE_ALERTMANAGER:-alertmanager.yml}" in manager["command"][0]
    assert "${SLUICEGATE_SECRETS:-./secrets}:/run/alerts:ro" in manager["volumes"]
    assert [path.name.split(".")[1] for path in RECEIVERS] == ["mail", "slack", "webhook"]


@pytest.mark.parametrize("path", RECEIVERS, ids=lambda path: path.name)
def test_a_receiver_has_no_secret_in_its_file_and_tells_what_to_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    names = {receiver["name"] for receiver in config["receivers"]}
    routes = [config["route"], *config["route"]["routes"]]
    assert {route["receiver"] for route in routes} == names
    [receiver] = config["receivers"]
    [[settings]] = [value for name, value in receiver.items() if name.endswith("_configs")]
    secret = {"api_url", "url", "auth_password"}
    assert not secret & set(settings)
    [file] = [value for name, value in settings.items() if name.endswith("_file")]
    assert file.startswith("/run/alerts/")
    assert settings["send_resolved"] is True
    if "text" in settings:
        assert {".Annotations.summary", ".Annotations.runbook_url"} <= set(
            re.findall(r"\.Annotations\.\w+", settings["text"])
        )


def test_notices_come_from_a_service_of_their_own(services: dict[str, Any]) -> None:
    notify = services["notify"]
    assert notify["command"] == "sluicegate notify"
    assert set(notify["networks"]) == {"data", "outside"}
    assert {"SLUICEGATE_NOTIFY_WEBHOOK_URL", "SLUICEGATE_SMTP_PASSWORD"} <= set(
        notify["environment"]
    )


def test_prometheus_asks_where_the_services_answer(services: dict[str, Any]) -> None:
    text = (ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8")
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    [serve] = jobs["sluicegate-serve"]["static_configs"]
    assert serve["targets"] == ["web:8081"]
    assert services["web"]["command"].endswith("--metrics-host 0.0.0.0 --metrics-port 8081")
    assert ":8081/healthz" in services["web"]["healthcheck"]["test"][-1]
    [workers] = jobs["sluicegate-worker"]["dns_sd_configs"]
    assert workers["names"] == ["worker"]
    assert str(workers["port"]) == services["worker"]["environment"]["SLUICEGATE_METRICS_PORT"]


def test_grafana_finds_its_datasource_and_its_dashboard(services: dict[str, Any]) -> None:
    provisioning = ROOT / "ops/grafana/provisioning"
    sources = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text("utf-8"))
    [source] = sources["datasources"]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads((ROOT / "ops/grafana/dashboards/sluicegate.json").read_text("utf-8"))
    variable = dashboard["templating"]["list"][0]
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    providers = yaml.safe_load((provisioning / "dashboards/sluicegate.yml").read_text("utf-8"))
    [provider] = providers["providers"]
    mounts = services["grafana"]["volumes"]
    assert f"./ops/grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_a_secret_comes_from_outside_and_is_required(services: dict[str, Any]) -> None:
    needed = {"worker": "SLUICEGATE_TELNYX_API_KEY", "flower": "FLOWER_BASIC_AUTH"}
    for service, variable in needed.items():
        assert services[service]["environment"][variable].startswith(f"${{{variable}:?")
    assert all(needed["worker"] not in services[it]["environment"] for it in ("flower", "web"))


def test_data_and_signals_are_kept_apart(services: dict[str, Any]) -> None:
    for service in ("worker", "web", "flower"):
        environment = services[service]["environment"]
        urls = {environment["SLUICEGATE_REDIS_URL"], environment["SLUICEGATE_BROKER_URL"]}
        assert len(urls) == 2
        assert all("@redis:6379/" in url for url in urls)


def test_workers_scale_and_are_given_time_to_finish(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert not {"container_name", "ports", "hostname"} & set(worker), (
        "one of these allows only one"
    )
    assert worker["stop_grace_period"] == "60s"
    assert "-A sluicegate_worker.app worker -P threads" in worker["command"]


@pytest.mark.parametrize("service", ["redis", "worker", "web", "flower", "prometheus", "grafana"])
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
