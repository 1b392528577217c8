"""``sluicegate relay``: what waits in apps' databases, and what was set aside there."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate import Config, Sluice
from sluicegate.config import Database
from sluicegate.transactional.handover import TABLE
from sluicegate_ops.cli.relay import hand_over_all
from sluicegate_ops.operating.session import Session
from sluicegate_worker.handing_over import hand_over
from support.command_line import Cli, cli
from support.shops import NUMBER, Shop, begun, rows_in, shop

__all__ = ["cli"]

TOML = """
[accounts.default.senders."+15557654321"]
kind = "long_code"
[databases.shop]
url = "sqlite:///shop.sqlite3"
poll_seconds = 0.05
"""


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Shop]:
    with shop("sqlalchemy", f"sqlite:///{tmp_path / 'shop.sqlite3'}") as made:
        yield made


def test_it_hands_over_once_and_tells_what_waits(cli: Cli, one: Shop, redis_url: str) -> None:
    Path("sluicegate.toml").write_text(TOML)
    one.order("order-1")
    one.order("order-2", sender="+15550000009")
    [state] = cli.document("relay", "--status")
    assert (state["database"], state["waiting"], state["refused"]) == ("shop", 2, 0)
    assert cli("relay", "--once", exits=1).stdout == (
        "shop: 1 enqueued, 0 known before, 1 set aside\n"
    )
    assert Sluice(Config(redis_url=redis_url)).status("order-1").state == "waiting"
    [state] = cli.document("relay", "--status", exits=1)
    [row] = state["rows"]
    assert (row["id"], row["seq"]) == ("order-2", 2)
    shown = cli("relay", "--status", exits=1).stdout
    assert "1 set aside" in shown
    assert "order-2" in shown
    assert NUMBER not in shown


def test_a_person_retries_or_drops(cli: Cli, one: Shop) -> None:
    Path("sluicegate.toml").write_text(TOML)
    one.order("order-1", sender="+15550000009")
    cli("relay", "--once", exits=1)
    assert cli("relay", "--retry", "1").stdout == "1 row retried\n"
    cli("relay", "--once", exits=1)
    assert cli("relay", "--drop", "1", "--drop", "7", exits=1).stdout == "1 row dropped\n"
    assert rows_in(one.url) == 0


def test_what_it_cannot_do_is_said(cli: Cli, one: Shop) -> None:
    assert "add a table [databases.NAME]" in cli("relay", "--once", exits=2).output
    Path("sluicegate.toml").write_text(TOML)
    assert "exclude each other" in cli("relay", "--once", "--status", exits=2).output
    assert "known: shop" in cli("relay", "--database", "shoe", exits=2).output
    Path("shop.sqlite3").unlink()
    assert "the file is not there" in cli("relay", "--once", exits=1).output


def test_it_goes_on_until_it_is_stopped(
    one: Shop, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sluicegate.toml"
    file.write_text(f'redis_url = "{redis_url}"\n{TOML}')
    session = Session(None, str(file))

    def interrupted(seconds: float) -> None:
        """Press Ctrl-C once the order was handed over."""
        deadline = time.monotonic() + 20
        while rows_in(one.url) and time.monotonic() < deadline:
            time.sleep(0.02)
        raise KeyboardInterrupt

    session.sleep = interrupted
    one.order("order-1")
    hand_over_all(session, ["shop"])
    assert capsys.readouterr().out == "handing over from shop\n"
    assert Sluice(Config(redis_url=redis_url)).status("order-1").state == "waiting"


def test_a_worker_waits_for_the_database_and_logs_what_is_set_aside(
    one: Shop, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(redis_url=redis_url)
    one.order("order-1")
    with begun(one.url) as connection:
        connection.exec_driver_sql(f"UPDATE {TABLE} SET content = '{{'")  # noqa: S608 - ours
    hidden = Path(one.url.removeprefix("sqlite:///"))
    away = hidden.with_suffix(".away")
    hidden.rename(away)
    looks: list[float | None] = []

    class Stop(threading.Event):
        """Set at the third wait; after the first the database is there."""

        def wait(self, timeout: float | None = None) -> bool:
            looks.append(timeout)
            if len(looks) == 1:
                away.rename(hidden)
            if len(looks) == 3:
                self.set()
            return self.is_set()

    hand_over(config, ["default"], "shop", Database(url=one.url), Stop())
    assert "from the database shop waits: the database " in caplog.text
    assert "1 rows of sluicegate_handover can't be enqueued" in caplog.text
