"""Dead letters from the command line: found, shown, edited, sent again, given up, and by whom."""

import csv
import io
import json
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
import typer
from typer.testing import CliRunner

from sluicegate.audit import os_user
from sluicegate.message import decode
from sluicegate_ops.cli.audit import audit
from sluicegate_ops.cli.kit.acts import paced
from sluicegate_ops.operating.session import Session
from sluicegate_worker.operator.deadletters import Replay
from sluicegate_worker.provider.codes import advice_for
from support.command_line import ANSWER, MASKED, NUMBER, Cli
from support.messages import SENDER, message, plan, recipient

OTHER = "+15550000099"
WHY = ("--why", "the cause is gone", "--yes")
COLUMNS = ["CODE", "LETTERS", "MAYBE", "SENT", "LAST", "SUCH", "AS", "REASON"]
JULY = plan()
AUDIT = typer.Typer()
AUDIT.add_typer(audit, name="audit")
DAY_MS = 86_400_000


class DeadCli(Cli):
    """The command line, with dead letters of a campaign too, and what it says of the audit."""

    def blast(self, count: int = 3, code: str = "40302") -> list[str]:
        """Let recipients of a campaign die; return their ids."""
        self.bench.campaigns.create(JULY)
        self.bench.add("july", *[recipient(JULY, n, f"Ann{n}", "77") for n in range(count)])
        self.bench.act("july", "start")
        ids = []
        for _ in range(count):
            ids.append(self.bench.send(kind="dead", code=code, heard=True).id)
            self.bench.later(1)
        return ids

    def audited(self, *args: str) -> list[dict[str, Any]]:
        """What was done to dead letters, not to the campaigns that they are of."""
        entries = [json.loads(line) for line in self.audit("--json", *args).splitlines()]
        return [entry for entry in entries if entry["action"] not in ("import", "start")]

    def audit(self, *args: str) -> str:
        with closing(Session("default", None)) as session:
            asked = ["audit", "list", *args]
            result = CliRunner().invoke(AUDIT, asked, obj=session, env=self.environment)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DeadCli:
    monkeypatch.chdir(tmp_path)
    return DeadCli(redis_url, valkey)


# Finding them.


def test_dead_letters_are_listed_by_code_with_what_to_do_and_where(cli: DeadCli) -> None:
    cli.die(1, 2, code="40309")
    cli.die(3, code="49999", perhaps=True)
    told = advice_for("40309")
    assert told is not None
    assert told.portal
    shown = cli("dead", "list").stdout
    assert shown.splitlines()[0].split() == COLUMNS
    assert [shown.count(text) for text in (told.means, told.advice, told.portal)] == [1, 1, 1]
    assert re.search(r"^40309 +2 +0 .* m2 to \+1555•••02 +" + ANSWER, shown, re.MULTILINE)
    assert re.search(r"^49999 +1 +1 .* m3 to ", shown, re.MULTILINE)
    first, second = cli.lines("dead", "list")
    assert (first["code"], first["count"], first["advice"]) == ("40309", 2, told.advice)
    assert (second["maybe_sent"], second["sample"]["id"], second["advice"]) == (1, "m3", "")


def test_dead_letters_are_grouped_by_campaign_and_sender(cli: DeadCli) -> None:
    cli.blast(2)
    cli.die(1)
    cli.bench.enqueue(message(2, sender=OTHER))
    cli.bench.send(kind="dead", code="40310", heard=True)
    groups = cli.lines("dead", "list", "--by", "campaign")
    assert {group["campaign"]: group["count"] for group in groups} == {"july": 2, "": 2}
    assert groups[0]["codes"] == {"40300": 1, "40310": 1}
    groups = cli.lines("dead", "list", "--by", "sender")
    assert {group["sender"]: group["count"] for group in groups} == {SENDER: 3, OTHER: 1}
    shown = cli("dead", "list", "--by", "campaign").stdout
    assert re.search(r"\njuly +2 +0 .* 2 x 40302 ", shown)
    assert re.search(r"\n- +2 +0 .* 1 x 40310, 1 x 40300 ", shown)


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("--code", "40310"), {"m4"}),
        (("--campaign", "-"), {"m1", "m4", "m5"}),
        (("--campaign", "july"), {"july"}),
        (("--sender", OTHER), {"m5"}),
        (("--older-than", "1d"), {"m1"}),
        (("--since", "1d"), {"m4", "m5", "july"}),
        (("--since", "2020-01-01T00:00Z", "--code", "40300"), {"m1", "m5"}),
        (("--older-than", "2020-01-01T00:00Z"), set()),
    ],
)
def test_letters_are_chosen(cli: DeadCli, args: tuple[str, ...], found: set[str]) -> None:
    now = cli.bench.now_ms
    cli.bench.at(now - 2 * DAY_MS)
    cli.die(1)
    cli.bench.at(now)
    cli.die(4, code="40310")
    cli.bench.enqueue(message(5, sender=OTHER))
    cli.bench.send(kind="dead", code="40300", heard=True)
    cli.blast(1)
    letters = cli.lines("dead", "list", "--all", *args)
    assert {one["id"].partition(".")[0] for one in letters} == found


