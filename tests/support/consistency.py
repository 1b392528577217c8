"""The check that records, lanes, leases and counters agree, as they must after every script."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sluicegate.keys import ENDED_BY_LIMITS, FINAL_STATES, UNSENT
from sluicegate.receipts import DELIVERIES
from sluicegate.stored import Bill, CostSum, LaneName, Record
from sluicegate.withheld import WITHHELD

from .values import values_of


def check_consistency(store: Any, keys: Any) -> Counter[str]:
    """``Bench.check`` on any store."""
    stored = values_of(store, f"{keys.prefix}*")
    names = {key.decode().removeprefix(keys.prefix): value for key, value in stored.items()}
    records = {
        name.removeprefix("m:"): value[b"state"].decode()
        for name, value in names.items()
        if name.startswith("m:")
    }
    _check_tried(names)
    tickets = _check_lanes(names)
    leased = _check_leases(names)
    index = {
        name: {id.decode() for id, _ in names.get(name, [])} for name in ("due", "doubts", "dead")
    }
    unsent = _unsent(names)
    for id, state in records.items():
        if state == "waiting":
            places = (id in leased) + tickets[id] + len(unsent.get(id, ()))
            assert places == 1, f"{id} waits in {places} places"
        else:
            # Only evidence may end a message whose next attempt is in flight.
            assert leased.get(id, True), f"{id} is {state} and granted"
            assert id not in leased or state == "accepted", f"{id} is {state} and leased"
        assert (id in index["doubts"]) == (state == "in_doubt"), id
        assert (id in index["dead"]) == (state == "dead"), id
        assert (id in index["due"]) == (state in ("scheduled", "retrying")), id
    known = records | _check_unrecorded(records, tickets, leased, unsent)
    assert leased.keys() <= known.keys()
    assert set().union(*index.values()) <= records.keys()
    # A message that waited in a cancelled campaign is in its list, whatever the record says.
    known |= {id: lists[0] for id, lists in unsent.items() if known[id] == "waiting"}
    _check_campaigns(names, known, leased)
    totals = {k.decode(): int(v) for k, v in names.get("totals", {}).items()}
    states = Counter(known.values())
    assert totals.get("enqueued", 0) == sum(states.values())
    for state in FINAL_STATES:
        assert totals.get(state, 0) == states[state], state
    _check_apps(names, known)
    _check_costs(names)
    return states


def _check_tried(names: dict[str, Any]) -> None:
    """Assert that what attempts leave has a history or a lane beside it: claims rely on it."""
    left = {b"attempts", b"maybe", b"maybe_before", b"age", b"generation", b"free"}
    for name, record in names.items():
        if name.startswith("m:") and record[b"state"].decode() not in FINAL_STATES:
            assert {b"history", b"lane"} & record.keys() or not left & record.keys(), name
            assert b"key_at" in record or b"maybe" not in record, name


def _check_costs(names: dict[str, Any]) -> None:
    """Assert that the sums of costs are those of the records' bills, day by day."""
    records = {
        # Not its ticket, which may be an unreadable one.
        name.removeprefix("m:"): Record.parse(
            {field: text for field, text in value.items() if field != b"ticket"}
        )
        for name, value in names.items()
        if name.startswith("m:")
    }
    expected: dict[str, dict[str, CostSum]] = {}
    for id, record in records.items():
        assert record.state == "accepted" or not record.bills, id
        for bill in record.bills:
            for key, field in _places(id, record, bill, names):
                sums = expected.setdefault(key, {})
                sums[field] = sums.get(field, CostSum()) + CostSum.of(bill)
    stored = {
        name: {field.decode(): CostSum.parse(sum) for field, sum in value.items()}
        for name, value in names.items()
        if name.startswith(("day_costs:", "costs:"))
    }
    for sums in stored.values():
        for field in [field for field, sum in sums.items() if not sum.messages]:
            assert sums.pop(field) == CostSum(), field
    assert {name: sums for name, sums in stored.items() if sums} == expected


