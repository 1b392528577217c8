"""The table of outcomes: every row of it, and every answer that is no row of it."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate_worker.provider.codes import CODES, STATUSES
from sluicegate_worker.provider.outcome import (
    Accepted,
    Dead,
    Doubt,
    ErrorAnswer,
    Halt,
    Outcome,
    Retry,
    decided,
    maybe_sent,
    not_sent,
)
from sluicegate_worker.provider.telnyx.v1 import outcome_of as outcome_of_v1
from sluicegate_worker.provider.telnyx.v2 import outcome_of
from sluicegate_worker.transport import Reply


def error(code: object = "", title: object = "Title", detail: object = "detail") -> bytes:
    """The provider's own error body."""
    return json.dumps({"errors": [{"code": code, "title": title, "detail": detail}]}).encode()


def outcome(status: int, body: bytes = b"", **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return outcome_of(Reply(status, named, body))


def gist(one: Outcome) -> tuple[object, ...]:
    """An outcome without its texts."""
    match one:
        case Retry(throttled=True):
            return "throttled", one.delay_seconds, one.charged, one.perhaps
        case Retry(queue_full=True):
            return "queue full", one.delay_seconds, one.charged, one.perhaps
        case Retry():
            return "retry", one.delay_seconds, one.charged, one.perhaps
        case Dead():
            return "dead", one.perhaps, one.opted_out
        case Doubt():
            return "doubt", one.hold
        case Halt():
            return "halt", one.level, one.ends, one.seconds
        case Accepted():
            return "accepted", one.provider_id, one.replayed, one.wait_seconds


THROTTLE = ("throttled", 0.0, False, False)
QUEUE_FULL = ("queue full", None, False, False)
REFUSED, PERHAPS = ("retry", None, True, False), ("retry", None, True, True)
DEAD, OPTED_OUT = ("dead", False, False), ("dead", False, True)
DOUBT, HOLD = ("doubt", False), ("doubt", True)
ACCOUNT, SENDER = ("halt", "account", "cleared", None), ("halt", "sender", "cleared", None)
SPEND_CAP = ("halt", "sender", "midnight_utc", None)
HTML = b"<html><body>Bad Gateway</body></html>"

ROWS: list[tuple[int, object, tuple[object, ...]]] = [
    # The request limit: never an attempt.
    (429, "10011", THROTTLE),
    (429, "", THROTTLE),
    (429, None, THROTTLE),
    (429, "99999", THROTTLE),
    (429, 10011, THROTTLE),
    (503, "10011", THROTTLE),
    # Other limits that end by themselves.
    (429, "40333", SPEND_CAP),
    (400, "40333", SPEND_CAP),
    (400, "40318", QUEUE_FULL),
    (403, "40318", QUEUE_FULL),
    (429, "40318", QUEUE_FULL),
    (503, "40318", QUEUE_FULL),
    (400, "40320", ("halt", "sender", "cleared", 900.0)),
    # Nothing of the account's would pass.
    (401, "10009", ACCOUNT),
    (401, "99999", ACCOUNT),
    (401, None, ACCOUNT),
    (402, "20100", ACCOUNT),
    (402, None, ACCOUNT),
    (403, "20100", ACCOUNT),
    (403, "20012", ACCOUNT),
    (403, "20013", ACCOUNT),
    (403, "10009", ACCOUNT),
    (403, "40314", ACCOUNT),
    (404, "10005", ACCOUNT),
    (404, None, ACCOUNT),
    (405, "10030", ACCOUNT),
    (405, None, ACCOUNT),
    (401, "40311", ACCOUNT),
    # Nothing of the sender's would.
    (400, "40305", SENDER),
    (403, "40312", SENDER),
    (403, "10010", SENDER),
    (403, "99999", SENDER),
    (403, None, SENDER),
    (404, "99999", SENDER),
    # Refused in passing.
    (503, "10037", REFUSED),
    (503, "", REFUSED),
    (425, None, REFUSED),
    # Failed in passing, perhaps after it was accepted.
    (500, "10007", PERHAPS),
    (400, "10007", PERHAPS),
    (500, 10007, PERHAPS),
    (500, "", PERHAPS),
    (501, "99999", PERHAPS),
    (408, "10008", PERHAPS),
    (408, None, PERHAPS),
    (409, None, PERHAPS),
    (409, "10036", ("retry", 1.0, True, True)),
    # An earlier request under this key arrived.
    (422, "10027", HOLD),
    (409, "10012", HOLD),
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
    # A server's fault is no message's, sender's or account's.
    (500, "10009", PERHAPS),
    (500, "40305", PERHAPS),
    (500, "40310", PERHAPS),
    (502, "40310", DOUBT),
    (503, "20100", REFUSED),
    # Refused for good.
    (400, "40310", DEAD),
    (400, None, DEAD),
    (413, "10015", DEAD),
    (422, "10015", DEAD),
    (422, "99999", DEAD),
    (422, "42201", DEAD),
    (400, "30005", DEAD),
    (499, None, DEAD),
]


@pytest.mark.parametrize(("status", "code", "expected"), ROWS)
def test_every_kind_of_answer(status: int, code: object, expected: tuple[object, ...]) -> None:
    """A code of None stands for a body that is not the provider's."""
    assert gist(outcome(status, HTML if code is None else error(code))) == expected


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_one_outcome_whatever_the_status_of_its_refusal(code: str) -> None:
    body = error(code, "Blocked due to STOP message")
    gists = {gist(outcome(status, body)) for status in (400, 401, 403, 404, 409, 418, 422, 429)}
    assert len(gists) == 1
    one = outcome(400, body)
    assert not isinstance(one, Accepted)
    assert one.code == code
    assert one.why.startswith(f"HTTP 400 {code}")


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_status_is_one_outcome_where_no_code_decides(status: int) -> None:
    one = outcome(status, error(""))
    assert gist(one) == gist(outcome(status, error("99999")))
    assert not isinstance(one, Accepted)
    assert one.code == str(status)


TEXTS = [
    (400, "Blocked due to STOP message", "", OPTED_OUT),
    (403, "Forbidden", "Not from +1555 to +1444 due to an existing block rule.", OPTED_OUT),
    (422, "The recipient has opted out", "", OPTED_OUT),
    # Two other meanings that documents give it, which its status tells.
    (403, "Forbidden", "The from number is not assigned to a messaging profile.", SENDER),
    (429, "Rate limit exceeded", "Reduce request rate", THROTTLE),
    (400, "Invalid destination", "Nonstop service", DEAD),
    (400, "", "", DEAD),
]


@pytest.mark.parametrize(("status", "title", "detail", "expected"), TEXTS)
def test_40300_is_an_opt_out_by_its_text_only(
    status: int, title: str, detail: str, expected: tuple[object, ...]
) -> None:
    assert gist(outcome(status, error("40300", title, detail))) == expected


def test_another_codes_text_is_no_opt_out() -> None:
    """Texts may quote the message, whose last words are often how to stop more of them."""
    body = error("40322", "Blocked", "Text STOP: blocked due to STOP message")
    assert gist(outcome(400, body)) == DEAD


# -- an operator's word


@pytest.mark.parametrize(
    ("status", "code", "act", "expected"),
    [
        (400, "40310", "retry", REFUSED),
        (400, "40310", "halt", ACCOUNT),
        (400, "40310", "halt_sender", SENDER),
        (400, "40310", "doubt", DOUBT),
        (400, "40305", "dead", DEAD),
        (401, "10009", "halt_sender", SENDER),
        (429, "40333", "halt", ("halt", "account", "midnight_utc", None)),
        (429, "10011", "retry", REFUSED),
        # What may have been acted on stays so.
        (500, "10007", "retry", PERHAPS),
        (500, "10007", "dead", ("dead", True, False)),
        (500, "10007", "doubt", DOUBT),
        (500, "10007", "halt", DOUBT),
        (500, "10007", "halt_sender", DOUBT),
        (502, None, "retry", PERHAPS),
        (502, None, "halt", DOUBT),
        (302, None, "dead", ("dead", True, False)),
        (422, "10027", "doubt", HOLD),
        (422, "10027", "retry", PERHAPS),
        # A word that is none changes nothing.
        (400, "40310", "explode", DEAD),
    ],
)
def test_an_override_by_code_or_by_status(
    status: int, code: object, act: str, expected: tuple[object, ...]
) -> None:
    reply = Reply(status, {}, HTML if code is None else error(code))
    assert gist(outcome_of(reply, {str(status): act})) == expected
    if code is not None:
        assert gist(outcome_of(reply, {str(code): act, str(status): "dead"})) == expected


def test_an_override_says_nothing_of_other_codes_nor_of_success() -> None:
    overrides = {"40310": "retry", "200": "dead", "500": "dead"}
    assert gist(outcome_of(Reply(400, {}, error("40309")), overrides)) == DEAD
    assert outcome_of(Reply(200, {}, b'{"data":{"id":"p1"}}'), overrides) == Accepted("p1")


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
    assert ErrorAnswer(400, "40305", "Bad from", "no").why == "HTTP 400 40305 Bad from: no"
    assert ErrorAnswer(400).why == "HTTP 400"
    assert decided(ErrorAnswer(400)) == Dead("400", "HTTP 400")


# -- when to come back


@pytest.mark.parametrize(
    ("status", "code", "told", "delay"),
    [
        (503, "10037", "7", 7.0),
        (500, "10007", "7", 7.0),
        (503, "10037", "99999", 900.0),
        (409, "10036", "3", 3.0),
        (409, "10036", "soon", 1.0),
        (503, "10037", "-5", None),
        (503, "10037", "0", None),  # at once, eight times over, helps nobody
        (400, "40318", "60", None),  # the lane's own cool-down says
    ],
)
def test_retry_after_wins_over_backoff(
    status: int, code: str, told: str, delay: float | None
) -> None:
    retry = outcome(status, error(code), retry_after=told)
    assert isinstance(retry, Retry)
    assert retry.delay_seconds == delay


def test_a_passing_halt_lasts_as_long_as_the_provider_says() -> None:
    assert gist(outcome(400, error("40320"), retry_after="60")) == (
        "halt",
        "sender",
        "cleared",
        60.0,
    )
    assert gist(outcome(401, error("10009"), retry_after="60")) == ACCOUNT
    assert gist(outcome(429, error("40333"), retry_after="60")) == SPEND_CAP


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("0", 0.0),
        ("0.0", 0.0),
        ("12.5", 12.5),
        ("14400", 14_400.0),
        ("1e9", 14_400.0),
        ("1e999", 14_400.0),
        ("-3", 0.0),
        ('"7"', 0.0),
        ('"soon"', 0.0),
        ("null", 0.0),
        ("true", 0.0),
        ("[7]", 0.0),
        ('{"x":7}', 0.0),
    ],
)
def test_what_the_providers_queue_asks_for(wait: str, seconds: float) -> None:
    body = f'{{"data":{{"wait_seconds":{wait},"id":"p1"}}}}'.encode()
    assert outcome(200, body) == Accepted("p1", wait_seconds=seconds)