def test_single_letters_are_masked_and_limited(cli: DeadCli) -> None:
    cli.die(1, 2, 3)
    listed = cli("dead", "list", "--all", "--limit", "2")
    assert len(re.findall(r"^m[0-9] ", listed.stdout, re.MULTILINE)) == 2
    assert "3 dead letters in all" in listed.stderr
    whole = cli("dead", "list", "--all")
    assert MASKED in whole.stdout
    assert NUMBER not in whole.stdout
    assert whole.stderr == ""
    assert NUMBER in cli("dead", "list", "--all", "--full").stdout
    nothing = cli("dead", "list", "--code", "1", "--older-than", "30d").stdout
    assert nothing == "no dead letters with code 1 older-than 30d\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--since", "soon"), "or how long ago, such as 15m, 2h or 30d"),
        (("--older-than", "2030-01-31"), "--older-than 2030-01-31: names no time of that day"),
    ],
)
def test_a_time_that_is_none_is_bad_input(cli: DeadCli, args: tuple[str, str], said: str) -> None:
    assert said in cli("dead", "list", *args, exits=2).stderr


# Looking at one.


def test_a_letter_is_shown_with_request_attempts_and_the_ways_out(cli: DeadCli) -> None:
    cli.bench.enqueue(message(1, text="your code is 1234"))
    [grant] = cli.bench.claim_all(1)
    body = json.dumps({"to": NUMBER, "text": "your code is 1234"}).encode()
    assert cli.bench.start(grant, request=body) == [True]
    cli.bench.settle(
        grant, "dead", code="40300", reason=ANSWER, answer="{}", heard=True, took_ms=7
    )
    shown = cli("dead", "show", "m1").stdout
    assert re.search(r'\nrequest +{"to":"\+1555•••01","text":"17 characters, shown', shown)
    assert re.search(r"\ntext +17 characters, shown", shown)
    assert re.search(r"\n1 .* 7 ms .* 40300 +refused for good: ", shown)
    assert "1234" not in shown
    assert "sluicegate dead replay m1" in shown
    full = cli.document("dead", "show", "m1", "--full")
    assert (full["text"], json.loads(full["request"])["to"]) == ("your code is 1234", NUMBER)
    [attempt] = full["history"]["attempts"]
    assert (attempt["outcome"], attempt["code"], attempt["took_ms"]) == ("dead", "40300", 7)
    assert full["advice"]


def test_a_recipient_is_shown_as_its_plan_renders_it(cli: DeadCli) -> None:
    [id] = cli.blast(1)
    assert cli.document("dead", "show", id, "--full")["text"] == "Hi Ann0, code 77"
    cli.bench.store.hdel(cli.bench.keys.campaign("july"), "plan")
    assert "its plan is gone" in cli("dead", "show", id).stdout


# Sending them again.


def test_replaying_by_id_asks_and_warns_where_it_may_be_a_second_time(cli: DeadCli) -> None:
    cli.die(1, perhaps=True)
    refused = cli("dead", "replay", "m1", stdin="n\n", exits=1)
    assert "It may have reached the provider already" in refused.stderr
    assert "nothing was done" in refused.stderr
    assert cli("dead", "replay", "m1", stdin="y\n").stdout.endswith("replayed 1\n")
    assert cli.bench.check() == {"waiting": 1}


def test_in_bulk_what_may_have_been_sent_stays_unless_it_is_asked_for(cli: DeadCli) -> None:
    cli.die(1, 2)
    cli.die(3, perhaps=True)
    first = cli("dead", "replay", "--all", *WHY)
    assert first.stdout == "replayed 2\n"
    stays = "1 dead letter may have been sent and will stay"
    assert f"{stays}; to replay them too, add --even-if-maybe-sent\n" in first.stderr
    assert cli("dead", "replay", "--all", *WHY, exits=1).stdout == "nothing to replay\n"
    even = cli("dead", "replay", "--all", "--even-if-maybe-sent", *WHY)
    assert even.stdout == "replayed 1\n"
    assert "may have reached the provider already" in even.stderr
    assert cli("dead", "replay", "--all", *WHY).stdout == "no dead letters\n"
    assert cli.bench.check() == {"waiting": 3}


