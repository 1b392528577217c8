"""Charts of a trend, as numbers that a template draws: bars, and gaps where nobody looked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

WIDTH, HEIGHT = 600, 100
"""Of a chart's own coordinates; it is drawn as wide as the page."""

_MOST_BARS = 120
_MINUTE, _HOUR = 60_000.0, 3_600_000.0

PlainPoint = Mapping[str, Any]
"""A TrendPoint in plain values, as a page's data has it."""


class ChartMark(NamedTuple):
    """One path of a chart, in the colour of its class."""

    name: str
    path: str


class TrendChart(NamedTuple):
    """One chart: ``most`` is what its top stands for, ``told`` what it shows in words."""

    slug: str
    title: str
    told: str
    most: str
    marks: Sequence[ChartMark]
    names: Sequence[str] = ()


class TrendCharts(NamedTuple):
    """Charts of the same times, from ``begins`` to ``ends``, and their numbers as a table."""

    charts: Sequence[TrendChart]
    begins: str
    ends: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


_STATES = ("accepted", "dead", "in doubt", "ended unsent", "waiting")


def account_charts(points: Sequence[PlainPoint]) -> TrendCharts | None:
    """Accepted per second, and what waits; None where nothing is known yet."""
    if not any(point["so_far"] for point in points):
        return None
    rates = [point["accepted_per_second"] for point in points]
    waiting = [point["waiting"] for point in points]
    charts = (
        _chart("rate", "Accepted per second", rates, "accepted", "{:,.4g}".format),
        _chart("waiting", "Waiting", waiting, "waiting", "{:,.0f}".format),
    )
    told = [(_rate(rate), _count(count)) for rate, count in zip(rates, waiting, strict=True)]
    return _charts(charts, points, ("Accepted per second", "Waiting"), told, _MINUTE)


def campaign_charts(
    minutes: Sequence[PlainPoint], hours: Sequence[PlainPoint]
) -> TrendCharts | None:
    """A campaign's life: how fast it went, and its recipients by state; None if unknown."""
    known, step = (minutes, _MINUTE) if _tells_all(minutes, hours) else (hours, _HOUR)
    points = _grouped(_life(known))
    if not points:
        return None
    rates = [point["accepted_per_second"] for point in points]
    standing = [_standing(point) for point in points]
    charts = (
        _chart("rate", "Accepted per second", rates, "accepted", "{:,.4g}".format),
        _stacked("Recipients by state", standing),
    )
    told = [
        (_rate(rate), *(_count(states[name] if states else None) for name in _STATES))
        for rate, states in zip(rates, standing, strict=True)
    ]
    columns = ("Accepted per second", *map(str.capitalize, _STATES))
    return _charts(charts, points, columns, told, step)


def _charts(
    charts: Sequence[TrendChart],
    points: Sequence[PlainPoint],
    columns: Sequence[str],
    told: Sequence[Sequence[str]],
    step: float,
) -> TrendCharts:
    """``step`` is how long a point lasts, in ms, unless several were made one."""
    if len(points) > 1:
        step = points[1]["from_ms"] - points[0]["from_ms"]
    form = "%H:%M" if step <= _MINUTE else "%Y-%m-%d %H:%M"
    times = [_clock(point["from_ms"], form) for point in points]
    rows = [(time, *cells) for time, cells in zip(times, told, strict=True)]
    ends = _clock(points[-1]["from_ms"] + step, form)
    return TrendCharts(charts, times[0], f"{ends} UTC", ("From (UTC)", *columns), rows)


def _clock(wall_ms: float, form: str) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime(form)


def _tells_all(minutes: Sequence[PlainPoint], hours: Sequence[PlainPoint]) -> bool:
    """Whether all that is known came within the minutes that are kept."""
    began = [point["from_ms"] for point in hours if point["so_far"]]
    known = [point for point in minutes if point["so_far"]]
    if not known or known[0]["seconds"] is not None:  # there was one before the first
        return False
    return not began or began[0] + _HOUR > known[0]["from_ms"]


