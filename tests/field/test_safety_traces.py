"""What is left behind must not tell: hashes beside masked numbers, and what the provider says."""

import asyncio
import base64
import json
import logging
import re
import shlex
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, cast
from urllib.parse import quote

import pytest
import redis
from msgspec.structs import replace
from starlette.datastructures import Headers

import sluicegate_ops
from sluicegate import Sluice
from sluicegate.audit import Audit, By, act, os_user
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.exclusion import Exclusion
from sluicegate.campaigns.plan import key_hash, message_id
from sluicegate.config import Account, Config, load
from sluicegate.errors import InvalidConfig, InvalidMessage, LostHashKey, UnknownCampaign
from sluicegate.keys import Keys
from sluicegate.masking import masked
from sluicegate.outbox import ENQUEUE
from sluicegate.receipts import Receipt
from sluicegate.stored import MessageId
from sluicegate.words import id_word
from sluicegate_ops.operating.pasting import pasted
from sluicegate_ops.web.problems import HttpProblem
from sluicegate_ops.web.requests import id_of
from sluicegate_worker.observe.logs import dress
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Accepted, Dead, Doubt, ErrorAnswer, Halt, Retry
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from sluicegate_worker.queue import PUBLISH, Queue
from sluicegate_worker.transport import Reply
from support.bench import Bench
from support.command_line import Cli
from support.messages import message, plan, recipient
from support.stored import restore

KEYS = Keys("default")
JULY = plan()


def campaigns(store: redis.Redis) -> Campaigns:
    return Campaigns(store, KEYS)


def guesses(shown: str) -> list[str]:
    """Every number that a masked one may stand for."""
    head, tail = shown.split("•••")
    hidden = len("+14152000000") - len(head) - len(tail)
    return [f"{head}{middle:0{hidden}d}{tail}" for middle in range(10**hidden)]


# Hashes of recipients.


def test_3_3_a_masked_number_and_its_hash_do_not_give_the_number_away(store: redis.Redis) -> None:
    many = campaigns(store)
    many.create(JULY)
    row = recipient(JULY, 17)
    assert [result for _, result in many.add("july", [row])] == ["added"]
    [shard] = store.scan_iter(f"{KEYS.prefix}members:*")
    [stored] = map(int, store.smembers(shard))
    id = many.id_of("july", row)
    assert MessageId.parse(id).hash == stored
    tried = guesses(masked(row.to))
    assert row.to in tried
    assert len(tried) == 100_000
    assert stored not in set(map(key_hash, tried))
    lane: Any = store.lrange(KEYS.lane(JULY.lane), 0, -1)
    assert lane[0].split(b"|")[0].decode() == MessageId.parse(id).short


def test_3_3_the_key_is_made_once_whoever_comes_first(store: redis.Redis) -> None:
    campaigns(store).create(JULY)
    key = store.get(KEYS("hash_key"))
    campaigns(store).create(plan("june"))
    assert store.get(KEYS("hash_key")) == key
    assert isinstance(key, bytes)
    assert len(key) == 32


def test_3_3_two_accounts_hash_a_number_in_two_ways(store: redis.Redis) -> None:
    ids = []
    for account in ("default", "other"):
        many = Campaigns(store, Keys(account))
        many.create(JULY)
        ids.append(many.id_of("july", recipient(JULY, 1)))
    assert ids[0] != ids[1]


def test_3_3_an_import_under_a_lost_key_is_refused_and_nobody_is_sent_to_twice(
    store: redis.Redis,
) -> None:
    many, row = campaigns(store), recipient(JULY, 1)
    many.create(JULY)
    list(many.add("july", [row]))
    key = store.get(KEYS("hash_key"))
    for lost in (lambda: store.delete(KEYS("hash_key")), lambda: many.create(plan("june"))):
        lost()
        with pytest.raises(LostHashKey, match="restore"):
            list(many.add("july", [row]))
        with pytest.raises(LostHashKey):
            Exclusion(store, KEYS, plan("again", except_campaigns=("july",)))
    store.set(KEYS("hash_key"), key or b"")
    assert [result for _, result in many.add("july", [row])] == ["duplicate"]


def test_3_3_an_importer_of_an_earlier_version_does_not_find_a_keyed_campaign(
    store: redis.Redis,
) -> None:
    """It would import everybody again, under bare hashes."""
    campaigns(store).create(JULY)
    assert store.hget(KEYS.campaign("july"), "shards") is None


# Campaigns of before.


