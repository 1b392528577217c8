"""W3C Trace Context: of which trace a message is, as the headers of a request say it.

A ``traceparent`` that is malformed is ignored, and its ``tracestate`` with it; so is a
``tracestate`` that is malformed. Neither is ever a reason to refuse a message.
"""

import re
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

MOST_STATE: Final = 512
"""Characters of a ``tracestate`` that are kept; its longest entries go first, then its last."""

_LONG_ENTRY: Final = 128
_MOST_ENTRIES: Final = 32
_MOST_READ: Final = 16_384

_PARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<parent>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z",
    re.DOTALL,
)
_ENTRY = re.compile(
    r"(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]\Z"
)
_FLAGS: Final = 0x03  # sampled, and a random trace id; the others are not defined


class TraceContext(NamedTuple):
    """The trace, and the span in it that all further ones are children of; both as headers."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries of it."""
        state = {TRACESTATE: self.tracestate} if self.tracestate else {}
        return {TRACEPARENT: self.traceparent, **state}

    def format(self) -> str:
        """The stored form: ``traceparent``, or ``traceparent tracestate``."""
        return f"{self.traceparent} {self.tracestate}" if self.tracestate else self.traceparent


def trace_context(traceparent: str | None, tracestate: str | None = None) -> TraceContext | None:
    """Read the two headers; None where there is no trace, or a malformed one.

    One of a later version of the standard is read as far as this one knows it.
    """
    if not traceparent or len(traceparent) > _MOST_READ:
        return None
    match = _PARENT.match(traceparent.strip(" \t"))
    if not match or (match["more"] and match["version"] == "00"):
        return None
    flags = int(match["flags"], 16) & _FLAGS
    parent = f"00-{match['trace']}-{match['parent']}-{flags:02x}"
    return TraceContext(parent, _state(tracestate) if tracestate else "")


def stored_trace(text: str) -> TraceContext | None:
    """Read what ``TraceContext.format`` wrote; None for anything else."""
    traceparent, _, tracestate = text.partition(" ")
    return trace_context(traceparent, tracestate)


def _state(text: str) -> str:
    """The entries of a ``tracestate`` that are kept, ``""`` where it is malformed."""
    if len(text) > _MOST_READ:
        return ""
    entries = [entry for part in text.split(",") if (entry := part.strip(" \t"))]
    names = {entry.partition("=")[0] for entry in entries}
    if len(entries) > _MOST_ENTRIES or len(names) < len(entries):
        return ""
    if not all(_ENTRY.match(entry) for entry in entries):
        return ""
    if len(",".join(entries)) > MOST_STATE:
        entries = [entry for entry in entries if len(entry) <= _LONG_ENTRY]
    while len(",".join(entries)) > MOST_STATE:
        entries.pop()
    return ",".join(entries)
