"""Spans of OpenTelemetry, in a process that uses it already; in any other they cost nothing.

OpenTelemetry is never imported here: where a process has set up a tracer it has been imported, and
elsewhere there is nothing to tell. Attributes follow its semantic conventions for messaging
and for HTTP, and hold no number and no text; docs/TRACING.md lists them.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal

from msgspec.structs import replace

from .message import Message
from .trace_context import TraceContext, trace_context

_MOST_LINKS: Final = 128
_UNTRACED: Final = nullcontext(None)

SpanAttribute = str | int
SpanKind = Literal["PRODUCER", "CONSUMER", "CLIENT"]


class TracedSpan:
    """A span under way, and the context of its children, None for none.

    Where the process's tracer leaves a trace out, or there is none, the context is the parent's.
    ``alone``: the span is that of one message, whose own context is its parent.
    """

    def __init__(self, span: Any, context: TraceContext | None, *, alone: bool) -> None:
        self._span, self.context, self._alone = span, context, alone

    def context_of(self, own: TraceContext | None) -> TraceContext | None:
        """The context of a message that is enqueued within the span, and may bring its own."""
        return self.context if self._alone or own is None else own

    def set(self, attributes: Mapping[str, SpanAttribute]) -> None:
        """Add attributes; those that say nothing are left out."""
        self._span.set_attributes(_said(attributes))

    def fail(self, kind: str) -> None:
        """Say that it ends with an error, of a kind of which there are few."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(sys.modules["opentelemetry.trace"].StatusCode.ERROR)


def context_of(item: object) -> TraceContext | None:
    """The context that a message brings, given whole or as its fields; None of anything else."""
    if isinstance(item, Message):
        parent, state = item.traceparent, item.tracestate
    elif isinstance(item, Mapping):
        parent, state = item.get("traceparent"), item.get("tracestate")
    else:
        return None
    texts = (text if isinstance(text, str) else None for text in (parent, state))
    return trace_context(*texts)


def enqueuing(
    account: str, items: Sequence[Message | Mapping[str, Any]]
) -> AbstractContextManager[TracedSpan | None]:
    """A span around the enqueueing of ``items``; None where the process has no tracer.

    One alone continues its own trace, or else the one that this code runs in; where they are the
    same, below the span that is current. Many have one span together, in the latter, with links
    to their own.
    """
    api = _api()
    if api is None or not items:
        return _UNTRACED
    if not _has_tracer(api):  # somebody may hand on a trace all the same
        current = _ours(_current(api))
        span = TracedSpan(api.INVALID_SPAN, current, alone=False)
        return nullcontext(span) if current else _UNTRACED
    attributes: dict[str, SpanAttribute] = {"messaging.operation.type": "send"}
    if len(items) == 1:
        own = context_of(items[0])
        if current_or(own) is not own:
            own = None  # the span that is current has continued that trace
        return _span(api, "enqueue", account, "PRODUCER", own, attributes)
    attributes["messaging.batch.message_count"] = len(items)
    found = map(context_of, items)
    links = list(dict.fromkeys(context for context in found if context))[:_MOST_LINKS]
    return _span(api, "enqueue", account, "PRODUCER", None, attributes, links)


def current_or(own: TraceContext | None) -> TraceContext | None:
    """The context of the span that is current, where it continues ``own`` or that is none.

    Else ``own``: a web framework's span continues the trace of its request's headers.
    """
    api = _api()
    current = None if api is None else _ours(_current(api))
    if current is None or (own is not None and own.trace_id != current.trace_id):
        return own
    return current


def with_current(message: Message) -> Message:
    """``message`` with the trace that it brings, or that this code runs in, if either is one."""
    context = current_or(context_of(message))
    parent, state = (context.traceparent, context.tracestate or None) if context else (None, None)
    return replace(message, traceparent=parent, tracestate=state)


def traced(
    operation: str,
    account: str,
    kind: SpanKind,
    parent: TraceContext | None,
    attributes: Mapping[str, SpanAttribute],
) -> AbstractContextManager[TracedSpan | None]:
    """A span around an ``operation`` on an account's message; None where there is no tracer.

    It is a child of ``parent``, or begins a trace of its own.
    """
    if not is_traced():
        return _UNTRACED
    return _span(_api(), operation, account, kind, parent or False, attributes)


def is_traced() -> bool:
    """Whether this process has a tracer: ask before gathering what only a span would have."""
    api = _api()
    return api is not None and _has_tracer(api)


def _api() -> Any:
    """OpenTelemetry's module for tracing, if this process has imported it whole; else None."""
    api = sys.modules.get("opentelemetry.trace")
    return api if hasattr(api, "use_span") else None


def _current(api: Any) -> Any:
    return api.get_current_span().get_span_context()


def _has_tracer(api: Any) -> bool:
    """Whether a tracer was set up; redis-py imports OpenTelemetry wherever it is installed."""
    return not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)


@contextmanager
def _span(
    api: Any,
    operation: str,
    account: str,
    kind: SpanKind,
    parent: TraceContext | bool | None,
    attributes: Mapping[str, SpanAttribute],
    links: Sequence[TraceContext] = (),
) -> Iterator[TracedSpan]:
    """A span under ``parent``: None for the span that is current here, False for no other."""
    own = parent if isinstance(parent, TraceContext) else None
    context = None if parent is None else sys.modules["opentelemetry.context"].Context()
    if own:
        context = api.set_span_in_context(api.NonRecordingSpan(_theirs(api, own)), context)
    span = api.get_tracer("sluicegate").start_span(
        f"{operation} {account}",
        context=context,
        kind=getattr(api.SpanKind, kind),
        attributes={
            "messaging.system": "sluicegate",
            "messaging.operation.name": operation,
            "messaging.destination.name": account,
            **_said(attributes),
        },
        links=[api.Link(_theirs(api, link)) for link in links],
    )
    children = _ours(span.get_span_context()) or own
    under_way = TracedSpan(span, children, alone="messaging.batch.message_count" not in attributes)
    try:
        # Its own record of an exception would hold the text, which names senders.
        with api.use_span(span, record_exception=False, set_status_on_exception=False):
            yield under_way
    except BaseException as error:
        under_way.fail(type(error).__qualname__)
        raise
    finally:
        span.end()


def _said(attributes: Mapping[str, SpanAttribute]) -> dict[str, SpanAttribute]:
    return {name: value for name, value in attributes.items() if value not in ("", 0)}


def _theirs(api: Any, context: TraceContext) -> Any:
    _, trace_id, span_id, flags = context.traceparent.split("-")
    state = api.TraceState.from_header([context.tracestate])
    flags = api.TraceFlags(int(flags, 16))
    return api.SpanContext(int(trace_id, 16), int(span_id, 16), True, flags, state)


def _ours(context: Any) -> TraceContext | None:
    if not context.is_valid:
        return None
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return trace_context(parent, context.trace_state.to_header())
