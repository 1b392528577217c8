"""A tracer that records its spans, on OpenTelemetry's API alone; its SDK's exporter beside it."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, TraceFlags


class RecordedSpan(NonRecordingSpan):
    """A span, with the attributes of the SDK's finished ones."""

    def __init__(self, name: str, parent: SpanContext, links: Any, attributes: Any) -> None:
        trace_id = parent.trace_id if parent.is_valid else secrets.randbits(128)
        flags, state = TraceFlags(TraceFlags.SAMPLED), parent.trace_state
        self.context = SpanContext(trace_id, secrets.randbits(64), False, flags, state)
        super().__init__(self.context)
        self.name, self.parent, self.links = name, parent, list(links or ())
        self.attributes: dict[str, Any] = dict(attributes or {})
        self.status = Status()

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Any) -> None:
        self.attributes |= attributes

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = Status(status)

    def to_json(self) -> str:
        return f"{self.name} {self.attributes}"


class Recorder(trace.TracerProvider, trace.Tracer):
    """The spans of this process that have begun, in order."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []

    def get_tracer(self, *args: Any, **options: Any) -> trace.Tracer:
        return self

    def start_span(
        self, name: str, context: Any = None, *args: Any, **options: Any
    ) -> RecordedSpan:
        parent = trace.get_current_span(context).get_span_context()
        span = RecordedSpan(name, parent, options.get("links"), options.get("attributes"))
        self.spans.append(span)
        return span

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        return trace.use_span(self.start_span(*args, **options))


@contextmanager
def recording(*, sdk: bool = False) -> Iterator[Callable[[str], Sequence[Any]]]:
    """Have this process traced; yields a function that returns the spans named so far."""
    provider, finished = _sdk() if sdk else _api()
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        yield lambda name: [span for span in finished() if span.name.startswith(name)]
    finally:
        trace._TRACER_PROVIDER = before


def _api() -> tuple[Any, Callable[[], Sequence[Any]]]:
    recorder = Recorder()
    return recorder, lambda: recorder.spans


def _sdk() -> tuple[Any, Callable[[], Sequence[Any]]]:
    """It is not among what `make` installs: redis imports it, which each process would pay."""
    why = "pip install '.[otel]' for it"
    sdk: Any = pytest.importorskip("opentelemetry.sdk.trace", reason=why)
    export: Any = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory: Any = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    return provider, exporter.get_finished_spans
