"""Anonymised samples of a probe: enough for a test, and nothing that identifies who made them.

A sample keeps the status, the latency, the time since the first call, and the headers named here,
each only if its value is a number, a list of quotas, or a date. Names of policies are replaced.
"""

import re
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

import msgspec

from sluicegate.private import draft_of, private_text, put
from sluicegate_worker.provider.rate_headers import parse_http_date

from .calls import Call

KEPT = (
    *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
    *("ratelimit", "ratelimit-policy", "retry-after", "retry-after-ms", "date"),
)
LEFT_OUT = "(left out)"
"""Replaces a value that could be anything."""

_NAME = re.compile(r'"[^"]*"')
_OTHER_PARAMETER = re.compile(r";\s*(?![qwrt]=)[^;,]*")
_ITEM = r'(?:-?[0-9]{1,15}(?:\.[0-9]{1,6})?|"policy[0-9]+")(?:;\s*[qwrt]=[0-9]{1,15})*'
_LIST = re.compile(rf"{_ITEM}(?:\s*,\s*{_ITEM})*\Z")


class Sample(msgspec.Struct, frozen=True):
    """One call, in a form that may be published."""

    since_ms: float
    took_ms: float
    status: int
    headers: dict[str, str]


def anonymised(calls: Sequence[Call]) -> list[Sample]:
    """The samples of one run; a policy has the same name in all of them."""
    names: dict[str, str] = {}
    return [
        Sample(
            round(call.since_ms, 1),
            round(call.took_ms, 1),
            call.status,
            {name: _value(call.headers[name], names) for name in KEPT if name in call.headers},
        )
        for call in calls
    ]


def save(calls: Sequence[Call], out: Path) -> None:
    """Write the samples as JSON. Raises OSError."""
    out.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(anonymised(calls)), indent=2)
    draft = draft_of(out)
    try:
        with private_text(draft) as file:
            file.write(f"{text.decode()}\n")
        put(draft, out, replace=True)
    finally:
        draft.unlink(missing_ok=True)


def _value(text: str, names: dict[str, str]) -> str:
    if (then := parse_http_date(text)) is not None:
        return formatdate(then, usegmt=True)  # formatted again: its text may hold a comment
    if "qu=" in text:  # a quota of something else than requests, perhaps
        return LEFT_OUT
    named = _NAME.sub(lambda name: names.setdefault(name[0], f'"policy{len(names) + 1}"'), text)
    plain = _OTHER_PARAMETER.sub("", named).strip()
    return plain if _LIST.match(plain) else LEFT_OUT