@pytest.fixture
def past(store: redis.Redis) -> Bench:
    """The account that version 0.1 stored: ``july`` runs, ``june`` is cancelled, ``may`` waits."""
    return restore(store)


def test_3_3_a_campaign_of_before_knows_its_recipients_to_its_end(past: Bench) -> None:
    rows = [recipient(JULY, number) for number in range(12)]
    assert past.add("july", *rows) == "d" * 12
    assert past.add("july", *rows, recipient(JULY, 99)) == "d" * 12 + "a"
    assert past.add("july", recipient(JULY, 99)) == "d"
    new = recipient(JULY, 99)
    assert past.campaigns.id_of("july", new) == message_id("july", new.hash)
    past.check()


def test_3_3_exclusion_knows_both_sorts_of_hashes(past: Bench) -> None:
    def left_out(of: Any) -> list[str]:
        rows = [recipient(JULY, number) for number in (7, 8, 100, 500)]
        return Exclusion(past.store, past.keys, of).of([row.hash for row in rows])

    assert left_out(plan("next", except_campaigns=("july", "june"))) == ["july", "july", "", ""]
    past.campaigns.create(plan("august"))
    past.add("august", recipient(JULY, 500), recipient(JULY, 8))
    both = plan("next", except_campaigns=("august", "july"))
    assert left_out(both) == ["july", "august", "", "august"]


def test_3_3_a_campaign_of_before_is_drawn_up_again_and_stays_what_it_was(past: Bench) -> None:
    may = past.campaigns.get("may").plan
    past.campaigns.create(may)
    assert not past.campaigns.members("may").keyed
    past.campaigns.create(plan("new"))
    assert past.campaigns.members("new").keyed
    with pytest.raises(UnknownCampaign):
        past.campaigns.members("none")


def test_3_3_a_masked_export_of_a_campaign_of_before_has_no_ids(
    cli: Cli, valkey: redis.Redis, tmp_path: Path
) -> None:
    restore(valkey)
    told = cli("campaign", "export", "july", "--format", "jsonl")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert {line["id"] for line in lines} == {""}
    assert "no ids" in told.stderr
    full = cli("campaign", "export", "july", "--format", "jsonl", "--full").stdout
    assert all(json.loads(line)["id"].startswith("july.") for line in full.splitlines())


def test_3_3_own_columns_are_found_under_keyed_hashes(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("phone,city\n+14152000001,Oslo\n+14152000002,Rome\n", encoding="utf-8")
    cli("campaign", "start", str(file), "--name", "july", "--from", "+15550000000", "--text",
        "Hi", "--yes")  # fmt: skip
    out = cli("campaign", "export", "july", "--with", str(file), "--format", "jsonl").stdout
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["row"]["city"] for line in lines} == {"Oslo", "Rome"}
    assert all(line["id"].startswith("july.") for line in lines)
    digests = {MessageId.parse(line["id"]).short for line in lines}
    bare = {base64.urlsafe_b64encode(key_hash(f"+1415200000{n}").to_bytes(8, signed=True))[:11]
            for n in (1, 2)}  # fmt: skip
    assert not digests & {hash.decode() for hash in bare}


# The provider's words.


