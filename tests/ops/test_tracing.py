"""A trace from an app's request to the provider's POST and to the event, and spans of it."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import httpx
import pytest
import redis
from opentelemetry import trace

from sluicegate import Config, Sluice
from sluicegate.config import Account
from sluicegate.errors import InvalidMessage
from sluicegate.receipts import Receipt
from sluicegate.trace_context import trace_context
from sluicegate.tracing import enqueuing, traced
from sluicegate_ops.simulator import Settings, Simulator, simulator_in_thread
from sluicegate_worker.attempt import Attempts, app_message
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from support.receipts import apply
from support.served import TOKEN, Front, bearer
from support.spans import recording
from support.told import ToldDeployment

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
Spans = Callable[[str], Sequence[Any]]
FIELDS: dict[str, Any] = {"to": "+15551234567", "sender": "+15557654321", "text": "hi"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with simulator_in_thread(Settings(limit=None, api_keys=("KEY",))) as one:
        yield one


class World:
    """A front door, one worker's attempts at a simulator, and the app that is told of them."""

    def __init__(self, front: Config, store: redis.Redis, simulator: Simulator) -> None:
        self.deployment, self.simulator = ToldDeployment(front, store), simulator
        self.bench = self.deployment.bench
        self.before = len(simulator.arrivals())

    def ask(self, headers: Mapping[str, str], **fields: Any) -> httpx.Response:
        """Send a message as an app does over HTTP."""
        answers = []

        async def story(door: Front) -> None:
            answers.append(await door.send(headers=headers, **fields))

        self.deployment.tell(story)
        return answers[0]

    def work(self) -> None:
        """Claim what waits, POST it, settle it, and have it delivered."""

        async def work() -> None:
            account = Account(base_url=self.simulator.url)
            gateway = TelnyxV2(account, "KEY")
            attempts = Attempts(gateway, account, "default", "d", app_message)
            while grants := self.bench.claim_all(1, 1_000):
                [grant] = grants
                made = await attempts.prepared(grant)
                assert not hasattr(made, "kind")
                self.bench.later(max(grant.slot_ms, 0))
                assert self.bench.start(grant, request=made.request) == [True]
                attempt = await attempts.post(grant, made.request, lambda: True)
                settle = attempts.settle(grant, attempt)
                assert self.bench.step([settle]).settled == ["applied"]
                if settle.kind == "accepted":
                    moment = int(self.bench.now_ms)
                    receipt = Receipt(
                        f"e-{grant.id}", grant.id, settle.provider_id, "delivered", moment
                    )
                    apply(self.bench, [receipt])
            await gateway.aclose()

        asyncio.run(work())

    @property
    def posted(self) -> list[str]:
        """The ``traceparent`` of each POST that the provider has seen."""
        return [one.traceparent for one in self.simulator.arrivals()[self.before :]]

    def told(self) -> list[tuple[str, str]]:
        """Of each event its ``traceparent``: in the header, and in the body."""
        self.deployment.pass_on()
        requests = self.deployment.shop.got
        headers = [request.headers.get("traceparent", "") for request in requests]
        bodies = [json.loads(request.content).get("traceparent", "") for request in requests]
        return list(zip(headers, bodies, strict=True))


@pytest.fixture
def world(front: Config, valkey: redis.Redis, simulator: Simulator) -> World:
    return World(front, valkey, simulator)


def test_one_trace_from_the_request_to_the_post_and_to_the_events(world: World) -> None:
    answer = world.ask({"traceparent": PARENT, "tracestate": "vendor=1"})
    assert answer.status_code == 200
    world.work()
    assert world.posted == [PARENT]
    assert world.told() == [(PARENT, PARENT)] * 2
    assert [one.headers["tracestate"] for one in world.deployment.shop.got] == ["vendor=1"] * 2


