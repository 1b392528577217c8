"""The table of outcomes: every row of it, and every answer that is no row of it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate_worker.outcome import (
    CODES,
    Accepted,
    Answer,
    Dead,
    Doubt,
    Halt,
    Outcome,
    Retry,
    decided,
    maybe_sent,
    not_sent,
)
from sluicegate_worker.telnyx_v2 import understood
from sluicegate_worker.transport import Reply

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HALF_A_DAY = 12 * 3600.0


def error(code: object = "", title: object = "Title", detail: object = "detail") -> bytes:
    """The provider's own error body."""
    return json.dumps({"errors": [{"code": code, "title": title, "detail": detail}]}).encode()


def outcome(status: int, body: bytes = b"", **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return understood(Reply(status, named, body), NOON)


def gist(one: Outcome) -> tuple[object, ...]:
    """An outcome without its texts."""
    match one:
        case Retry():
            return "retry", one.delay_seconds, one.charged, one.perhaps, one.throttled
        case Dead():
            return "dead", one.perhaps
        case Doubt():
            return "doubt", one.hold
        case Halt():
            return "halt", one.level, one.until_ms
        case Accepted():
            return "accepted", one.provider_id, one.replayed


THROTTLE = ("retry", 0.0, False, False, True)
REFUSED = ("retry", None, True, False, False)
PERHAPS = ("retry", None, True, True, False)
DEAD, DOUBT, HOLD = ("dead", False), ("doubt", False), ("doubt", True)
HALT = ("halt", "account", None)
HTML = b"<html><body>Bad Gateway</body></html>"

ROWS: list[tuple[int, object, tuple[object, ...]]] = [
    # The request limit: never an attempt.
    (429, "10011", THROTTLE),
    (429, "", THROTTLE),
    (429, None, THROTTLE),
    (429, "99999", THROTTLE),
    (429, 10011, THROTTLE),
    # Other limits that end by themselves.
    (429, "40333", ("retry", HALF_A_DAY, False, False, False)),
    (400, "40318", ("retry", 30.0, False, False, False)),
    (429, "40318", ("retry", 30.0, False, False, False)),
    # Nothing would pass.
    (401, "10009", HALT),
    (401, None, HALT),
    (402, "20100", HALT),
    (402, None, HALT),
    (403, "20100", HALT),
    (403, "20012", HALT),
    (403, "10009", HALT),
    (404, "10005", HALT),
    # Refused in passing.
    (503, "10037", REFUSED),
    (503, "", REFUSED),
    (425, None, REFUSED),
    # Failed in passing, perhaps after it was accepted.
    (500, "10007", PERHAPS),
    (500, 10007, PERHAPS),
    (500, "", PERHAPS),
    (501, "99999", PERHAPS),
    (408, "10008", PERHAPS),
    (408, None, PERHAPS),
    (409, None, PERHAPS),
    (409, "10036", ("retry", 1.0, True, True, False)),
    # An earlier request under this key arrived.
    (422, "10027", HOLD),
    # Nobody knows.
    (502, "99999", DOUBT),
    (504, "99999", DOUBT),
    (500, None, DOUBT),
    (502, None, DOUBT),
    (503, None, DOUBT),
    (504, None, DOUBT),
    (520, None, DOUBT),
    (599, None, DOUBT),
    (100, None, DOUBT),
    (101, None, DOUBT),
    (301, None, DOUBT),
    (302, "10011", DOUBT),
    (304, "10009", DOUBT),
    (307, None, DOUBT),
    # A server's fault is nobody's account's.
    (500, "10009", PERHAPS),
    (503, "20100", REFUSED),
    # Refused for good.
    (400, "40300", DEAD),
    (400, "40305", DEAD),
    (400, None, DEAD),
    (403, "10010", DEAD),
    (404, None, HALT),
    (405, "10030", DEAD),
    (413, "10015", DEAD),
    (422, "10015", DEAD),
    (422, "99999", DEAD),
    (499, None, DEAD),
]


@pytest.mark.parametrize(("status", "code", "expected"), ROWS)
def test_every_row(status: int, code: object, expected: tuple[object, ...]) -> None:
    """A code of None stands for a body that is not the provider's."""
    assert gist(outcome(status, HTML if code is None else error(code))) == expected


def test_the_rows_above_cover_the_table() -> None:
    assert set(CODES) == {str(code) for _, code, _ in ROWS} & set(CODES)


def test_the_transports_two_failures() -> None:
    assert gist(not_sent("refused")) == REFUSED
    assert gist(maybe_sent("reset")) == DOUBT


def test_a_success_is_accepted_whatever_its_2xx() -> None:
    body = b'{"data":{"id":"p1","more":[1]},"meta":null}'
    for status in (200, 201, 202, 299):
        assert outcome(status, body) == Accepted("p1")
    assert outcome(200, body, idempotent_replayed="true") == Accepted("p1", replayed=True)
    assert outcome(200, body, idempotent_replayed="True") == Accepted("p1", replayed=True)
    assert outcome(200, body, idempotent_replayed="false") == Accepted("p1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"data":null}',
        b'{"data":{}}',
        b'{"data":{"id":""}}',
        b'{"data":{"id":null}}',
        b'{"data":{"id":7}}',
        b'{"data":{"id":"p1"',
        b'{"data":{"id":"\xff"}}',
        b'{"data":{"id":"\\ud800"}}',
        b'{"x":' + b"[" * 100_000,
        HTML,
    ],
)
def test_a_success_that_cant_be_read_is_in_doubt(body: bytes) -> None:
    assert gist(outcome(200, body)) == DOUBT


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":null}',
        b'{"errors":[]}',
        b'{"errors":[null]}',
        b'{"errors":["no"]}',
        b'{"errors":7}',
        b'{"errors":[{}]}',
        b'{"errors":[{"code":null,"title":null}]}',
        b'{"errors":[{"code":true}]}',
        b'{"errors":[{"code":[1],"title":{}}]}',
        b'{"error":"x"}',
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"errors":' * 5_000,
        b'{"errors":[{"code":1e999}]}',
    ],
)
def test_an_error_without_code_or_title_explains_nothing(body: bytes) -> None:
    assert gist(outcome(503, body)) == DOUBT
    assert gist(outcome(400, body)) == DEAD
    assert gist(outcome(429, body)) == THROTTLE


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":{"code":"10037","title":"T"}}',
        b'{"errors":[{"code":10037}]}',
        b'{"errors":[{"code":"10037","title":null,"detail":null}]}',
        b'{"errors":[{"code":"10037","title":{"odd":1},"detail":3}]}',
        b'{"errors":[{"code":"10037"},{"code":"10009"}],"more":1}',
        b'{"errors":[null,{"code":"10037"}]}',
        b'{"errors":[{"code":" 10037 "}]}',
    ],
)
def test_an_error_is_read_tolerantly(body: bytes) -> None:
    read = outcome(503, body)
    assert gist(read) == REFUSED
    assert isinstance(read, Retry)
    assert read.code == "10037"


