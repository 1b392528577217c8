"""The dashboard in a real browser: what is seen, at which widths, and that it follows Redis."""

import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sluicegate_ops.dashboard.pages import PAGES
from sluicegate_rigs.deployment import Process
from support.command_line import ANSWER, Cli
from support.command_line import cli as cli
from support.messages import message, plan

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLOWER = [sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "flower"]
DEADLINE_SECONDS = 30

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="no browser: apt install chromium chromium-driver"
    ),
]


@pytest.fixture
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    options = webdriver.ChromeOptions()
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{option}")
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def flower(redis_url: str, folder: Path) -> Iterator[str]:
    """Flower by the command people know, and where it listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    environ = dict(os.environ) | {"SLUICEGATE_REDIS_URL": redis_url}
    process = Process.launched("flower", [*FLOWER, f"--port={port}"], environ, folder)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(f"{url}/healthcheck"))
        yield url
    finally:
        process.stop()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


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
    with flower(redis_url, tmp_path) as url:
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
