"""The dashboard in a real browser: what is seen, at which widths, and that it follows Redis."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluicegate_ops.dashboard.pages import PAGES
from support.command_line import ANSWER, Cli
from support.command_line import cli as cli
from support.flowers import running
from support.messages import message, plan
from support.novice import needs_a_browser, somebody

DEADLINE_SECONDS = 30

pytestmark = [pytest.mark.long, needs_a_browser]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium."""
    with somebody(tmp_path, keyboard=False) as one:
        yield one.driver


def until(holds: Any) -> None:
    ends = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


CHARTS = ["Accepted per second", "Recipients by state"]


def made(cli: Cli) -> None:
    """An account on which something happened, of which the last minutes are known."""
    bench = cli.bench
    bench.publish()
    now_ms = bench.now_ms
    bench.at((now_ms // 60_000 - 5) * 60_000)
    bench.campaign(plan("july"), 60)
    for minute in range(4, 0, -1):
        bench.at((now_ms // 60_000 - minute) * 60_000 + 500)
        bench.sweep()
    bench.at(now_ms)
    bench.enqueue(*(message(n) for n in range(40)))
    for _ in range(12):
        bench.send()
    bench.send(kind="dead", code="40300", reason=ANSWER)
    bench.send(kind="doubt", reason="no answer")


def shown(browser: Any, selector: str) -> str:
    return str(browser.execute_script(f"return document.querySelector('{selector}').innerText"))


def test_a_reader_sees_every_page_at_every_width_and_what_changes(
    cli: Cli, redis_url: str, tmp_path: Path, browser: Any
) -> None:
    made(cli)
    environ = dict(os.environ) | {"SLUICEGATE_REDIS_URL": redis_url}
    with running(environ, tmp_path) as url:
        # By the words of the tabs alone, from the first page to each.
        browser.get(url)
        for page in PAGES:
            if page.slug == page.tab:
                browser.find_element("link text", page.title).click()
                until(lambda path=page.path: browser.current_url.endswith(path))
        browser.find_element("link text", "Campaigns").click()
        browser.find_element("link text", "july").click()
        until(lambda: "july: running" in shown(browser, "h1"))
        charts = browser.find_elements("css selector", ".sg-chart svg[role='img']")
        assert [chart.accessible_name for chart in charts] == CHARTS
        # What changes elsewhere is seen without a hand, and focus stays where it was.
        browser.execute_script("document.querySelector('.sg-tabs a').focus()")
        cli("campaign", "pause", "july")
        until(lambda: "july: paused" in shown(browser, "h1"))
        assert browser.execute_script("return document.activeElement.innerText") == "Overview"
        nothing_hangs_over(browser, url)
        assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    # Flower is gone: whoever looks is told that the numbers are old.
    until(lambda: "is old" in shown(browser, "#sg-fresh"))


def nothing_hangs_over(browser: Any, url: str) -> None:
    for width in (360, 1440):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for page in PAGES:
            browser.get(url + page.path.replace("([^/]+)", "july"))
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{page.title} scrolls sideways at {width} px"
    browser.get(url)