# -- whatever else an answer may be

ANY_STATUS = st.integers(100, 599)
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
TITLES = st.none() | st.text(max_size=5) | st.just("Blocked due to STOP message")
KNOWN = st.builds(error, st.sampled_from([*CODES, "99999", 10011, None]), TITLES)
V1 = st.fixed_dictionaries({"success": JSON, "status": JSON | st.sampled_from(sorted(CODES))})
FOREIGN = st.binary(max_size=40).filter(lambda body: b"errors" not in body)
BODIES = FOREIGN | KNOWN | (JSON | V1).map(lambda one: json.dumps(one).encode())
NAMES = st.sampled_from(["retry-after", "retry-after-ms", "date", "idempotent-replayed"])
HEADERS = st.dictionaries(NAMES, st.text(max_size=12), max_size=3)
ACTS = st.sampled_from(["retry", "dead", "doubt", "halt", "halt_sender", "nonsense"])
KEYS = st.sampled_from([*CODES, "99999"]) | ANY_STATUS.map(str)
OVERRIDES = st.dictionaries(KEYS, ACTS, max_size=4)


@given(ANY_STATUS, HEADERS, BODIES, OVERRIDES)
@example(200, {}, b"[" * 100_000, {})
@example(503, {"retry-after": "9" * 400}, b"{}", {})
def test_any_answer_is_an_outcome(
    status: int, headers: dict[str, str], body: bytes, overrides: dict[str, str]
) -> None:
    reply = Reply(status, headers, body)
    plain = outcome_of(reply)
    for one in (plain, outcome_of(reply, overrides), outcome_of_v1(reply, overrides)):
        assert isinstance(one, Outcome)
        if isinstance(one, Accepted):
            assert 200 <= status < 300
            assert one.provider_id
            assert 0 <= one.wait_seconds <= 14_400
            continue
        assert one.why.isprintable()
        one.why.encode()
        assert len(one.why) <= 500
        if isinstance(one, Retry):
            assert one.delay_seconds is None or 0 <= one.delay_seconds <= 900
    if status < 400 and not isinstance(plain, Accepted):
        assert isinstance(plain, Doubt)


