"""The examples do what they say: each is run as a reader would run it."""

import asyncio
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluicegate import Config, Message, Sluice
from sluicegate.testing import enqueued
from sluicegate_rigs.embedded import EmbeddedServer

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
from django.db import connections, transaction
from shop import services
from shop.models import Order
from shop.outbox import outbox
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


def test_shipping_texts_the_customer_once(shop: Run, redis_url: str) -> None:
    assert shop("place_order", "+15551234567").stdout == "1\n"
    assert waiting(redis_url) == []
    for _ in range(2):
        shipped = shop("ship_order", "1")
        assert (shipped.returncode, shipped.stderr) == (0, "")
    [message] = waiting(redis_url)
    assert (message.id, message.to, message.sender, message.text) == (
        "order-1-shipped",
        "+15551234567",
        SENDER,
        "Your order 1 is on its way.",
    )
    assert shop("text_missed").stdout == "0 texted\n"
    assert "no order 2" in shop("ship_order", "2").stderr


def test_the_text_goes_after_the_commit_and_never_after_a_rollback(
    inside: Callable[[str], str], redis_url: str
) -> None:
    inside(
        """
first, second = services.place("+15551230001").pk, services.place("+15551230002").pk
try:
    with transaction.atomic():
        services.ship(first)
        raise RuntimeError("something later went wrong")
except RuntimeError:
    pass
assert outbox().client.dbsize() == 0
assert Order.objects.get(pk=first).shipped_at is None
with transaction.atomic():
    services.ship(second)
    assert outbox().client.dbsize() == 0, "before the commit"
assert outbox().status(f"order-{second}-shipped").state == "waiting"
assert Order.objects.get(pk=second).texted_at is not None
"""
    )
    assert [message.id for message in waiting(redis_url)] == ["order-2-shipped"]


def test_requests_place_and_ship(inside: Callable[[str], str], redis_url: str) -> None:
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
    assert [message.id for message in waiting(redis_url)] == ["order-1-shipped"]


def test_an_order_ships_while_redis_is_away_and_is_texted_later(shop: Run, redis_url: str) -> None:
    shop("place_order", "+15551234567")
    with EmbeddedServer() as gone:
        url = gone.url
    shipped = shop("ship_order", "1", SLUICEGATE_REDIS_URL=url)
    assert shipped.returncode == 0
    assert "OutboxUnavailable" in shipped.stderr  # logged by Django
    missed = shop("text_missed", SLUICEGATE_REDIS_URL=url)
    assert (missed.returncode, missed.stdout) == (0, "0 texted\n")
    assert "order 1: Redis cannot be reached" in missed.stderr
    assert waiting(redis_url) == []
    assert shop("text_missed").stdout == "1 texted\n"
    assert shop("text_missed").stdout == "0 texted\n"
    assert [message.id for message in waiting(redis_url)] == ["order-1-shipped"]


@pytest.mark.long
def test_15_an_order_that_can_never_be_texted_is_tried_once(
    shop: Run, inside: Callable[[str], str], redis_url: str
) -> None:
    shop("place_order", "555")
    shop("ship_order", "1")
    assert shop("text_missed").stdout == "0 texted\n"
    again = shop("text_missed")
    assert (again.stdout, again.stderr) == ("0 texted\n", "")
    assert "must be an E.164 number" in inside("print(Order.objects.get().untextable)")
    assert waiting(redis_url) == []


def test_workers_forked_after_the_outbox_was_used_may_use_it_too(
    inside: Callable[[str], str], redis_url: str
) -> None:
    inside(
        """
orders = [services.place(f"+1555123{n:04}").pk for n in range(40)]
services.ship(orders[0])  # the parent has used its outbox
connections.close_all()   # Django's own rule for a fork; Sluicegate needs nothing
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for number in orders[child::4] + orders[:5]:  # five are shipped by everybody
            services.text_shipped(number)
        sys.exit()
    children.append(pid)
for number in orders[:5]:
    services.text_shipped(number)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
assert outbox().status("order-40-shipped").state == "waiting"
"""
    )
    ids = [message.id for message in waiting(redis_url)]
    assert sorted(ids) == sorted(f"order-{number}-shipped" for number in range(1, 41))


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
