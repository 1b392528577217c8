"""Rate headers as providers, proxies and accidents write them; none may widen the budget."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate_worker.bucket import (
    MAX_LIMIT,
    MAX_WAIT_SECONDS,
    NOTHING,
    Evidence,
    evidence,
    reset_seconds,
    retry_after_ms,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)
NONSENSE = [
    "",
    " ",
    "-1",
    "-0.5",
    "+5",
    "NaN",
    "inf",
    "-inf",
    "1e18",
    "1e3",
    "0x10",
    "1_000",
    "1,5;",
    "१२",
    "\uff15",
    "²",
    "--",
    "soon",
    "9" * 5000,
    "5\n",
    "\x00",
    "1 2",
    "Sun, 99 Mar 2026 25:61:61 GMT",
]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("50", 50),
        (" 50 ", 50),
        ("100, 100;w=60", 100),
        ("100;w=1, 1000;w=3600", 100),
        ("50.0", 50),
        ("1", 1),
        ("0", -1),
        ("50.5", -1),
        (str(MAX_LIMIT), MAX_LIMIT),
        (str(MAX_LIMIT + 1), -1),
        ("1767225600", -1),  # a time that slipped in
        (", 50", -1),
    ],
)
def test_limit(text: str, limit: int) -> None:
    assert evidence({"x-ratelimit-limit": text}) == Evidence(limit=limit)
    assert evidence({"ratelimit-limit": text}) == Evidence(limit=limit)


@pytest.mark.parametrize(
    ("text", "remaining"), [("0", 0), ("49", 49), ("0, 20;w=60", 0), ("-1", -1), ("7.5", -1)]
)
def test_remaining(text: str, remaining: int) -> None:
    assert evidence({"x-ratelimit-remaining": text}) == Evidence(remaining=remaining)
    assert evidence({"ratelimit-remaining": text}) == Evidence(remaining=remaining)


def test_telnyxs_own_names_win() -> None:
    both = {"x-ratelimit-limit": "50", "ratelimit-limit": "100"}
    assert evidence(both) == Evidence(limit=50)
    assert evidence({}) == NOTHING


@pytest.mark.parametrize("text", [text for text in NONSENSE if text not in ("1,5;", "5\n")])
def test_nonsense_says_nothing(text: str) -> None:
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "retry-after", "retry-after-ms")
    assert evidence(dict.fromkeys(names, text)) == NOTHING
    assert reset_seconds({"x-ratelimit-reset": text}, NOW) is None


@pytest.mark.parametrize(
    ("headers", "ms"),
    [
        ({}, -1),
        ({"retry-after": "3"}, 3000),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "0.25"}, 250),
        ({"retry-after": "901"}, 900_000),
        ({"retry-after": "999999999999"}, 900_000),
        ({"retry-after-ms": "1500"}, 1500),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1500),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9000),
        ({"retry-after-ms": "999999999999"}, 900_000),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT", "date": DATE}, 7000),
        ({"retry-after": "Sun, 01 Mar 2026 13:00:07 +0100", "date": DATE}, 7000),
        ({"retry-after": "Sun, 01 Mar 2026 11:59:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07", "date": DATE}, 7000),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT", "date": DATE}, 900_000),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT", "date": "yesterday"}, -1),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2300", "date": DATE}, 900_000),
    ],
)
def test_retry_after(headers: dict[str, str], ms: float) -> None:
    assert retry_after_ms(headers) == ms
    assert evidence(headers).wait_ms == ms


def test_a_date_alone_is_read_against_our_own_clock() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    assert retry_after_ms({"retry-after": soon}) == 1000 * MAX_WAIT_SECONDS
    assert retry_after_ms({"retry-after": "Sun, 01 Mar 2020 12:00:00 GMT"}) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("3", 3.0),
        ("0.5", 0.5),
        (f"{NOW.timestamp() + 3:.0f}", 3.0),
        (f"{NOW.timestamp() - 3:.0f}", 0.0),
        (f"{1000 * NOW.timestamp() + 2500:.0f}", 2.5),
    ],
)
def test_both_readings_of_reset(text: str, seconds: float) -> None:
    assert reset_seconds({"x-ratelimit-reset": text}, NOW) == pytest.approx(seconds)


DATES = st.datetimes().map(str) | st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Sun", "Xxx"]),
    *(st.integers(-1, 99), st.sampled_from(["Jan", "Feb", "Dec", "13"]), st.integers(0, 99_999)),
    *(st.integers(-1, 99), st.integers(-1, 99), st.integers(-1, 99)),
    st.sampled_from(["GMT", "-0000", "+0100", "+9999", "-2359", "+99999999", "", "Z"]),
)
TEXTS = st.text() | st.text("0123456789.,;=w- ") | st.sampled_from(NONSENSE) | DATES
NAMES = st.sampled_from(
    [
        *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
        *("ratelimit-limit", "ratelimit-remaining", "retry-after", "retry-after-ms", "date"),
    ]
)


@given(st.dictionaries(NAMES, TEXTS))
@example(
    {"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359", "date": "Mon, 01 Jan 0001 0:0:0 +2359"}
)
@example({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359", "date": DATE})
@example({"retry-after": "Mon, 01 Jan 99999 00:00:00 +99999999999"})
def test_whatever_headers_hold(headers: dict[str, str]) -> None:
    told = evidence(headers)
    assert told.limit == -1 or 1 <= told.limit <= MAX_LIMIT
    assert told.remaining == -1 or 0 <= told.remaining <= MAX_LIMIT
    assert told.wait_ms == -1 or 0 <= told.wait_ms <= 1000 * MAX_WAIT_SECONDS
    reset = reset_seconds(headers, NOW)
    assert reset is None or reset >= 0
