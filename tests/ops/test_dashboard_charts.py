"""Charts say what the trend says: bars as high as their numbers, gaps as gaps, all in words."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from sluicegate_ops.dashboard.charts import account_charts, campaign_charts
from sluicegate_ops.dashboard.drawing import _LOADER
from sluicegate_ops.inspect import HOURS, MINUTES, TrendPoint
from support.command_line import Cli
from support.flowers import asked, installed

HOUR_MS = 3_600_000


def point(n: int, accepted: int | None, waiting: int = 0, span: int = 60_000) -> dict[str, Any]:
    """The n-th minute as a page's data has it; None is a gap."""
    empty: dict[str, Any] = dict.fromkeys(TrendPoint.__struct_fields__)
    empty["from_ms"] = float(n * span)
    if accepted is None:
        return empty
    so_far = {"accepted": accepted * (n + 1), "dead": 2, "in_doubt": 0, "unsent": 0}
    return empty | {
        "seconds": 60.0,
        "accepted": accepted,
        "accepted_per_second": accepted / 60,
        "waiting": waiting,
        "so_far": so_far | {"waiting": waiting},
    }


def bars(path: str) -> list[float]:
    """The heights of a path's bars, in percent of the chart."""
    return [float(height) for height in re.findall(r"v-([\d.]+)", path)]


def test_a_bar_is_as_high_as_its_number_and_a_gap_is_no_bar() -> None:
    minutes = [point(0, 60), point(1, 0), point(2, None), point(3, 120)]
    charts = account_charts(minutes)
    assert charts is not None
    gap, line = charts.charts[0].marks
    assert bars(line.path) == [50, 100]
    assert bars(gap.path) == [100]
    assert charts.charts[0].most == "2"
    assert "Not known for 1 of 4 bars" in charts.charts[0].told
    assert [row[1] for row in charts.rows] == ["1", "0", "not known", "2"]


def test_something_is_never_drawn_as_nothing() -> None:
    charts = account_charts([point(0, 600_000), point(1, 1)])
    assert charts is not None
    assert min(bars(charts.charts[0].marks[1].path)) > 0.5


def test_where_nothing_is_known_there_is_no_chart() -> None:
    assert account_charts([point(0, None)]) is None
    assert campaign_charts([], []) is None


def test_states_stand_on_each_other_and_fill_the_bar() -> None:
    hours = [point(0, 0, waiting=98, span=HOUR_MS), point(1, 49, span=HOUR_MS)]
    charts = campaign_charts([], hours)
    assert charts is not None
    _, states = charts.charts
    heights = {mark.name: bars(mark.path) for mark in states.marks}
    assert heights == {"gap": [], "accepted": [98], "dead": [2, 2], "waiting": [98]}
    assert states.names == ["accepted", "dead", "waiting"]
    assert "98 accepted" in states.told


def test_a_long_life_is_drawn_with_few_bars_and_the_same_sum() -> None:
    hours = [point(n, 60, waiting=1000 - n, span=HOUR_MS) for n in range(700)]
    charts = campaign_charts([], hours)
    assert charts is not None
    heights = bars(charts.charts[0].marks[1].path)
    assert 100 <= len(heights) <= 120
    assert set(heights) == {100}


def test_a_life_ends_with_its_last_change() -> None:
    hours = [point(0, 1, span=HOUR_MS)]
    later = [point(n, 0, span=HOUR_MS) for n in range(1, 40)]
    for one in later:
        one["so_far"] = hours[0]["so_far"]
    charts = campaign_charts([], hours + later)
    assert charts is not None
    assert len(charts.rows) == 1
    waits = [point(n, 0, waiting=3, span=HOUR_MS) for n in range(40)]
    going_on = campaign_charts([], waits)
    assert going_on is not None
    assert len(going_on.rows) == 40


@pytest.mark.parametrize("count", [0, 1, 60])
def test_a_chart_is_svg_with_a_title_and_a_table(count: int) -> None:
    trend = account_charts([point(n, n) for n in range(count)])
    html = _LOADER.load("trend.html").generate(trend=trend).decode()
    drawn = ElementTree.fromstring(f"<div>{html}</div>")  # noqa: S314 - our own page
    pictures = drawn.findall(".//svg[@role='img']")
    assert len(pictures) == (2 if count else 0)
    for svg in pictures:
        named = [svg.get("aria-labelledby"), svg.get("aria-describedby")]
        told = [part.get("id") for part in svg if part.tag in ("title", "desc") and part.text]
        assert named == told
    assert len(drawn.findall(".//tbody/tr")) == count


def test_the_pages_show_the_trend_of_the_command_line(
    cli: Cli, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    now_ms = cli.bench.now_ms
    for minute in range(5, 0, -1):
        cli.bench.at((now_ms // 60_000 - minute) * 60_000 + 500)
        cli.bench.sweep()
    assert len(cli.lines("trend")) == MINUTES.shown
    assert len(cli.lines("trend", "--hours")) == HOURS.shown
    with installed():
        [page, data] = asked("/", "/?as=json")
        [mark] = re.findall(r'data-same="(\w+)"', page.body)
        [first, again] = asked("/?as=look", f"/?as=look&have={mark}")
    assert "t-rate" in first.body
    assert "t-rate" not in again.body, "the charts have not changed"
    assert mark in again.body
    assert len(again.body) < len(first.body) / 2
    assert 'aria-labelledby="t-rate"' in page.body
    assert '"accepted_per_second": 0.0' in data.body
    assert page.body.count('<td data-of="Waiting">') == MINUTES.shown


def test_one_hour_alone_is_an_hour_long() -> None:
    hour = campaign_charts([], [point(0, 1, waiting=0, span=HOUR_MS)])
    assert hour is not None
    assert (hour.begins, hour.ends) == ("1970-01-01 00:00", "1970-01-01 01:00 UTC")


def test_a_life_that_began_before_the_minutes_is_drawn_by_the_hour() -> None:
    hours = [point(0, 1, waiting=9, span=HOUR_MS), point(1, 1, waiting=5, span=HOUR_MS)]
    minutes = [point(n, 1, waiting=9 - n) for n in range(65, 68)]
    began = [minutes[0] | {"seconds": None, "accepted_per_second": None}, *minutes[1:]]
    by_hour, by_minute = campaign_charts(minutes, hours), campaign_charts(began, hours[1:])
    assert by_hour is not None
    assert by_minute is not None
    assert by_hour.columns == by_minute.columns
    assert [row[0] for row in by_hour.rows] == ["1970-01-01 00:00", "1970-01-01 01:00"]
    assert [row[0] for row in by_minute.rows] == ["01:05", "01:06", "01:07"]
