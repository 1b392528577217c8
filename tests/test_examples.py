"""The examples do what they say: each is run as a reader would run it."""

import asyncio
import os
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluicegate import Config, Message, Sluice
from sluicegate.testing import enqueued
from sluicegate.transactional.relay import HandedOver, Relay

EXAMPLES = Path(__file__).parents[1] / "examples"
SENDER = "+15557654321"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(redis_url: str, tmp_path: Path) -> Run:
    """Run Python with arguments, where Sluicegate is configured by the environment alone."""
    ours = {
        "SLUICEGATE_REDIS_URL": redis_url,
        "SHOP_DATABASE": str(tmp_path / "shop.sqlite3"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*args: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", *args],
            cwd=tmp_path,
            env=os.environ | ours | environ,
            capture_output=True,
            text=True,
        )

    return run


def waiting(redis_url: str) -> list[Message]:
    with Sluice(Config(redis_url=redis_url)) as sluice:
        return enqueued(sluice)


# The scripts


def send_one(run: Run, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    addresses = ("--to", "+15551234567", "--from", SENDER)
    return run(EXAMPLES / "send_one.py", *addresses, *args, **environ)


def test_send_one_enqueues_and_shows_the_status(run: Run, redis_url: str) -> None:
    done = send_one(run, "--text", "Your code is 1234", "--id", "code-1")
    assert (done.returncode, done.stdout) == (0, "code-1: enqueued, now waiting\n")
    assert send_one(run, "--text", "Your code is 1234", "--id", "code-1").stdout == (
        "code-1: known, now waiting\n"
    )
    [message] = waiting(redis_url)
    assert (message.to, message.text) == ("+15551234567", "Your code is 1234")


def test_send_one_makes_an_id_where_none_is_given(run: Run, redis_url: str) -> None:
    id, _, rest = send_one(run, "--text", "hi").stdout.partition(":")
    assert rest == " enqueued, now waiting\n"
    assert [message.id for message in waiting(redis_url)] == [id]


@pytest.mark.parametrize(
    ("args", "environ", "reason"),
    [
        (["--text", " "], {}, "not blank"),
        (["--text", "hi"], {"SLUICEGATE_REDIS_URL": "redis://127.0.0.1:1/0"}, "cannot be reached"),
        (["--text", "hi"], {"SLUICEGATE_REDIS_URL": "nonsense"}, "SLUICEGATE_REDIS_URL: must"),
    ],
)
def test_send_one_says_in_a_line_why_it_failed(
    run: Run, args: list[str], environ: dict[str, str], reason: str
) -> None:
    done = send_one(run, *args, **environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("not sent: ")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("to,name\n+15551230001,Ann\n555,Bob\n+15551230003,Cid\n", encoding="utf-8")
    return path


def blast(run: Run, people: Path, text: str = "Hi {name}!", **environ: str) -> Any:
    options = ("--name", "spring", "--from", SENDER, "--text", text)
    return run(EXAMPLES / "blast.py", people, *options, **environ)


def test_blast_texts_each_row_and_reports_the_bad_one(
    run: Run, people: Path, redis_url: str
) -> None:
    done = blast(run, people)
    assert (done.returncode, done.stdout) == (1, "2 enqueued, 1 invalid\n")
    assert done.stderr.startswith("row 2: message spring-")
    assert "must be an E.164 number" in done.stderr
    sent = [(message.to, message.text, message.priority) for message in waiting(redis_url)]
    assert sent == [("+15551230001", "Hi Ann!", "bulk"), ("+15551230003", "Hi Cid!", "bulk")]


def test_a_blast_may_be_repeated_after_its_file_was_corrected(
    run: Run, people: Path, redis_url: str
) -> None:
    blast(run, people)
    text = people.read_text(encoding="utf-8").replace("555,Bob", "+15551230002,Bob")
    people.write_text(text, encoding="utf-8")
    done = blast(run, people)
    assert (done.returncode, done.stdout) == (0, "1 enqueued, 2 known\n")
    assert len(waiting(redis_url)) == 3


def test_a_blast_with_other_words_under_the_same_name_is_refused(run: Run, people: Path) -> None:
    blast(run, people)
    done = blast(run, people, text="Bye {name}!")
    assert (done.returncode, done.stdout) == (1, "1 invalid, 2 reused\n")
    assert "already known with other content" in done.stderr


def test_a_blast_says_in_a_line_why_it_failed(run: Run, people: Path, tmp_path: Path) -> None:
    away = blast(run, people, SLUICEGATE_REDIS_URL="redis://127.0.0.1:1/0")
    assert (away.returncode, "run it again" in away.stderr) == (1, True)
    no_column = blast(run, people, text="Hi {nickname}!")
    assert (no_column.returncode, "no column 'nickname'" in no_column.stderr) == (1, True)
    no_file = blast(run, tmp_path / "nobody.csv")
    assert (no_file.returncode, "nobody.csv" in no_file.stderr) == (1, True)
    for done in (away, no_column, no_file):
        assert "Traceback" not in done.stderr


# The Django app

SETUP = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
import django
django.setup()
from django.db import transaction
from shop import services
from shop.models import Order
"""


@pytest.fixture
def shop(run: Run) -> Run:
    """Run a command of the shop's manage.py, on a database of its own."""

    def manage(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return run(EXAMPLES / "django_shop" / "manage.py", *args, **environ)

    migrated = manage("migrate", "--verbosity", "0")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    return manage


@pytest.fixture
def inside(run: Run, shop: Run) -> Callable[[str], str]:
    """Run code inside the shop, in a process of its own; return what it printed."""

    def inside(code: str) -> str:
        done = run("-c", SETUP + code, PYTHONPATH=str(EXAMPLES / "django_shop"))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return inside


def test_the_shop_s_migrations_are_its_models(shop: Run) -> None:
    assert shop("makemigrations", "--check", "--dry-run").returncode == 0
    assert shop("check").returncode == 0


def hand_over(redis_url: str, database: Path) -> HandedOver:
    """What ``sluicegate relay --once`` does."""
    relay = Relay(f"sqlite:///{database}", Config(redis_url=redis_url))
    try:
        return relay.run_once()
    finally:
        relay.close()


def test_shipping_texts_the_customer_once(shop: Run, redis_url: str, tmp_path: Path) -> None:
    assert shop("place_order", "+15551234567").stdout == "1\n"
    away = {"SLUICEGATE_REDIS_URL": "redis://127.0.0.1:1/0"}  # the shop itself needs none
    for _ in range(2):
        shipped = shop("ship_order", "1", **away)
        assert (shipped.returncode, shipped.stderr) == (0, "")
    assert waiting(redis_url) == []
    assert hand_over(redis_url, tmp_path / "shop.sqlite3").enqueued == 1
    [message] = waiting(redis_url)
    assert (message.id, message.to, message.sender, message.text) == (
        "order-1-shipped",
        "+15551234567",
        SENDER,
        "Your order 1 is on its way.",
    )
    assert hand_over(redis_url, tmp_path / "shop.sqlite3").rows == 0
    assert "no order 2" in shop("ship_order", "2").stderr


def test_what_is_rolled_back_texts_nobody_and_a_bad_number_ships_untold(
    inside: Callable[[str], str], redis_url: str, tmp_path: Path
) -> None:
    inside(
        """
first, second, bad = (services.place(to).pk for to in ("+15551230001", "+15551230002", "555"))
try:
    with transaction.atomic():
        services.ship(first)
        raise RuntimeError("something later went wrong")
except RuntimeError:
    pass
assert Order.objects.get(pk=first).shipped_at is None
services.ship(second)
services.ship(bad)
assert Order.objects.get(pk=bad).shipped_at is not None
assert "must be an E.164 number" in Order.objects.get(pk=bad).untextable
"""
    )
    assert hand_over(redis_url, tmp_path / "shop.sqlite3").rows == 1
    assert [message.id for message in waiting(redis_url)] == ["order-2-shipped"]


def test_requests_place_and_ship(
    inside: Callable[[str], str], redis_url: str, tmp_path: Path
) -> None:
    printed = inside(
        """
from django.test import Client
web = Client(SERVER_NAME="localhost")
placed = web.post("/orders/", {"to": "+15551234567"})
print(placed.status_code, placed.json())
for _ in range(2):
    print(web.post("/orders/1/ship/").status_code)
print(web.post("/orders/2/ship/").status_code, web.get("/orders/").status_code)
"""
    )
    assert printed == "201 {'order': 1}\n200\n200\n404 405\n"
    hand_over(redis_url, tmp_path / "shop.sqlite3")
    assert [message.id for message in waiting(redis_url)] == ["order-1-shipped"]


# Flask, FastAPI, and a script for cron


def test_the_flask_shop_texts_in_its_own_transaction(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "shop.sqlite3"
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{database}")
    made = runpy.run_path(str(EXAMPLES / "flask_shop.py"))
    web = made["app"].test_client()
    assert web.post("/orders", data={"to": "+15551234567"}).get_json() == {"order": 1}
    assert web.post("/orders", data={"to": "555"}).status_code == 201
    answers = [web.post(f"/orders/{n}/ship").status_code for n in (1, 1, 2, 3)]
    assert answers == [200, 200, 200, 404]
    assert hand_over(redis_url, database).rows == 1
    assert [message.id for message in waiting(redis_url)] == ["order-1"]
    made["Session"].kw["bind"].dispose()


def test_the_fastapi_shop_texts_in_its_own_transaction(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "shop.sqlite3"
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite+aiosqlite:///{database}")
    app = runpy.run_path(str(EXAMPLES / "fastapi_shop.py"))["app"]

    async def asked() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://shop") as http,
        ):
            answers = [
                await http.post("/orders", params={"to": "+15551234567"}),
                await http.post("/orders", params={"to": "555"}),
                *[await http.post(f"/orders/{number}/ship") for number in (1, 1, 2, 3)],
            ]
            return [answer.status_code for answer in answers]

    assert asyncio.run(asked()) == [201, 201, 200, 200, 422, 404]
    assert hand_over(redis_url, database).rows == 1
    assert [message.id for message in waiting(redis_url)] == ["order-1"]


def test_the_script_for_cron_reminds_once(run: Run, redis_url: str, tmp_path: Path) -> None:
    database = tmp_path / "invoices.sqlite3"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "CREATE TABLE invoices (id INTEGER, phone TEXT, due TEXT, reminded INT)"
        )
        rows = [(1, "+15551230001", "2020-01-01"), (2, "+15551230002", "2999-01-01")]
        rows.append((3, "555", "2020-01-01"))
        connection.executemany("INSERT INTO invoices VALUES (?, ?, ?, 0)", rows)
    remind = (EXAMPLES / "remind.py", f"sqlite:///{database}", "--from", SENDER)
    first = run(*remind)
    assert (first.returncode, first.stdout) == (1, "1 of 2 reminded\n")
    assert "invoice 3: message" in first.stderr
    assert run(*remind).stdout == "0 of 1 reminded\n"
    assert hand_over(redis_url, database).rows == 1
    assert [message.id for message in waiting(redis_url)] == ["overdue-1"]


# Other software


def subscriber(phone: object = "+15551234567", uuid: str = "e44b4135-1e1d-40c5") -> dict[str, Any]:
    attribs = {"phone": phone, "city": "Bengaluru"}
    return {"uuid": uuid, "email": "a@example.com", "name": "A", "attribs": attribs}


def test_listmonk_s_campaigns_go_out_as_texts(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    monkeypatch.setenv("SMS_SENDER", SENDER)
    monkeypatch.setenv("LISTMONK_PASSWORD", "secret")
    app = runpy.run_path(str(EXAMPLES / "listmonk/messenger.py"))["app"]
    campaign = {"uuid": "2e7e4b51-f31b", "name": "July", "tags": []}
    told: dict[str, Any] = {"subject": "July", "body": "We close at six", "content_type": "plain"}
    told |= {"campaign": campaign, "recipients": [subscriber(), subscriber("+15551234568", "b")]}

    async def posted(*bodies: object, login: str = "secret") -> list[int]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://sms") as http,
        ):
            auth = "listmonk", login
            answers = [await http.post("/send", json=body, auth=auth) for body in bodies]
            return [answer.status_code for answer in answers]

    assert asyncio.run(posted(told, told)) == [200, 200]
    assert asyncio.run(posted(told, login="wrong")) == [401]
    wrong = [told | {"content_type": "html"}, told | {"recipients": [subscriber(5551234567)]}, []]
    wrong += [told | {"body": "Another text"}, told | {"recipients": [{}]}]
    assert asyncio.run(posted(*wrong)) == [400] * 5
    assert sorted((each.id, each.to) for each in waiting(redis_url)) == [
        ("listmonk-2e7e4b51-f31b-b", "+15551234568"),
        ("listmonk-2e7e4b51-f31b-e44b4135-1e1d-40c5", "+15551234567"),
    ]
    assert asyncio.run(posted(told | {"campaign": None})) == [200]
    assert [each.priority for each in waiting(redis_url)].count("transactional") == 2
