"""Rate headers as providers, proxies and accidents write them; none may widen the budget."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate_worker.provider.rate_headers import (
    MAX_LIMIT,
    MAX_WAIT_SECONDS,
    MAX_WINDOW_SECONDS,
    MIN_WINDOW_SECONDS,
    NO_RATE_HEADERS,
    RateHeaders,
    parse_rate_headers,
    parse_retry_after_ms,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)
NAMED = (
    *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
    *("ratelimit", "ratelimit-policy", "retry-after", "retry-after-ms"),
)
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
    '"' * 5000,
    '=;,"' * 2000,
    ";" * 5000,
    "5\n",
    "\x1f5",
    "\x00",
    "1.2.3.4",
    '""',
    "w=60",
    ";w=60",
    '"default";w=60',
    "1 2",
    "Sun, 99 Mar 2026 25:61:61 GMT",
]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("50", 50),
        (" 50 ", 50),
        ("100, 200", 100),
        ("50.0", 50),
        ("1", 1),
        ("0", -1),
        ("50.5", -1),
        (str(MAX_LIMIT), MAX_LIMIT),
        (str(MAX_LIMIT + 1), -1),
        ("1767225600", -1),  # a time that slipped in
        (", 50", -1),
        ("0, 100;w=60", -1),  # the first is the limit in force, and the others do not stand in
        ("-1, 100;w=60", -1),
    ],
)
def test_limit(text: str, limit: int) -> None:
    assert parse_rate_headers({"x-ratelimit-limit": text}) == RateHeaders(limit=limit)
    assert parse_rate_headers({"ratelimit-limit": text}) == RateHeaders(limit=limit)


@pytest.mark.parametrize(
    ("text", "remaining"),
    [("0", 0), ("49", 49), ("0, 20;w=60", 0), ("49, 49;w=1", 49), ("-1", -1), ("7.5", -1)],
)
def test_remaining(text: str, remaining: int) -> None:
    assert parse_rate_headers({"x-ratelimit-remaining": text}) == RateHeaders(remaining=remaining)
    assert parse_rate_headers({"ratelimit-remaining": text}) == RateHeaders(remaining=remaining)


def test_telnyxs_own_names_win() -> None:
    both = {"x-ratelimit-limit": "50", "ratelimit-limit": "100"}
    assert parse_rate_headers(both) == RateHeaders(limit=50)
    assert parse_rate_headers({}) == NO_RATE_HEADERS


@pytest.mark.parametrize("text", [text for text in NONSENSE if text != "1,5;"])
def test_nonsense_says_nothing(text: str) -> None:
    assert parse_rate_headers(dict.fromkeys(NAMED, text) | {"date": DATE}) == NO_RATE_HEADERS
    assert parse_rate_headers(dict.fromkeys(NAMED, text) | {"date": text}) == NO_RATE_HEADERS


@pytest.mark.parametrize(
    ("text", "limit", "seconds"),
    [
        ("100, 100;w=60", 100, 60),
        ("100;w=60", 100, 60),
        ("100,100; w=60 ", 100, 60),
        ("100, 100;w=1, 5000;w=3600", 100, 1),
        ("100, 5000;w=3600, 100;w=1", 100, 1),
        ("5000, 100;w=1, 5000;w=3600", 5000, 3600),
        ("100;w=1, 1000;w=3600", 100, 1),
        ("100, 100;w=1, 100;w=60", 100, 60),  # both hold, and the longer is the tighter
        ("100, 50;w=60", 100, -1),
        ("100;burst=1000;policy=token bucket;w=2.5", 100, 2.5),
        ('"default";q=100;w=60', 100, 60),
        ('"a, b; c";q=100;w=60', 100, 60),
        ('100, "default";q=100;w=60', 100, 60),
        ('"bytes";q=100;w=60;qu="content-bytes"', -1, -1),
        ('"month";q=100;w=2592000, "burst";q=9;w=1', -1, -1),
        ("100;w=0.5", 100, 0.5),
        ("100;w=86400", 100, 86400),
        ("100;w=0.4", 100, -1),
        ("100;w=0", 100, -1),
        ("100;w=86401", 100, -1),
        ("100;w=1e3", 100, -1),
        ("100;w=-1", 100, -1),
        ("100;w", 100, -1),
        ('"default;q=100;w=60', 100, 60),
        ("100;w=60" + " " * 1000, 100, -1),
    ],
)
def test_a_list_says_the_window_of_the_limit_in_force(
    text: str, limit: int, seconds: float
) -> None:
    told = RateHeaders(limit=limit, window_ms=1000 * seconds if seconds > 0 else -1)
    assert parse_rate_headers({"x-ratelimit-limit": text}) == told
    assert parse_rate_headers({"ratelimit-limit": text}) == told


ONE, TWO = '"default";q=100;w=60', '"burst";q=100;w=1, "daily";q=5000;w=86400'


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"ratelimit-policy": ONE}, RateHeaders(100, window_ms=60_000)),
        ({"ratelimit-policy": "100;w=60"}, RateHeaders(100, window_ms=60_000)),
        ({"ratelimit-policy": TWO}, NO_RATE_HEADERS),
        ({"ratelimit": '"default";r=50;t=30'}, RateHeaders(remaining=50, reset_ms=30_000)),
        (
            {"ratelimit-policy": ONE, "ratelimit": '"default";r=50;t=30'},
            RateHeaders(100, 50, window_ms=60_000, reset_ms=30_000),
        ),
        (
            {"ratelimit-policy": ONE, "ratelimit": "default ; r=50 ; t=30"},
            RateHeaders(100, 50, window_ms=60_000, reset_ms=30_000),
        ),
        (
            {"ratelimit-policy": TWO, "ratelimit": '"daily";r=1, "burst";r=2'},
            RateHeaders(5000, 1, window_ms=86_400_000),
        ),
        ({"ratelimit-policy": ONE, "ratelimit": '"other";r=50;t=30'}, NO_RATE_HEADERS),
        (
            {"ratelimit-policy": '"month";q=9000;w=2592000', "ratelimit": '"month";r=50'},
            RateHeaders(remaining=50),
        ),
        (
            {"x-ratelimit-limit": "100", "ratelimit-policy": ONE},
            RateHeaders(100, window_ms=60_000),
        ),
        ({"x-ratelimit-limit": "50", "ratelimit-policy": ONE}, RateHeaders(50)),
        (
            {"ratelimit-limit": "100", "ratelimit-policy": "100;w=1, 1000;w=60"},
            RateHeaders(100, window_ms=1000),
        ),
        (
            {"ratelimit-limit": "100", "ratelimit": '"default";r=50;t=30'},
            RateHeaders(100, 50, reset_ms=30_000),
        ),
        (
            {
                "ratelimit-limit": "100",
                "ratelimit-policy": TWO,
                "ratelimit": '"daily";r=4000;t=5, "burst";r=99;t=1',
            },
            RateHeaders(100, 99, window_ms=1000, reset_ms=1000),
        ),
        (
            {"x-ratelimit-remaining": "7", "x-ratelimit-reset": "3", "ratelimit": '"a";r=50;t=30'},
            RateHeaders(remaining=7, reset_ms=3000),
        ),
        ({"x-ratelimit-limit": "none", "ratelimit-policy": ONE}, NO_RATE_HEADERS),
    ],
)
def test_policies_and_states(headers: dict[str, str], told: RateHeaders) -> None:
    assert parse_rate_headers(headers) == told


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
        ({"retry-after": "3, 5"}, 5000),
        ({"retry-after": "3, soon"}, -1),
        ({"retry-after": "3," * 1000 + "3"}, -1),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT", "date": DATE}, 7000),
        ({"retry-after": "Sun, 01 Mar 2026 13:00:07 +0100", "date": DATE}, 7000),
        ({"retry-after": "Sun, 01 Mar 2026 11:59:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07", "date": DATE}, 7000),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT", "date": DATE}, 900_000),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT", "date": "yesterday"}, -1),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2300", "date": DATE}, 900_000),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT"}, -1),  # whose clock would it be?
    ],
)
def test_retry_after(headers: dict[str, str], ms: float) -> None:
    assert parse_retry_after_ms(headers) == ms
    assert parse_rate_headers(headers).wait_ms == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("3", 3000),
        ("0.5", 500),
        ("3, 3;w=60", 3000),
        ("86401", 86_400_000),
        ("999999999", 86_400_000),
        ("1772366403", 3000),
        ("1772366397", 0),
        ("1772366402500", 2500),
        ("999999999999999", 86_400_000),
    ],
)
def test_both_readings_of_reset(text: str, ms: float) -> None:
    assert parse_rate_headers({"x-ratelimit-reset": text, "date": DATE}) == RateHeaders(
        reset_ms=ms
    )
    assert parse_rate_headers({"ratelimit-reset": text, "date": DATE}) == RateHeaders(reset_ms=ms)


def test_a_time_without_a_date_beside_it_says_nothing() -> None:
    assert parse_rate_headers({"x-ratelimit-reset": "1772366403"}) == NO_RATE_HEADERS
    assert (
        parse_rate_headers({"x-ratelimit-reset": "1772366403", "date": "yesterday"})
        == NO_RATE_HEADERS
    )


@given(st.integers(0, 10**9), st.integers(0, 5000), st.sampled_from([1, 1000]))
def test_the_providers_clock_does_not_matter(ahead: int, left: int, unit: int) -> None:
    date = NOW + timedelta(seconds=ahead)
    ends = date + timedelta(seconds=left)
    told = parse_rate_headers(
        {
            "date": format_datetime(date, usegmt=True),
            "retry-after": format_datetime(ends, usegmt=True),
            "x-ratelimit-reset": str(int(ends.timestamp()) * unit),
        }
    )
    assert told == RateHeaders(wait_ms=1000 * min(left, 900), reset_ms=1000 * left)


DATES = st.datetimes().map(str) | st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Sun", "Xxx"]),
    *(st.integers(-1, 99), st.sampled_from(["Jan", "Feb", "Dec", "13"]), st.integers(0, 99_999)),
    *(st.integers(-1, 99), st.integers(-1, 99), st.integers(-1, 99)),
    st.sampled_from(["GMT", "-0000", "+0100", "+9999", "-2359", "+99999999", "", "Z"]),
)
LISTS = st.lists(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "0", "100", "5000", '"default"', '"', "burst", "-1", " "]),
        *3 * [st.sampled_from(["", ";", ";q=100", ";w=60", ";w=9e9", ";r=5", ";t=3", ';qu="x"'])],
    )
).map(", ".join)
TEXTS = st.text() | st.text('0123456789.,;=wqrt" ') | st.sampled_from(NONSENSE) | DATES | LISTS
HEADERS = st.dictionaries(st.sampled_from([*NAMED, "date"]), TEXTS)


@given(HEADERS)
@example(
    {"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359", "date": "Mon, 01 Jan 0001 0:0:0 +2359"}
)
@example({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359", "date": DATE})
@example({"retry-after": "Mon, 01 Jan 99999 00:00:00 +99999999999"})
def test_whatever_headers_hold(headers: dict[str, str]) -> None:
    told = parse_rate_headers(headers)
    assert told.limit == -1 or 1 <= told.limit <= MAX_LIMIT
    assert told.remaining == -1 or 0 <= told.remaining <= MAX_LIMIT
    assert told.wait_ms == -1 or 0 <= told.wait_ms <= 1000 * MAX_WAIT_SECONDS
    longest_ms = 1000 * MAX_WINDOW_SECONDS
    assert told.window_ms == -1 or 1000 * MIN_WINDOW_SECONDS <= told.window_ms <= longest_ms
    assert told.reset_ms == -1 or 0 <= told.reset_ms <= longest_ms
    assert told.window_ms == -1 or told.limit > 0


@given(HEADERS)
@example({"ratelimit-policy": TWO, "ratelimit": '"daily";r=1'})
def test_lists_never_change_what_is_said_plainly(headers: dict[str, str]) -> None:
    plain = {"x-ratelimit-limit": "50", "x-ratelimit-remaining": "7", "retry-after": "3"}
    told = parse_rate_headers({**headers, **plain, "retry-after-ms": ""})
    assert (told.limit, told.remaining, told.wait_ms) == (50, 7, 3000)


@given(st.sampled_from(["0", "-1", "none", str(MAX_LIMIT + 1)]), LISTS)
def test_a_limit_that_makes_no_sense_is_replaced_by_no_other(first: str, rest: str) -> None:
    policies = {"ratelimit-policy": ONE, "ratelimit": '"default";r=50;t=30'}
    assert parse_rate_headers({"x-ratelimit-limit": f"{first}, {rest}", **policies}).limit == -1