def test_texts_are_one_short_line() -> None:
    said = outcome(422, error("1" * 500, "a\nb\x00c", "d\t" * 5000))
    assert isinstance(said, Dead)
    assert said.why.startswith("HTTP 422 1111")
    assert len(said.why) <= 500
    assert len(said.code) <= 40
    assert said.why.isprintable()


def test_what_is_said_names_status_code_title_and_detail() -> None:
    assert Answer(400, "40305", "Bad from", "no").why == "HTTP 400 40305 Bad from: no"
    assert Answer(400).why == "HTTP 400"
    assert decided(Answer(400), NOON) == Dead("400", "HTTP 400")


# -- when to come back


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 3, 1, 0, 0, tzinfo=UTC), 86_400.0),
        (datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), 1.0),
        (datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), 3600.0),
        (datetime(2026, 2, 28, 20, 0, tzinfo=timezone(-timedelta(hours=5))), 82_800.0),
    ],
)
def test_a_spend_cap_waits_until_midnight_utc(now: datetime, seconds: float) -> None:
    retry = decided(Answer(429, "40333"), now)
    assert isinstance(retry, Retry)
    assert retry.delay_seconds == seconds


@pytest.mark.parametrize(
    ("status", "code", "told", "delay"),
    [
        (503, "10037", "7", 7.0),
        (500, "10007", "7", 7.0),
        (503, "10037", "99999", 900.0),
        (400, "40318", "60", 60.0),
        (409, "10036", "3", 3.0),
        (409, "10036", "soon", 1.0),
        (503, "10037", "-5", None),
        (503, "10037", "0", None),  # at once, eight times over, helps nobody
        (429, "40333", "5", HALF_A_DAY),
    ],
)
def test_retry_after_wins_over_backoff(
    status: int, code: str, told: str, delay: float | None
) -> None:
    retry = outcome(status, error(code), retry_after=told)
    assert isinstance(retry, Retry)
    assert retry.delay_seconds == delay


# -- whatever else an answer may be

STATUSES = st.integers(100, 599)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["errors", "data", "id", "code", "title", "detail", "x"]), inner
        )
    ),
    max_leaves=8,
)
KNOWN = st.builds(
    error, st.sampled_from([*CODES, "40300", 10011, None]), st.none() | st.text(max_size=5)
)
FOREIGN = st.binary(max_size=40).filter(lambda body: b"errors" not in body)
BODIES = FOREIGN | KNOWN | JSON.map(lambda one: json.dumps(one).encode())
NAMES = st.sampled_from(["retry-after", "retry-after-ms", "date", "idempotent-replayed"])
HEADERS = st.dictionaries(NAMES, st.text(max_size=12), max_size=3)


@given(STATUSES, HEADERS, BODIES)
@example(200, {}, b"[" * 100_000)
@example(503, {"retry-after": "9" * 400}, b"{}")
def test_any_answer_is_an_outcome(status: int, headers: dict[str, str], body: bytes) -> None:
    one = understood(Reply(status, headers, body), NOON)
    assert isinstance(one, Outcome)
    if isinstance(one, Accepted):
        assert 200 <= status < 300
        assert one.provider_id
        return
    assert one.why.isprintable()
    one.why.encode()
    if status < 400:
        assert isinstance(one, Doubt)
    if isinstance(one, Retry):
        assert one.delay_seconds is None or 0 <= one.delay_seconds <= 86_400


@given(st.integers(500, 599), HEADERS, FOREIGN)
def test_what_something_on_the_way_answered_is_in_doubt(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    assert isinstance(understood(Reply(status, headers, body), NOON), Doubt)


@given(st.integers(500, 599).filter(lambda status: status != 503), st.integers(10**6, 10**9))
def test_a_fault_with_an_unknown_code_may_have_been_acted_on(status: int, code: int) -> None:
    one = outcome(status, error(code))
    assert isinstance(one, Doubt) or (isinstance(one, Retry) and one.perhaps)