def _places(
    id: str, record: Record, bill: Bill, names: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """The key and the field of each sum in which a send counts."""
    campaign, dot, _ = id.partition(".")
    app, colon, _ = id.partition(":")
    sender = record.billed.partition("|")[0]
    if dot and not sender:
        sender = LaneName.parse(names[f"campaign:{campaign}"][b"lane"]).sender
    kinds = {
        "sender": sender,
        "carrier": bill.carrier_letter,
        "campaign" if dot else "app": campaign if dot else app * bool(colon),
    }
    day = f"day_costs:{record.at // 86_400_000}"
    yield day, f"{bill.currency}|all"
    yield from ((day, f"{bill.currency}|{kind}|{name}") for kind, name in kinds.items())
    if dot:
        yield f"costs:{campaign}", f"{bill.currency}|carrier|{bill.carrier_letter}"


def _check_apps(names: dict[str, Any], known: dict[str, str]) -> None:
    """Assert that what is counted of each app agrees with its messages' states."""
    expected = Counter[str]()
    for id, state in known.items():
        app, colon, _ = id.partition(":")
        expected.update([f"{app}:enqueued"] * bool(colon))
        expected.update([f"{app}:{state}"] * bool(colon and state in FINAL_STATES))
    counts = {name.decode(): int(count) for name, count in names.get("apps", {}).items()}
    assert {name: n for name, n in counts.items() if ":" in name and n} == expected


def _unsent(names: dict[str, Any]) -> dict[str, list[str]]:
    """The recipients in lists of the unsent: id -> the states of those lists."""
    unsent: dict[str, list[str]] = {}
    for name, value in names.items():
        if name.startswith("unsent:"):
            _, campaign, ended = name.split(":")
            state = UNSENT[ended]
            for ticket in value:
                unsent.setdefault(f"{campaign}.{_first(ticket)}", []).append(state)
    return unsent


def _check_unrecorded(
    records: dict[str, str],
    tickets: Counter[str],
    leased: dict[str, bool],
    unsent: dict[str, list[str]],
) -> dict[str, str]:
    """Assert that each recipient without a record is in one place; return its state by id."""
    states: dict[str, str] = {}
    for id in (tickets.keys() | leased.keys() | unsent.keys()) - records.keys():
        if "." not in id:
            continue  # a ticket of an app's message that was forgotten
        lists = unsent.get(id, [])
        assert tickets[id] + (id in leased) + len(lists) == 1, f"{id} is in several places"
        assert not leased.get(id), f"{id} is started and has no record"
        states[id] = lists[0] if lists else "waiting"
    return states


def _check_campaigns(
    names: dict[str, Any], known: dict[str, str], leased: dict[str, bool]
) -> None:
    """Assert that each campaign's counters agree with its members' states."""
    running = set()
    for key, fields in names.items():
        if not key.startswith("campaign:"):
            continue
        name, state = key.removeprefix("campaign:"), fields[b"state"].decode()
        if state == "running":
            running.add(name.encode())
        mine = {id: where for id, where in known.items() if id.startswith(f"{name}.")}
        shards = [value for other, value in names.items() if other.startswith(f"members:{name}:")]
        assert sum(map(len, shards)) == len(mine), f"{name} has lost a member"
        ledger = {k.decode(): int(v) for k, v in names.get(f"ledger:{name}", {}).items()}
        assert ledger.pop("imported", 0) == len(mine), name
        maybe_sent = ledger.pop("maybe_sent", None)
        segments, counted = ledger.pop("segments", 0), ledger.pop("counts_segments", 0)
        assert not counted or segments >= ledger.get("accepted", 0), name
        left_out = len(names.get(f"unsent:{name}:left_out", ()))
        assert ledger.pop("left_out", 0) >= left_out, name
        for code in WITHHELD:
            ledger.pop(f"held_{code}", 0)
        ended = {code: n for code in ENDED_BY_LIMITS if (n := ledger.pop(code, 0))}
        assert ended == _ended_by_limits(names, name), name
        told = {delivery: ledger.pop(delivery, 0) for delivery in DELIVERIES}
        assert {k: v for k, v in ledger.items() if v} == Counter(mine.values()), name
        recorded = {id: Record.parse(names.get(f"m:{id}", {})) for id in mine}
        if maybe_sent is not None:  # as in a campaign that version 0.1 created
            assert maybe_sent == sum(record.maybe_sent for record in recorded.values()), name
        deliveries = {id: record.delivery for id, record in recorded.items() if record.delivery}
        assert {delivery: n for delivery, n in told.items() if n} == Counter(deliveries.values())
        assert all(mine[id] == "accepted" for id in deliveries), f"{name}: a delivery too many"
        if state == "cancelled":
            assert f"lane:{fields[b'lane'].decode()}" not in names
            assert all(id in leased for id, where in mine.items() if where == "waiting")
        if state == "finished":
            assert not {"waiting", "retrying", "in_doubt"} & set(mine.values())
    assert names.get("running", set()) == running


def _ended_by_limits(names: dict[str, Any], campaign: str) -> Counter[str]:
    """How many of a campaign's recipients a limit on them suppressed, by its code."""
    ended = Counter[str]()
    for name, value in names.items():
        if name.startswith(f"unsent:{campaign}:"):
            ended[name.rpartition(":")[2]] += len(value)
        elif name.startswith(f"m:{campaign}.") and value[b"state"] == b"suppressed":
            ended[value.get(b"code", b"").decode()] += 1
    return Counter({code: n for code, n in ended.items() if code in ENDED_BY_LIMITS})


def _check_lanes(names: dict[str, Any]) -> Counter[str]:
    """Assert that every open lane with tickets is ready or parked; count each id's tickets."""
    tickets: Counter[str] = Counter()
    reachable = _reachable(names)
    for name, value in names.items():
        if name.startswith("lane:"):
            lane = name.removeprefix("lane:")
            campaign = lane.partition("#")[2]
            if not campaign or names[f"campaign:{campaign}"][b"state"] == b"running":
                assert lane in reachable, f"{lane} has tickets and is never served"
            prefix = f"{campaign}." if campaign else ""
            tickets.update(prefix + _first(ticket) for ticket in value)
    return tickets


def _reachable(names: dict[str, Any]) -> set[str]:
    """The lanes that a claim can reach, in the tree or among the parked."""
    parked = {
        member.decode() for priority in "tb" for member, _ in names.get(f"parked:{priority}", [])
    }
    assert parked == {member.decode() for member in names.get("parked_by", {})}
    lanes: set[str] = set()

    def look(branch: str, member: str) -> None:
        if member[1] != "|":
            lanes.add(member)
            return
        for child, _ in names.get(f"ready:{branch}:{member}", []):
            look(branch, child.decode())

    for branch in ("ts", "tm", "bs", "bm"):
        for member, _ in names.get(f"ready:{branch}", []):
            look(branch, member.decode())
    for member in parked:
        look(*member.split("/", 1))
    return lanes


def _first(ticket: bytes) -> str:
    return ticket.partition(b"|")[0].decode()


def _check_leases(names: dict[str, Any]) -> dict[str, bool]:
    """Assert that each lease is in the set of its kind; return id -> whether it has started."""
    granted, started = (
        {id.decode() for id, _ in names.get(kind, [])} for kind in ("granted", "started")
    )
    leased: dict[str, bool] = {}
    for id, text in names.get("leases", {}).items():
        leased[id.decode()] = bool(text.split(b"|", 5)[3])
    assert started == {id for id, begun in leased.items() if begun}
    assert granted == {id for id, begun in leased.items() if not begun}
    return leased