def test_a_limit_takes_those_that_died_first(cli: DeadCli) -> None:
    for number in (3, 1, 2):
        cli.die(number)
        cli.bench.later(1)
    cli("dead", "replay", "--code", "40300", "--limit", "2", "--rate", "1000", *WHY)
    assert cli.bench.lane(f"ts:{SENDER}") == ["m3", "m1"]
    assert cli.audited()[0]["filter"] == {"code": "40300", "limit": "2"}


def test_many_go_in_batches_and_are_one_entry_of_the_audit(cli: DeadCli) -> None:
    cli.die(*range(1, 121))
    assert cli("dead", "replay", "--all", *WHY, "--who", "ops").stdout == "replayed 120\n"
    [entry] = cli.audited()
    assert (entry["count"], entry["who"], entry["action"]) == (120, "ops", "replay")
    assert (entry["why"], entry["filter"]) == ("the cause is gone", {"all": "yes"})
    assert cli.bench.record("m7")["replayed_by"] == "ops"
    assert cli.bench.check() == {"waiting": 120}


def test_a_rate_is_kept_in_small_batches() -> None:
    letters = [Replay(f"m{n}") for n in range(100)]
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    sent = [(now[0], len(batch)) for batch in paced(letters, 20.0, sleep, lambda: now[0])]
    assert sent == [(0.25 * n, 5) for n in range(20)]
    assert sum(slept) == 4.75
    assert [len(batch) for batch in paced(letters, 0.0, sleep)] == [50, 50]


def test_a_dry_run_changes_nothing(cli: DeadCli) -> None:
    cli.blast(2)
    before = cli.bench.dump()
    args = ("--campaign", "july", "--why", "x", "--dry-run")
    said = cli("dead", "replay", *args, "--text", "Dear {{ first_name }}").stdout
    assert said == "would replay 2 dead letters, edited; nothing was changed\n"
    assert "would purge 2 dead letters" in cli("dead", "purge", *args).stdout
    assert cli.bench.dump() == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("replay",), "exactly one of these ways"),
        (("replay", "m1", "--code", "1"), "exactly one of these ways"),
        (("purge", "--all", "--since", "1d"), "exactly one of these ways"),
        (("replay", "--all", "--yes"), "--why: give a reason"),
        (("purge", "--all", "--yes", "--why", " "), "--why: give a reason"),
        (("replay", "m1", "--text", "x", "--yes"), "--why: give a reason"),
        (("replay", "m1", "--text", "x", "--text-file", "y", *WHY), "--text or --text-file"),
        (("replay", "m1", "--text", "-", *WHY), "would send a hyphen"),
        (("replay", "m1", "--text-file", "gone.txt", *WHY), "gone.txt: cannot be read"),
    ],
)
def test_what_makes_no_sense_is_bad_input(cli: DeadCli, args: tuple[str, ...], said: str) -> None:
    cli.die(1)
    assert said in cli("dead", *args, exits=2).stderr
    assert cli.bench.check() == {"dead": 1}


# Sending them otherwise.


def test_a_campaign_s_letters_get_another_text_and_sender(cli: DeadCli, tmp_path: Path) -> None:
    ids = cli.blast(2)
    (tmp_path / "text.txt").write_text("Dear {{ first_name|upper }}: " + "x" * 160 + "\n")
    edit = ("--from", OTHER, "--text-file", "text.txt")
    assert cli("dead", "replay", "--campaign", "july", *edit, *WHY).stdout == "replayed 2\n"
    first, second = cli.bench.claim_all(2)
    assert [first.id, second.id] == ids
    sent = decode(second.content, second.id)
    assert (sent.text, sent.sender) == ("Dear ANN1: " + "x" * 160, OTHER)
    assert first.generation == 1
    ticket = cli.bench.record(second.id)["ticket"].split("|")
    assert ticket[1:] == ["2", "SMS", "", sent.to, '["Ann1","77"]']
    assert cli.bench.record(second.id)["lane"] == f"bs:{OTHER}#july"
    [entry] = cli.audited("--full")
    assert (entry["action"], entry["sender"], entry["count"]) == ("edit", OTHER, 2)
    assert entry["text"].startswith("Dear {{ first_name|upper }}")
    assert cli.audited()[0]["text"] == "189 characters"
    cli.bench.check()


