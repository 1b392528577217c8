"""The stored forms: what one side writes the other reads, and what is malformed is refused."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import Malformed
from sluicegate.stored import (
    BrandDay,
    BrandLimits,
    HaltInfo,
    History,
    LaneName,
    Lease,
    MessageId,
    OpenTimes,
    PastAttempt,
    Record,
    RegistrationLimits,
    SenderLimits,
    Ticket,
    TreeMember,
    short_hash,
    ticket_end_writer,
    ticket_text,
)

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,59}", fullmatch=True)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True)
HASHES = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
SENDERS = NUMBERS | st.from_regex(r"[A-Za-z0-9]{1,11}|pool:[A-Za-z0-9_-]{1,100}", fullmatch=True)
WALL_MS = st.integers(1, 2**42)
STRETCHES = st.lists(st.tuples(WALL_MS, WALL_MS), max_size=3).map(tuple)
STEADY_MS = st.integers(0, 2**51).map(lambda thousandths: thousandths / 1000)

APPS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True)
message_ids = st.builds(MessageId, NAMES | st.just(""), IDS, st.just("")) | st.builds(
    MessageId.of_app, APPS, IDS
)
PRIORITIES, TYPES = st.sampled_from(["transactional", "bulk"]), st.sampled_from(["SMS", "MMS"])
CLASSES = st.from_regex(r"[a-z0-9]{8,10}", fullmatch=True)
SIDES = st.sampled_from(["", "t_mobile", "att"])
lane_names = st.builds(
    LaneName, PRIORITIES, TYPES, SENDERS, NAMES | st.just(""), st.just(""), SIDES,
    CLASSES | st.just(""),
) | st.builds(
    LaneName, PRIORITIES, TYPES, SENDERS, st.just(""), APPS, SIDES, st.just("")
)  # fmt: skip
BRANCHES = st.sampled_from(["ts", "bm"])
tree_members = (
    st.builds(
        TreeMember,
        BRANCHES,
        st.sampled_from(["registration", "sender"]),
        SENDERS,
        APPS | st.just(""),
    )
    | st.builds(TreeMember, BRANCHES, st.just("app"), APPS, st.just(""))
    | lane_names.map(lambda lane: TreeMember(lane.branch, "lane", lane.format(), lane.app))
)
tickets = st.builds(
    Ticket,
    IDS,
    st.integers(1, 10),
    st.sampled_from(["SMS", "MMS"]),
    st.none() | WALL_MS,
    NUMBERS,
    st.sampled_from([b"", b"[]", b'["Ann"]', b'["a|b","\xc3\xa9"]']),
)
leases = st.builds(
    Lease,
    IDS,
    STEADY_MS,
    st.integers(0),
    st.none() | STEADY_MS,
    lane_names,
    tickets,
    st.sampled_from(["", "t", "a", "o", "u"]),
)
attempts = st.builds(
    PastAttempt,
    WALL_MS,
    st.integers(-100, 100),
    st.integers(0, 60_000),
    st.sampled_from(["accepted", "retry", "lost"]),
    st.sampled_from(["", "429", "http 500"]),
    IDS,
)
histories = st.builds(History, st.lists(attempts, min_size=1).map(tuple), st.integers(0, 99))
texts = st.text(st.characters(codec="utf-8"))
halts = st.builds(HaltInfo, SENDERS.map(lambda name: f"sender:{name}"), texts, st.none() | WALL_MS)
records = st.builds(
    Record,
    state=st.sampled_from(["waiting", "dead", "accepted"]),
    to=NUMBERS,
    content=st.binary(),
    lane=st.none() | lane_names,
    ticket=st.none() | tickets,
    attempts=st.integers(0, 9),
    at=WALL_MS,
    history=st.just(History()) | histories,
    reason=texts,
)
intervals = st.integers(0, 10**9).map(lambda thousandths: thousandths / 1000)


def rounds(form: type, values: st.SearchStrategy[object]) -> object:
    return pytest.param(form.parse, values, id=form.__name__)  # type: ignore[attr-defined] # every form has it


@pytest.mark.parametrize(
    ("parse", "values"),
    [
        rounds(MessageId, message_ids),
        rounds(LaneName, lane_names),
        rounds(TreeMember, tree_members),
        rounds(Ticket, tickets),
        rounds(Lease, leases),
        rounds(History, histories),
        rounds(SenderLimits, st.builds(SenderLimits, intervals, intervals, NAMES | st.just(""))),
        rounds(RegistrationLimits, st.builds(RegistrationLimits, intervals, intervals, NAMES)),
        rounds(BrandLimits, st.builds(BrandLimits, st.integers(1), intervals)),
        rounds(OpenTimes, st.builds(OpenTimes, st.none() | WALL_MS, STRETCHES)),
        rounds(BrandDay, st.builds(BrandDay, st.integers(0), intervals)),
    ],
)
@given(data=st.data())
def test_what_is_formatted_is_parsed_as_it_was(
    parse: Callable[[object], object], values: st.SearchStrategy[object], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert parse(value.format()) == value  # type: ignore[attr-defined] # every form has it


@given(halts)
def test_a_halt_is_parsed_as_it_was(halt: HaltInfo) -> None:
    assert HaltInfo.parse(halt.level, halt.format()) == halt


@given(records)
def test_a_record_is_parsed_as_it_was(record: Record) -> None:
    fields = {
        name.encode(): value.encode() if isinstance(value, str) else value
        for name, value in record.format().items()
    }
    assert Record.parse(fields) == record
    names = Record.__struct_fields__
    assert Record.parse_some(names, [fields.get(name.encode()) for name in names]) == record


def test_a_record_leaves_out_what_only_a_newer_version_knows() -> None:
    assert Record.parse({b"state": b"dead", b"colour": b"blue"}) == Record(state="dead")


@given(NAMES, HASHES)
def test_a_recipients_id_tells_the_hash_of_its_key(campaign: str, hash: int) -> None:
    id = MessageId.of_hash(campaign, hash)
    assert id == MessageId(campaign, short_hash(hash))
    assert MessageId.parse(id.format()).hash == hash


@pytest.mark.parametrize("id", ["order-17", "july.short", "4hZ0aBcDeFg", "july.4hZ0aBcDeFh"])
def test_no_other_id_has_a_hash(id: str) -> None:
    assert MessageId.parse(id).hash is None


@given(tickets.filter(lambda ticket: bool(ticket.values)))
def test_tickets_may_be_written_without_the_value(ticket: Ticket) -> None:
    write = ticket_end_writer(ticket.segments, ticket.type, ticket.expires_ms)
    end = write(ticket.to, ticket.values)
    assert ticket.short.encode() + end == ticket.format()
    plain = ticket._replace(values=b"")
    assert ticket_text(*plain[:5]).encode() == plain.format()
    assert Ticket.short_of(ticket.format()) == ticket.short.encode()


def test_a_ticket_tells_its_variables() -> None:
    assert Ticket.parse(b'h|1|SMS||+15550000001|["a|b","c"]').variables == ("a|b", "c")


MALFORMED: dict[Callable[[Any], object], Sequence[str | bytes]] = {
    MessageId.parse: [
        "",
        "a.b.c",
        ".a",
        "a.",
        "a|b",
        "a b",
        "July.a",
        "\u00e9",
        "a:",
        ":a",
        "A:a",
        "a:b:c",
        "a.b:c",
        "a:b.c",
    ],
    LaneName.parse: [
        "",
        "bs",
        "bs:",
        "xs:+1",
        "bx:+1",
        "bs:+1#",
        "bs:+1#A",
        "bs+1",
        "bs:+1@",
        "bs:+1@A",
        "bs:+1#a@b",
        "bs:+1@a#b",
        "bs:+1^#a",
        "bs:+1^A#a",
        "bs:+1~t^a#a",
    ],
    TreeMember.parse: ["", "bs", "bs/", "bs/s|", "xx/s|+1", "bs/nolane", "bs/s|+1@", "bs/s|+1@A"],
    OpenTimes.parse: ["", "1-2", "|1", "|1-", "|1-2 ", "x|1-2", "|1-2,3-4"],
    Ticket.parse: [b"", b"id", b"id|1|SMS|", b"id|x|SMS||+1", b"id|1|FAX||+1", b"|1|SMS||+1"],
    Lease.parse: [
        b"",
        b"t|1|2|3",
        b"t|x|1||bs:+1|i|1|SMS||+1",
        b"t|1.0|1||bs:+1|i",
        b"t|1|1||l|i",
    ],
    PastAttempt.parse: ["", "1,2,3", "x,2,3,retry,429,abcd"],
    SenderLimits.parse: ["", "1|2", "x||"],
    RegistrationLimits.parse: ["", "1|2", "x||"],
    BrandLimits.parse: ["", "1", "x|1"],
    BrandDay.parse: ["", "1", "x 1"],
}


@pytest.mark.parametrize(
    ("parse", "text"), [(parse, text) for parse, texts in MALFORMED.items() for text in texts]
)
def test_a_malformed_text_is_refused(parse: Callable[[Any], object], text: str | bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse(text)
    assert refused.value.text is not None
    assert "+1" not in str(refused.value), "it may be a phone number"


def test_a_malformed_field_is_refused() -> None:
    with pytest.raises(Malformed, match="record's attempts"):
        Record.parse({b"attempts": b"many"})
    with pytest.raises(Malformed, match="halt"):
        HaltInfo.parse("account", "no bar")
    with pytest.raises(Malformed, match="values"):
        _ = Ticket.parse(b"id|1|SMS||+15550000001|[1").variables


def test_an_attempt_that_was_cut_short_is_left_out() -> None:
    first = PastAttempt(1, 2, 3, "retry", "429", "abcd")
    last = PastAttempt(5, 6, 7, "accepted", "", "abcd")
    history = History.parse("1,2,3,retry,429,abcd;+4;5,6,7,accepted,,abcd;8,9")
    assert history == History((first, last), 4)