@pytest.mark.parametrize(
    "header",
    ["", "none", PARENT.upper(), f"{PARENT}-x", f"00-{'0' * 32}-{SPAN}-01", "é", "x" * 10_000],
)
def test_a_hostile_header_is_ignored_and_refuses_nothing(world: World, header: str) -> None:
    answer = world.ask({"traceparent": header.encode(), "tracestate": "\x7f=,"})  # type: ignore[dict-item] # bytes, as a client may send them
    assert answer.status_code == 200
    world.work()
    assert world.posted == [""]
    assert world.told() == [("", "")] * 2


def test_each_line_of_many_has_its_own_or_that_of_the_request(world: World) -> None:
    own = f"00-{'a' * 32}-{SPAN}-00"
    line = {"from": "+15557654321", "to": "+15551234567", "text": "hi"}
    lines = [line, line | {"traceparent": own}, line | {"traceparent": 5, "tracestate": []}]

    async def story(door: Front) -> None:
        content = "\n".join(map(json.dumps, lines)).encode()
        headers = bearer(TOKEN, {"traceparent": PARENT})
        answer = await door.http.post("/v2/messages/bulk", content=content, headers=headers)
        assert [json.loads(one)["status"] for one in answer.text.splitlines()] == [200] * 3

    world.deployment.tell(story)
    world.work()
    assert sorted(world.posted) == sorted([PARENT, own, PARENT])


@pytest.fixture(params=["api", pytest.param("sdk", marks=pytest.mark.long)])
def spans(request: pytest.FixtureRequest) -> Iterator[Spans]:
    """The process's spans by the beginnings of their names, as two tracers have them."""
    with recording(sdk=request.param == "sdk") as found:
        yield found


def ids(span: Any) -> tuple[str, str]:
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def test_spans_chain_from_the_request_to_the_event(world: World, spans: Spans) -> None:
    key = f"order-{world.before}"
    world.ask({"traceparent": PARENT, "Idempotency-Key": key})
    world.work()
    told = world.told()
    [enqueued], [sent], delivered = spans("enqueue"), spans("send"), spans("deliver")
    assert len(delivered) == 2
    assert {ids(span)[0] for span in spans("")} == {TRACE}
    assert f"{enqueued.parent.span_id:016x}" == SPAN
    assert sent.parent.span_id == enqueued.context.span_id
    assert world.posted == [f"00-{TRACE}-{ids(sent)[1]}-01"]
    assert [span.parent.span_id for span in delivered] == [enqueued.context.span_id] * 2
    assert [header for header, _ in told] == [f"00-{TRACE}-{ids(one)[1]}-01" for one in delivered]
    assert {body for _, body in told} == {f"00-{TRACE}-{ids(enqueued)[1]}-01"}
    assert dict(sent.attributes) == {
        "messaging.system": "sluicegate",
        "messaging.operation.name": "send",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": f"shop:{key}",
        "sluicegate.attempt": 1,
        "sluicegate.outcome": "accepted",
        "server.address": "127.0.0.1",
        "http.response.status_code": 200,
    }
    assert dict(enqueued.attributes)["sluicegate.outcome"] == "enqueued"
    assert "5551" not in str([span.to_json() for span in spans("")])


def test_what_failed_is_told_in_codes(world: World, spans: Spans) -> None:
    world.ask({}, to="+15555550300")  # the simulator says that it has opted out
    world.work()
    [sent] = spans("send")
    assert sent.attributes["sluicegate.outcome"] == "dead"
    assert sent.attributes["error.type"] == "40300"
    assert sent.attributes["http.response.status_code"] == 400
    assert not sent.status.is_ok
    assert "5555550300" not in sent.to_json()