def _life(points: Sequence[PlainPoint]) -> list[PlainPoint]:
    """From the first that is known; of one that is over, to the last that changed something."""
    known = [at for at, point in enumerate(points) if point["so_far"]]
    if not known:
        return []
    last, stands = known[0], points[known[-1]]["so_far"]
    if stands["waiting"] or stands["in_doubt"]:
        return list(points[known[0] :])
    for before, at in pairwise(known):
        if _standing(points[at]) != _standing(points[before]):
            last = at
    return list(points[known[0] : last + 1])


def _standing(point: PlainPoint) -> dict[str, int] | None:
    so_far = point["so_far"]
    if so_far is None:
        return None
    return {
        "accepted": so_far["accepted"],
        "dead": so_far["dead"],
        "in doubt": so_far["in_doubt"],
        "ended unsent": so_far["unsent"],
        "waiting": so_far["waiting"],
    }


def _grouped(points: Sequence[PlainPoint]) -> Sequence[PlainPoint]:
    """At most so many as there is room to draw: several hours as one."""
    size = -(-len(points) // _MOST_BARS)
    if size <= 1:
        return points
    return [_summed(points[at : at + size]) for at in range(0, len(points), size)]


def _summed(points: Sequence[PlainPoint]) -> PlainPoint:
    known = [point for point in points if point["seconds"]]
    seconds = sum(point["seconds"] for point in known)
    accepted = sum(point["accepted"] for point in known)
    standing = [point["so_far"] for point in points if point["so_far"]]
    return {
        "from_ms": points[0]["from_ms"],
        "accepted_per_second": accepted / seconds if seconds else None,
        "so_far": standing[-1] if standing else None,
    }


def _chart(
    slug: str,
    title: str,
    values: Sequence[float | None],
    colour: str,
    form: Callable[[float], str],
) -> TrendChart:
    known = [value for value in values if value is not None]
    most, last = max(known, default=0.0), known[-1] if known else 0.0
    gaps = len(values) - len(known)
    told = f"At most {form(most)}, last {form(last)}."
    if gaps:
        told += f" Not known for {gaps} of {len(values)} bars."
    heights = [None if value is None else (0.0, value / most if most else 0.0) for value in values]
    marks = [ChartMark("gap", _gap_path(values)), ChartMark(colour, _bars_path(heights))]
    return TrendChart(slug, title, told, form(most), marks)


def _stacked(title: str, standing: Sequence[Mapping[str, int] | None]) -> TrendChart:
    most = max((sum(states.values()) for states in standing if states), default=0)
    marks = [ChartMark("gap", _gap_path(standing))]
    for name in _STATES:
        heights = [_layer(states, name, most) if states else None for states in standing]
        if any(height and height[1] for height in heights):
            marks.append(ChartMark(name.replace(" ", "-"), _bars_path(heights)))
    last = next((states for states in reversed(standing) if states), None) or {}
    told = f"At the end: {', '.join(f'{count:,} {name}' for name, count in last.items())}."
    names = [name for name in _STATES if any(states and states[name] for states in standing)]
    return TrendChart("states", title, told, f"{most:,}", marks, names)


def _layer(states: Mapping[str, int], name: str, most: int) -> tuple[float, float]:
    """Where its part of a bar begins, and how high it is."""
    if not most:
        return 0.0, 0.0
    below = sum(states[other] for other in _STATES[: _STATES.index(name)])
    return below / most, states[name] / most


def _bars_path(bars: Sequence[tuple[float, float] | None]) -> str:
    """Each bar from its foot on, both in shares of the height; what is 0 draws nothing."""
    return "".join(_bar_paths(bars))


def _bar_paths(bars: Sequence[tuple[float, float] | None]) -> Iterator[str]:
    width = WIDTH / max(1, len(bars))
    for at, bar in enumerate(bars):
        if bar and bar[1] > 0:
            height = max(bar[1] * HEIGHT, 0.8)  # something is never drawn as nothing
            x, y = at * width, HEIGHT - bar[0] * HEIGHT
            yield f"M{x:.4g} {y:.4g}h{0.86 * width:.3g}v{-height:.4g}h{-0.86 * width:.3g}z"


def _gap_path(values: Sequence[object]) -> str:
    return _bars_path([(0.0, 1.0) if value is None else None for value in values])


def _rate(rate: float | None) -> str:
    return "not known" if rate is None else f"{rate:,.4g}"


def _count(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"