KEY = "KEY0199A/secret+words=_and-more"
SPELLINGS: dict[str, str] = {
    "as it is": KEY,
    "escaped for JSON": json.dumps(KEY).replace("/", "\\/").strip('"'),
    "escaped wholly": "".join(f"\\u{ord(char):04x}" for char in KEY),
    "escaped twice": "".join(f"\\\\u{ord(char):04X}" for char in KEY),
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded twice": quote(quote(KEY, safe=""), safe=""),
    "in entities": "".join(f"&#{ord(char)};" for char in KEY),
    "in hexadecimal digits": KEY.encode().hex(),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 after a name": base64.b64encode(b"user:" + KEY.encode()).decode(),
    "in base64 after more": base64.b64encode(b"token=" + KEY.encode() + b";").decode(),
    "in base64 for URLs": base64.urlsafe_b64encode(b"a:" + KEY.encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("field", ["code", "title", "detail", "no field"])
def test_4_2_the_api_key_is_not_seen_in_whatever_spelling_it_comes_back(
    spelling: str, field: str
) -> None:
    text = SPELLINGS[spelling]
    value = json.loads(f'"{text}"') if spelling == "escaped wholly" else text
    body = (
        f"<p>Bearer {text}</p>".encode()
        if field == "no field"
        else b'{"errors":[{"code":"10015","%b":%b}]}'
        % (field.encode(), json.dumps(f"is {value} known?").encode())
    )
    attempt = asyncio.run(answered(400, body))
    assert isinstance(attempt.outcome, Dead | Halt | Doubt | Retry)
    shown = f"{attempt.outcome.code} {attempt.outcome.why} {attempt.answer}"
    for form in (KEY, text, KEY[:12], base64.b64encode(KEY.encode()).decode()[4:24]):
        assert form not in shown


def test_4_2_a_key_at_the_cut_leaves_no_half_of_itself() -> None:
    for lead in range(440, 500):
        body = json.dumps({"errors": [{"code": "10015", "detail": "x" * lead + KEY}]}).encode()
        attempt = asyncio.run(answered(400, body))
        assert isinstance(attempt.outcome, Dead | Halt | Doubt | Retry)
        assert KEY[:6] not in attempt.outcome.why + attempt.answer


@pytest.mark.parametrize(
    "odd",
    ["10015\nERROR forged", "10\x1b[31m015", "1" * 900_000, "10,015;|x", "\uff11\uff10", "\x00"],
)
def test_4_2_a_code_is_short_and_forges_nothing(odd: str) -> None:
    body = json.dumps({"errors": [{"code": odd, "title": odd, "detail": odd}]}).encode()
    attempt = asyncio.run(answered(400, body))
    assert isinstance(attempt.outcome, Dead | Halt | Doubt | Retry)
    assert len(attempt.outcome.code) <= 40
    assert re.fullmatch("[ -~]*", attempt.outcome.code)
    assert not set(",;|") & set(attempt.outcome.code)
    assert len(attempt.outcome.why) <= 500
    assert attempt.outcome.why.isprintable()
    receipt = Receipt("e", "m1", odd, "failed", 1, odd)
    assert (len(receipt.code) <= 40, len(receipt.provider_id) <= 200) == (True, True)
    assert re.fullmatch("[!-{}~]*", receipt.provider_id)


def test_4_2_a_title_is_cut_at_100() -> None:
    answer = ErrorAnswer(400, "10015", "t" * 5_000, "d" * 5_000)
    assert (len(answer.title), len(answer.why) <= 500) == (100, True)


def test_4_2_an_id_of_900_kb_breaks_nothing(bench: Bench) -> None:
    """It stands for itself by a hash, in an answer and in its receipt alike."""
    long = "i" * 900_000
    body = json.dumps({"data": {"id": long}}).encode()
    accepted = asyncio.run(answered(200, body)).outcome
    assert isinstance(accepted, Accepted)
    assert len(accepted.provider_id) <= 200
    assert accepted.provider_id == Receipt("e", "m1", long, "delivered", 1).provider_id
    assert id_word("40385f64-5717-4562-b3fc-2c963f66afa6").startswith("40385f64")
    bench.enqueue(message(1))
    bench.send(kind="accepted", provider_id=accepted.provider_id, heard=True)
    assert bench.status("m1").provider_id == accepted.provider_id


def test_4_2_a_line_of_the_log_stays_one_line() -> None:
    out = StringIO()
    log, handler = logging.getLogger("forged"), logging.StreamHandler(out)
    log.addHandler(handler)
    log.propagate = False
    dress(log, "text", [KEY])
    log.warning("refused: %s", "10015\n2026-01-01 ERROR all is lost\x1b[2J")
    log.warning("it said %s", SPELLINGS["in base64 after a name"])
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[0]
    assert "•••" in lines[1]


async def answered(status: int, body: bytes) -> Attempt:
    """What the gateway makes of an answer to a POST with ``KEY``."""
    gateway = TelnyxV2(Account(), KEY, Answering(Reply(status, {}, body)))
    return await gateway.send(b"{}", "key", lambda: True)


class Answering:
    """A transport that always has the same answer."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        gate()
        return self.reply

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        return self.reply

    async def aclose(self) -> None: ...


# Ids that a shell would take for options.


@pytest.mark.parametrize("id", ["--all", "-", "-x", "--yes"])
def test_4_1_an_id_that_a_shell_takes_for_an_option_is_refused_at_every_door(
    id: str, store: redis.Redis
) -> None:
    with pytest.raises(InvalidMessage, match="not begin with -"):
        Sluice(Config(), client=store).enqueue(
            to="+15550000001", sender="+15550000000", text="hi", id=id
        )
    with pytest.raises(HttpProblem):
        id_of(Headers({"Idempotency-Key": id}))
    with pytest.raises(InvalidMessage):
        plan(id).checked()
    with pytest.raises(InvalidMessage):
        message(1, messaging_profile_id=id)
    for part in (f'[accounts."{id}"]', f'[web.apps."{id}"]\ntoken_env = "T"',
                 f'[accounts.default.brands."{id}"]\ntmobile_daily = 1',
                 f'[accounts.default.senders."{id}"]\nkind = "alphanumeric"',
                 f'[accounts.default]\nmessaging_profiles = ["{id}"]'):  # fmt: skip
        with NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(part)
            file.flush()
            with pytest.raises(InvalidConfig):
                load(file.name, {})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("order-1", "order-1"),
        ("--all", "-- --all"),
        ("sender:My Shop", "'sender:My Shop'"),
        ("x; rm -rf /", "'x; rm -rf /'"),
        ("$(id)", "'$(id)'"),
    ],
)
def test_4_1_what_is_printed_to_be_pasted_is_quoted(text: str, shown: str) -> None:
    assert pasted(text) == shown
    assert shlex.split(pasted(text))[-1] == text


def test_4_1_advice_on_an_id_of_before_can_be_pasted(cli: Cli) -> None:
    cli.bench.call(ENQUEUE, cli.bench.outbox.enqueue_args([replace(message(1), id="--all")]))
    cli.bench.send(kind="dead", code="40300", heard=True)
    shown = cli("dead", "show", "--", "--all").stdout
    assert "sluicegate dead purge -- --all" in shown


def test_4_1_no_advice_puts_a_name_into_a_command_unquoted() -> None:
    """Every ``{...}`` behind a command's name is ``{pasted(...)}``, or was quoted before."""
    folder = Path(sluicegate_ops.__file__).parent
    groups = "message|campaign|dead|doubt|halt|twice|optout"
    bare = re.compile(rf"sluicegate (?:{groups}) [^\"]*\{{(?!pasted|name\}}|verb)")
    found = [
        f"{file.name}: {line.strip()}"
        for file in folder.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if bare.search(line)
    ]
    assert not found


# The audit.


def test_10_what_python_does_to_a_campaign_is_in_the_audit(store: redis.Redis) -> None:
    many, by = campaigns(store), By("deploy-bot", "nightly")
    again = plan("again", except_campaigns=("july",))
    for each in (JULY, again):
        many.create(each)
    rows = [recipient(JULY, number) for number in range(600)]
    assert len(list(many.add("july", rows, by, "people.csv"))) == 600
    list(many.add("july", rows, by))  # nobody is new
    list(many.add("again", [recipient(again, 999)]))
    many.act("july", "start", by)
    many.act("july", "start", by)
    many.pace("july", 5, by=by)
    many.act("july", "pause")
    entries = list(Audit(store, KEYS))
    assert [(entry.action, entry.count) for entry in reversed(entries)] == [
        ("import", 600), ("import", 1), ("start", 1), ("pace", 1), ("pause", 1),
    ]  # fmt: skip
    paused, paced, started, other, imported = entries
    assert {(one.who, one.why) for one in (paced, started, imported)} == {
        ("deploy-bot", "nightly")
    }
    assert paused.who == os_user()
    assert imported.filter == {"campaign": "july", "file": "people.csv"}
    assert other.filter == {"campaign": "again", "except": "july"}
    assert all(entry.at_ms for entry in entries)


def test_10_limits_that_a_worker_puts_in_force_are_in_the_audit(bench: Bench) -> None:
    def publish(limit: int) -> None:
        account = replace(bench.config.accounts["default"], limit=limit)
        config = replace(bench.config, accounts={"default": account})
        queue = Queue(cast("Any", bench.store), config, "default", "worker1")
        bench.call(PUBLISH, queue.publish_args())

    publish(7)
    publish(7)
    publish(8)
    entries = list(Audit(bench.store, bench.keys))
    assert [entry.action for entry in entries] == ["limits", "limits"]
    assert entries[0].filter["worker"] == "worker1"
    assert entries[0].filter["digest"] != entries[1].filter["digest"]


def test_10_no_entry_makes_way_for_another(bench: Bench) -> None:
    audit = Audit(bench.store, bench.keys)
    old = b'{"at_ms":1,"count":1,"who":"a","action":"x"}'
    bench.store.rpush(bench.keys("audit"), *[old] * 10_500)
    audit.note(act(By("ann"), "export"))
    assert len(audit) == 10_501