def test_a_letter_that_can_t_be_edited_is_told_and_left(cli: DeadCli) -> None:
    cli.blast(2)
    cli.die(1)
    text = ("--text", "Dear {{ first_name }}")
    replayed = cli("dead", "replay", "--all", *text, *WHY, exits=1)
    assert replayed.stdout == "replayed 2\n"
    assert "1 dead letter can't be edited, such as m1: text: an app's message" in replayed.stderr
    assert cli.bench.check() == {"waiting": 2, "dead": 1}


def test_a_text_that_is_none_for_anybody_is_bad_input(cli: DeadCli) -> None:
    cli.blast(1)
    for text, exits, said in (
        ("Hi {{ first_name", 2, "template, line 1: unexpected end"),
        ("Hi {{ city }}", 1, "city is no variable of campaign july; there are first_name, code"),
    ):
        args = ("--campaign", "july", "--text", text)
        assert said in cli("dead", "replay", *args, *WHY, exits=exits).stderr
    assert cli.bench.check() == {"dead": 1}


def test_a_sender_that_is_not_declared_is_refused(cli: DeadCli, tmp_path: Path) -> None:
    cli.die(1)
    (tmp_path / "sluicegate.toml").write_text(
        f'[accounts.default.senders."{SENDER}"]\nkind = "toll_free"\n'
    )
    refused = cli("dead", "replay", "m1", "--from", OTHER, *WHY, exits=1)
    assert "not among the account's senders" in refused.stderr
    assert cli.bench.check() == {"dead": 1}


# Giving them up, and taking them away.


def test_where_nobody_answers_nothing_is_done(cli: DeadCli) -> None:
    cli.die(1)
    unanswered = cli("dead", "purge", "--all", "--why", "x", stdin="", exits=1)
    assert "Add --yes" in unanswered.stderr
    assert cli.bench.check() == {"dead": 1}


def test_purging_gives_up_those_that_are_meant(cli: DeadCli) -> None:
    now = cli.bench.now_ms
    cli.bench.at(now - 31 * DAY_MS)
    cli.die(*range(1, 61))
    cli.bench.at(now)
    cli.die(61)
    assert cli("dead", "purge", "--older-than", "30d", *WHY).stdout == "purged 60\n"
    assert cli.bench.check() == {"purged": 60, "dead": 1}
    assert cli("dead", "purge", "--older-than", "30d", *WHY).stdout.startswith("no dead letters")
    cli("dead", "purge", "m61", "--yes")
    single, bulk = cli.audited()
    assert (single["ids"], single["count"], single["who"]) == (["m61"], 1, os_user())
    assert (bulk["count"], bulk["filter"]) == (60, {"older_than": "30d"})


def test_letters_are_exported_with_their_advice(cli: DeadCli, tmp_path: Path) -> None:
    [id] = cli.blast(1)
    cli.bench.later(1)
    cli.die(1, perhaps=True)
    masked = list(csv.DictReader(io.StringIO(cli("dead", "export", "-").stdout)))
    assert [row["id"] for row in masked] == [id, "m1"]
    assert (masked[1]["to"], masked[1]["code"], masked[1]["maybe"]) == (f"'{MASKED}", "40300", "1")
    assert masked[0]["campaign"] == "july"
    assert "text" not in masked[0]
    told = advice_for("40300")
    assert told is not None
    assert masked[1]["advice"] == told.advice
    said = cli("dead", "export", "dead.csv", "--full", "--campaign", "july").stdout
    assert said == "1 dead letter in dead.csv\n"
    [row] = csv.DictReader(io.StringIO((tmp_path / "dead.csv").read_text("utf-8-sig")))
    assert (row["to"], row["text"]) == ("'+14152000000", "Hi Ann0, code 77")
    assert "cannot be written" in cli("dead", "export", "no/dir.csv", exits=2).stderr


# The audit.


def test_a_doubt_s_end_is_audited(cli: DeadCli) -> None:
    cli.doubt(1)
    cli("doubt", "resolve", "m1", "--drop", "--reason", "called them", "--who", "ann")
    [entry] = cli.audited()
    about = (entry["action"], entry["ids"], entry["who"], entry["why"])
    assert about == ("resolve drop", ["m1"], "ann", "called them")
    assert abs(entry["at_ms"] - time.time() * 1000) < 60_000


def test_the_audit_is_shown_with_numbers_hidden(cli: DeadCli) -> None:
    cli.die(1)
    cli("dead", "replay", "m1", "--yes", "--why", f"asked by {NUMBER}", "--who", "ann\x1b[2J")
    said = r"ann\?\[2J +replay +1 +m1 generation=1 +asked by \+1555•••01\n"
    assert re.search(said, cli.audit())