def may_have_been_acted_on(one: Outcome) -> bool:
    return isinstance(one, Doubt) or (isinstance(one, Retry | Dead) and one.perhaps)


@given(ANY_STATUS.filter(lambda status: not 200 <= status < 300), HEADERS, BODIES, OVERRIDES)
def test_no_override_makes_certain_what_may_have_been_acted_on(
    status: int, headers: dict[str, str], body: bytes, overrides: dict[str, str]
) -> None:
    reply = Reply(status, headers, body)
    for understand in (outcome_of, outcome_of_v1):
        if may_have_been_acted_on(understand(reply)):
            assert may_have_been_acted_on(understand(reply, overrides))


@given(st.integers(400, 499), HEADERS, KNOWN)
def test_an_explained_refusal_is_never_in_doubt(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    """But for the two codes that say that an earlier request had arrived."""
    one = outcome_of(Reply(status, headers, body))
    assert not isinstance(one, Doubt) or one.code in ("10027", "10012")


@given(st.integers(500, 599), HEADERS, FOREIGN)
def test_what_something_on_the_way_answered_is_in_doubt(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    assert isinstance(outcome_of(Reply(status, headers, body)), Doubt)


DENYING = {"10011", "10037", "40318", "40006", "40011", "40016", "40018"}
"""Refused in passing, whatever the status: they name what was not there."""


@given(st.integers(500, 599).filter(lambda status: status != 503), KNOWN, HEADERS)
def test_a_fault_may_have_been_acted_on_unless_its_code_denies_it(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    one = outcome_of(Reply(status, headers, body))
    assert may_have_been_acted_on(one) or (isinstance(one, Retry) and one.code in DENYING)


@pytest.mark.parametrize(
    ("status", "code", "title", "level"),
    [
        (403, "40301", "Sender registration required", "sender"),
        (403, "40301", "The sender must be registered for 10DLC", "sender"),
        (403, "40301", "Unsupported message type for the 'to' address", ""),
        (400, "40301", "Sender registration required", ""),
        (403, "40302", "Messaging profile disabled", "sender"),
        (403, "40302", "Message too large", ""),
        (400, "40302", "The SMS message would be divided into 12 parts.", ""),
        (403, "40002", "Number not assigned to profile", "sender"),
        (422, "40002", "Missing required field", ""),
        (400, "40002", "Blocked as spam - temporary", ""),
        (400, "40308", "Invalid 'from' address for MMS", "mms"),
    ],
)
def test_a_code_of_two_senses_is_judged_by_status_and_text(
    status: int, code: str, title: str, level: str
) -> None:
    outcome = decided(ErrorAnswer(status, code, title))
    assert isinstance(outcome, Halt if level else Dead)
    assert getattr(outcome, "level", "") == level
