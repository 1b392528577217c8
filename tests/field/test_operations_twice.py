"""What trials in the field found about what was sent twice or may have been, in numbered order."""

import logging

import pytest

from sluicegate import Config
from sluicegate_worker.observe.journal import warn_of_second
from support.bench import Bench, settle_of
from support.command_line import MASKED, Cli
from support.messages import message, plan, recipient
from support.receipts import tell
from support.served import URLS, Front, run, told

NOTHING = {"act": "cleared", "count": 0, "meant": 0, "dry_run": False}


def send_twice(bench: Bench, *numbers: int) -> None:
    """Each was resent after a doubt, and a receipt then told of the first POST."""
    for number in numbers:
        bench.enqueue(message(number))
        grant = bench.send()
        assert tell(bench, grant.id, provider_id=f"first-{grant.id}") == "twice"


@pytest.mark.parametrize("by", ["receipt", "settle"])
def test_05_what_was_sent_twice_is_listed_whoever_brings_the_proof(cli: Cli, by: str) -> None:
    bench = cli.bench
    bench.enqueue(message(1))
    [grant] = bench.claim_all(1)
    assert bench.start(grant) == [True]
    tell(bench, "m1", provider_id="one")
    if by == "settle":
        settle = settle_of(grant, "accepted", provider_id="two", heard=True)
        assert bench.step(settles=[settle]).settled == ["twice"]
    else:
        assert tell(bench, "m1", event_id="late", provider_id="two") == "twice"
    [sent] = cli.lines("twice", "list")
    assert (sent["id"], sent["provider_id"], sent["provider_id_2"]) == ("m1", "one", "two")
    assert sent["to"] == MASKED
    assert "+15550000001" in cli("twice", "list", "--full").stdout


def test_05_the_same_proof_again_is_no_second_sending(cli: Cli) -> None:
    send_twice(cli.bench, 1)
    assert tell(cli.bench, "m1", event_id="again", provider_id="first-m1") == "stale"
    assert tell(cli.bench, "m1", event_id="other", provider_id="p-m1") == "stale"
    assert cli.bench.totals()["receipts_applied"] == 1
    assert len(cli.lines("twice", "list")) == 1


def test_05_status_needs_a_person_until_somebody_clears_them(cli: Cli) -> None:
    send_twice(cli.bench, 1, 2)
    state = cli.document("status", exits=1)
    [finding] = [found for found in state["findings"] if "twice" in found["what"]]
    assert finding["what"] == "2 messages were sent twice"
    assert finding["person"]
    assert "sluicegate twice list" in finding["do"]
    cli("twice", "clear", "m1", "--yes")
    assert cli.document("twice", "clear", "--all", "--why", "told them", "--yes")["count"] == 1
    assert not any("twice" in f["what"] for f in cli.document("status")["findings"])
    assert [entry["action"] for entry in cli.lines("audit", "list")] == ["clear twice"] * 2
    assert cli("twice", "list").stdout == "no message was sent twice\n"


def test_05_they_are_cleared_by_campaign_and_others_stay(cli: Cli) -> None:
    bench, july = cli.bench, plan("july")
    bench.campaigns.create(july)
    bench.add("july", recipient(july, 1))
    bench.act("july", "start")
    grant = bench.send()
    tell(bench, grant.id, provider_id="first")
    send_twice(bench, 7)
    cleared = cli.document("twice", "clear", "--campaign", "july", "--why", "called", "--yes")
    assert cleared["count"] == 1
    assert [sent["id"] for sent in cli.lines("twice", "list")] == ["m7"]
    assert cli.document("twice", "clear", "--campaign", "july", "--why", "x", "--yes") == NOTHING


def test_05_clearing_says_in_one_way_what_it_means(cli: Cli) -> None:
    send_twice(cli.bench, 1)
    assert "exactly one of these ways" in cli("twice", "clear", exits=2).stderr
    assert "exactly one of these ways" in cli("twice", "clear", "m1", "--all", exits=2).stderr
    assert "--why" in cli("twice", "clear", "--all", "--yes", exits=2).stderr
    said = cli("twice", "clear", "m1", "m8", "--yes", exits=1)
    assert "m8 is not sent twice: nothing to clear" in said.stderr
    assert "cleared 1 of 2" in said.stdout


