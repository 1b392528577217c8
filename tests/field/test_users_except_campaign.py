"""What trials in the field found about a corrected text, which must not be sent twice."""

from pathlib import Path

import msgspec
import pytest

from sluicegate.campaigns.exclusion import Exclusion
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.errors import InvalidMessage, UnknownCampaign
from support.bench import Bench
from support.command_line import SENDER, Cli
from support.messages import plan, recipient

JULY, AGAIN = plan(), plan("july-2", except_campaigns=("july",))
TEXT = ("--from", SENDER, "--region", "US", "--yes", "--text")


def held(bench: Bench, *numbers: int, of: Plan = AGAIN) -> list[int]:
    """Those of ``numbers`` who are left out of a campaign."""
    exclusion = Exclusion(bench.store, bench.keys, of)
    found = exclusion.of([recipient(of, number).hash for number in numbers])
    assert set(found) <= {"", *of.except_campaigns}
    return [number for number, name in zip(numbers, found, strict=True) if name]


def blast(bench: Bench, *numbers: int, of: Plan = JULY) -> Campaign:
    campaign = bench.campaigns.create(of)
    bench.add(of.name, *[recipient(of, number) for number in numbers])
    bench.act(of.name, "start")
    return campaign


def test_02_whom_a_campaign_reached_or_holds_is_left_out(bench: Bench) -> None:
    blast(bench, *range(8))
    assert held(bench, *range(10)) == [*range(8)], "all of them wait"
    bench.send()
    bench.send(kind="dead", code="40310", heard=True)
    bench.send(kind="dead", code="40310", heard=True, perhaps=True)
    bench.send(kind="doubt", delay_ms=-1, code="no_answer")
    bench.send(kind="retry", delay_ms=60_000, code="500", heard=True)
    assert held(bench, *range(10)) == [0, 2, 3, 4, 5, 6, 7], "one died unsent"
    bench.act("july", "cancel")
    assert held(bench, *range(10)) == [0, 2, 3], "who was not reached is free again"


def test_02_whose_record_is_gone_is_left_out(bench: Bench) -> None:
    blast(bench, 0, 1)
    sent = bench.send()
    bench.store.delete(bench.keys.record(sent.id))
    bench.act("july", "cancel")
    assert held(bench, 0, 1) == [0]


def test_02_who_opted_out_before_their_turn_is_not_held(bench: Bench) -> None:
    bench.store.hset(bench.keys("optouts"), recipient(JULY, 1).to, "1 cli")
    blast(bench, 0, 1)
    assert held(bench, 0, 1) == [0]


def test_02_several_campaigns_are_left_out_together(bench: Bench) -> None:
    blast(bench, 0, 1)
    blast(bench, 2, 3, of=plan("june"))
    both = plan("august", except_campaigns=("july", "june"))
    assert held(bench, *range(5), of=both) == [0, 1, 2, 3]


def test_02_an_import_leaves_them_out_too_and_again_when_it_is_repeated(bench: Bench) -> None:
    blast(bench, *range(300))
    bench.campaigns.create(AGAIN)
    for expected in ("added", "duplicate"):
        rows = [recipient(AGAIN, number) for number in range(10, 310)]
        found = [outcome for _, outcome in bench.campaigns.add("july-2", iter(rows))]
        assert found == ["excluded"] * 290 + [expected] * 10
    assert bench.campaigns.ledger("july-2").imported == 10


def test_02_a_campaign_that_cannot_be_compared_is_refused(bench: Bench) -> None:
    with pytest.raises(UnknownCampaign):
        held(bench, 1)
    bench.campaigns.create(plan(key_column="id"))
    with pytest.raises(InvalidMessage, match="apart by the column id, so this campaign must"):
        held(bench, 1)
    with pytest.raises(InvalidMessage, match="is this campaign itself"):
        msgspec.structs.replace(AGAIN, name="july").checked()


def write(*numbers: int) -> None:
    Path("people.csv").write_text(
        "phone\n" + "".join(f"+1555201{number:04}\n" for number in numbers)
    )


def start(name: str, text: str, *more: str) -> tuple[str, ...]:
    return ("campaign", "start", "people.csv", "--name", name, *TEXT, text, *more)


def test_02_a_corrected_text_reaches_whom_the_first_did_not(cli: Cli) -> None:
    write(*range(6))
    cli(*start("july", "The clinic is closed on Fridya"))
    cli.bench.send()
    cli("campaign", "pause", "july")
    said = cli(*start("july", "The clinic is closed on Friday"), exits=2).stderr
    assert "it exists with another text, and what a campaign sends never changes" in said
    assert "end it with sluicegate campaign cancel july" in said
    assert "another name with --except-campaign july" in said
    cli("campaign", "cancel", "july", "--yes")
    again = start("july-2", "The clinic is closed on Friday", "--except-campaign", "july")
    done = cli(*again)
    assert "+  excluded    1  left out: 1 by july" in done.stdout
    assert "imported 5 recipients, 1 left out for another campaign" in done.stdout
    repeated = cli.document(*again)
    assert repeated["imported"] == {"added": 0, "already": 5, "suppressed": 0, "excluded": 1}
    assert repeated["preflight"]["excluded_by"] == {"july": 1}


def test_02_an_excepted_campaign_that_does_not_exist_is_named(cli: Cli) -> None:
    write(1)
    assert (
        "campaign june: not known"
        in cli(*start("july", "hello", "--except-campaign", "june"), exits=2).stderr
    )


@pytest.mark.long
def test_02_a_million_are_compared_in_bounded_memory(bench: Bench) -> None:
    """What is kept in memory is 8 bytes for each whom the first campaign never started."""
    blast(bench, *range(1))
    key = bench.keys.unsent("july", "cancelled")
    stored = bench.campaigns.members("july").stored
    rows = [recipient(JULY, number) for number in range(1_000)]
    tickets = [stored(row.hash, row.ticket_end)[1] for row in rows]
    for _ in range(1_000):
        bench.store.rpush(key, *tickets)
    exclusion = Exclusion(bench.store, bench.keys, AGAIN)
    [other] = exclusion._others
    assert other.unsent.itemsize * len(other.unsent) == 8_000_000