def test_the_context_of_the_caller_is_picked_up(valkey: redis.Redis, spans: Spans) -> None:
    sluice, fields = Sluice(client=valkey), FIELDS
    with trace.use_span(trace.get_tracer("shop").start_span("order")) as order:
        sluice.enqueue(**fields, id="one")
        own = {"id": "own", "traceparent": PARENT}
        list(sluice.enqueue_many([fields | {"id": "two"}, fields | own]))
    one, many = spans("enqueue")
    assert [span.parent.span_id for span in (one, many)] == [order.get_span_context().span_id] * 2
    assert [f"{link.context.span_id:016x}" for link in many.links] == [SPAN]
    kept = [kept_trace(valkey, sluice, id) for id in ("one", "two", "own")]
    assert kept == [ids(one), ids(many), (TRACE, SPAN)]
    with pytest.raises(Exception, match="to"):
        sluice.enqueue(to="555", text="hi")
    with pytest.raises(InvalidMessage, match="mapping"):
        sluice.enqueue(5)  # type: ignore[call-overload] # as an app may
    refused = spans("enqueue")[2:]
    assert [span.attributes["error.type"] for span in refused] == ["invalid"] * 2


def continued() -> Any:
    """The span of a web framework that has read the header of a request."""
    flags = trace.TraceFlags(1)
    remote = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True, trace_flags=flags)
    within = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    return trace.get_tracer("web").start_span("POST", within)


def test_below_a_framework_s_span_that_continues_the_same_trace(
    valkey: redis.Redis, spans: Spans
) -> None:
    sluice = Sluice(client=valkey)
    with trace.use_span(continued()) as request:
        sluice.enqueue(**FIELDS, traceparent=PARENT)
        sluice.enqueue(**FIELDS, traceparent=f"00-{'a' * 32}-{SPAN}-01")
    below, apart = spans("enqueue")
    assert below.parent.span_id == request.get_span_context().span_id
    assert ids(below)[0] == TRACE
    assert (ids(apart)[0], f"{apart.parent.span_id:016x}") == ("a" * 32, SPAN)


def test_serve_hands_on_the_span_of_its_framework(world: World, spans: Spans) -> None:
    with trace.use_span(continued()) as request:
        world.ask({"traceparent": PARENT})
    [enqueued] = spans("enqueue")
    assert enqueued.parent.span_id == request.get_span_context().span_id
    assert ids(enqueued)[0] == TRACE


def kept_trace(store: redis.Redis, sluice: Sluice, id: str) -> tuple[str, str]:
    stored: Any = store.hget(sluice.keys.record(id), "trace")
    context = trace_context(stored.decode())
    assert context is not None
    return context.trace_id, context.traceparent[36:52]


def test_where_it_is_not_installed_or_not_set_up_there_is_no_span(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> list[object]:
        with enqueuing("default", [FIELDS]) as one, traced("send", "a", "CLIENT", None, {}) as two:
            return [one, two]

    assert made() == [None, None]
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    assert made() == [None, None]
    assert Sluice(client=valkey).enqueue(**FIELDS, traceparent=PARENT).ok


class Bare:
    """A grant of which only what a POST needs may be asked."""

    id, generation, trace = "m1", 0, PARENT

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is asked for, and nobody traces")


class Gate:
    """A gateway that notes the headers of a POST."""

    headers: Mapping[str, str] = MappingProxyType({})

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool], trace: Mapping[str, str]
    ) -> Attempt:
        self.headers = trace
        return Attempt(None)


def test_a_post_gathers_nothing_about_a_span_that_nobody_makes() -> None:
    gateway, grant = Gate(), Bare()
    attempts = Attempts(cast("Any", gateway), Account(), "default", "d", app_message)
    asyncio.run(attempts.post(cast("Any", grant), b"{}", lambda: True))
    assert gateway.headers == {"traceparent": PARENT}


def test_a_context_is_picked_up_without_a_tracer() -> None:
    context = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True)
    with trace.use_span(trace.NonRecordingSpan(context)), enqueuing("default", [FIELDS]) as span:
        assert span is not None
        assert span.context_of(None) == trace_context(f"00-{TRACE}-{SPAN}-00")