def test_05_a_flood_of_them_is_counted_and_the_list_stays_bounded(cli: Cli) -> None:
    keys, store = cli.bench.keys, cli.bench.store
    text = "1|+15550000001|a|b"
    store.hset(keys("twice"), mapping={f"x{number}": text for number in range(10_000)})
    send_twice(cli.bench, 1)
    assert cli.bench.totals()["sent_twice"] == 1
    assert store.hlen(keys("twice")) == 10_000
    assert "10,000 messages in all" in cli("twice", "list").stderr


def test_05_a_worker_names_them_in_its_log(cli: Cli, caplog: pytest.LogCaptureFixture) -> None:
    cli.bench.enqueue(message(1))
    [grant] = cli.bench.claim_all(1)
    settles = [settle_of(grant, "accepted", provider_id="two")]
    with caplog.at_level(logging.WARNING):
        warn_of_second("default", settles, ["applied"])
        assert not caplog.records
        warn_of_second("default", settles, ["twice"])
    assert "message m1 was sent twice, the second time as two" in caplog.text


def test_05_the_web_front_names_them_in_its_log(
    cli: Cli, front: Config, caplog: pytest.LogCaptureFixture
) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send()

    async def story(door: Front) -> None:
        answer = await door.hook(URLS.url("m1"), told("delivered", "first"))
        assert answer.status_code == 200

    with caplog.at_level(logging.WARNING):
        run(front, story)
    assert "message m1 was sent twice, the second time as first" in caplog.text


@pytest.fixture
def doubtful(cli: Cli) -> Cli:
    """Two doubts of no campaign, one of them of another code, and one of a campaign."""
    bench, july = cli.bench, plan("july")
    cli.doubt(1, 2)
    bench.enqueue(message(3))
    bench.send(kind="doubt", delay_ms=-1, code="500", reason="HTTP 500")
    bench.campaigns.create(july)
    bench.add("july", recipient(july, 1))
    bench.act("july", "start")
    bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="timed out")
    return cli


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (("m1", "m2"), 2),
        (("--campaign", "july"), 1),
        (("--campaign", "-"), 3),
        (("--code", "no_answer"), 3),
        (("--code", "500"), 1),
        (("--code", "no_answer", "--campaign", "-"), 2),
        (("--all",), 4),
        (("--code", "40300"), 0),
    ],
)
def test_09_doubts_are_resolved_together(
    doubtful: Cli, chosen: tuple[str, ...], count: int
) -> None:
    command = ("doubt", "resolve", *chosen, "--accepted", "--why", "the portal has them", "--yes")
    assert doubtful.document(*command, "--dry-run")["count"] == count
    assert doubtful.document(*command)["count"] == count
    assert len(doubtful.lines("doubt", "list")) == 4 - count
    assert doubtful.bench.totals()["resolved"] == count
    listed = doubtful.lines("audit", "list")
    entries = [entry for entry in listed if entry["action"] not in ("import", "start")]
    assert [entry["count"] for entry in entries] == [count] * bool(count)
    doubtful.bench.check()


def test_09_resending_many_sends_each_once(doubtful: Cli) -> None:
    doubtful("doubt", "resolve", "--all", "--resend", "--why", "never seen", "--yes")
    assert len({sent.id for sent in doubtful.bench.drain(5_000)}) == 4
    assert doubtful.lines("doubt", "list") == []


def test_09_one_that_cannot_be_resolved_stops_no_other(doubtful: Cli) -> None:
    doubtful.bench.cancel("m1")
    said = doubtful("doubt", "resolve", "--code", "no_answer", "--resend", "--why", "x", "--yes",
                    exits=1)  # fmt: skip
    assert "resolved 2 of 3" in said.stdout
    assert "m1 is cancelled" in said.stderr


def test_09_many_are_named_in_one_way_and_with_a_reason(doubtful: Cli) -> None:
    for chosen in ((), ("m1", "--all"), ("--all", "--code", "500")):
        said = doubtful("doubt", "resolve", *chosen, "--accepted", exits=2).stderr
        assert "in exactly one of these ways" in said
    assert "--why" in doubtful("doubt", "resolve", "--all", "--accepted", exits=2).stderr
    said = doubtful("doubt", "resolve", "--all", "--accepted", "--why", "x", "--provider-id", "p",
                    exits=2).stderr  # fmt: skip
    assert "--provider-id goes with one ID" in said
    asked = doubtful("doubt", "resolve", "--all", "--drop", "--why", "x", stdin="n\n", exits=1)
    assert "Make dead letters of 4 messages in doubt?" in asked.stderr
