"""Short links: what becomes of a text's addresses, and that every count of segments agrees."""

from pathlib import Path

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.audit import By
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan, plan_digest, rendered
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.short_links import (
    ANY_ID,
    LINK_ID,
    PATH,
    addresses_in,
    chosen_codes,
    with_short_links,
)
from sluicegate.errors import InvalidMessage
from sluicegate.stored import Ticket
from support.bench import Bench, warm_bench
from support.messages import plan, recipient

SALE = "https://example.com/sale?a=1"
TEXT = f"Hi {{{{ code }}}}: {SALE}. Or https://example.com/no!"


def linked(name: str = "july") -> Plan:
    return plan(name, text=TEXT, short_links="acme.to")


def test_addresses_become_links_and_what_stands_around_them_stays() -> None:
    assert addresses_in(TEXT) == (SALE, "https://example.com/no")
    source = with_short_links(TEXT, "acme.to", {SALE: "Ab3", "https://example.com/no": "_-9"})
    hole = f"{{{{ {LINK_ID} }}}}"
    assert source == f"Hi {{{{ code }}}}: acme.to/Ab3{hole}. Or acme.to/_-9{hole}!"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("see https://example.com/{{ code }}", "has a variable in it"),
        ("see https://exa_mple..com/", "no address that a link can lead to"),
        (f"see https://example.com/{'x' * 2_000}", "no address that a link can lead to"),
        ("see {{ short_link_id }}", "is for short links"),
    ],
)
def test_a_text_that_can_have_no_short_links_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason):
        plan(text=text, short_links="acme.to").checked()


@pytest.mark.parametrize(
    "base", ["acme", "https://", "http://acme.to", "acme.to/", "a b.to", ".to."]
)
def test_a_domain_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(InvalidMessage, match="must be a domain"):
        plan(text=TEXT, short_links=base).checked()


def test_a_text_without_addresses_has_no_links() -> None:
    without = plan(text="Hi {{ code }}", short_links="acme.to").checked()
    assert without.template.render({"code": "1"}) == "Hi 1"


def test_the_codes_are_no_part_of_what_makes_two_plans_equal() -> None:
    one = linked()
    assert plan_digest(one) == plan_digest(msgspec.structs.replace(one, links=((SALE, "abc"),)))
    assert plan_digest(one) != plan_digest(plan(text=TEXT))


def test_codes_that_are_taken_are_passed_over_and_at_last_refused() -> None:
    assert (
        chosen_codes("july", [SALE], lambda _, codes: codes[5])[0][1]
        == (chosen_codes("july", [SALE], lambda _, codes: codes[5])[0][1])
    )
    with pytest.raises(InvalidMessage, match="no free code"):
        chosen_codes("july", [SALE], lambda address, codes: "")


@given(st.sampled_from(["", "é", "\u20ac", "\N{WAVING HAND SIGN}"]), st.integers(0, 160))
def test_no_text_has_more_segments_than_were_counted(sign: str, length: int) -> None:
    made = plan(text=f"{'x' * length} {sign} {SALE} {{{{ code }}}}", short_links="acme.to")
    counted = made.template.render({"code": "7", LINK_ID: ANY_ID})
    sent = msgspec.structs.replace(made, links=((SALE, "_-Z"),)).template.render(
        {"code": "7", LINK_ID: "ukO-PzmxHO8"}
    )
    assert made.segments("+12125550100", counted) == made.segments("+12125550100", sent)


def test_each_recipient_gets_a_link_of_their_own(valkey: redis.Redis) -> None:
    bench = warm_bench(valkey, limit=1000)
    made = bench.campaigns.create(linked())
    codes = dict(made.plan.links)
    assert codes.keys() == set(addresses_in(TEXT))
    assert bench.campaigns.create(linked()).plan == made.plan, "again is no other"
    bench.add("july", *(recipient(made.plan, n) for n in range(3)))
    bench.act("july", "start")
    sent = [rendered(made.plan, grant.id, grant.content) for grant in bench.claim_all(3)]
    for message in sent:
        short = message.id.partition(".")[2]
        assert f"acme.to/{codes[SALE]}{short}. Or" in (message.text or "")
        assert PATH.fullmatch(f"/{codes[SALE]}{short}")
    assert len({message.text for message in sent}) == 3


def test_two_campaigns_have_different_codes_and_a_deleted_one_s_lead_nowhere(
    valkey: redis.Redis,
) -> None:
    bench = Bench(valkey, limit=1000)
    july = bench.campaigns.create(linked(name="july")).plan
    may = bench.campaigns.create(linked(name="may")).plan
    assert not set(dict(july.links).values()) & set(dict(may.links).values())
    revised = bench.campaigns.revise("july", f"Now: {SALE} https://example.com/new", By("ann"))
    links = dict(revised.current.links)
    assert links[SALE] == dict(july.links)[SALE]
    told = bench.campaigns.clicks("july")
    assert {link.address for link in told.links} == {*addresses_in(TEXT), *links}
    assert (told.people, told.latest_ms) == (0, 0)


def test_a_ticket_holds_nothing_of_a_link(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("phone,code\n+14155550100,7\n")
    [row] = Recipients(linked(), CsvFile(path))
    assert isinstance(row, Recipient)
    assert Ticket.parse(b"x" + row.ticket_end).variables == ("7", "")
    assert f"/xxx{ANY_ID}" in row.text
