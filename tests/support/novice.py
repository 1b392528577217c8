"""Somebody in a real browser who follows visible labels alone, and looks at every page."""

import base64
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support.layout import FAULTS

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="as above").Keys
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
DEADLINE_SECONDS = 90
MOST_TABS = 120
WIDTHS = (360, 1440)
SCHEMES = ("dark", "light")
TALLEST = 1_600
"""A picture has no more lines than this; what is below is seen by scrolling."""

needs_a_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no browser: apt install chromium chromium-driver"
)


def axe_source() -> str:
    """axe-core, where a package that carries it is installed: see ``make test-all``."""
    found = find_spec("axe_playwright_python")
    scripts = list(Path(found.origin).parent.rglob("axe.min.js")) if found and found.origin else []
    return scripts[0].read_text() if scripts else ""


class Novice:
    """Somebody who follows visible labels; ``interactions`` counts what their hands do.

    With ``keyboard`` they have no mouse: Tab finds what they look for, and Enter takes it.
    """

    def __init__(self, driver: Any, screens: Path | None, *, keyboard: bool = False) -> None:
        self.driver, self._screens, self._keyboard = driver, screens, keyboard
        self._axe = axe_source()
        self.interactions = 0
        self.faults: dict[str, list[str]] = {}

    def sees(self, text: str) -> None:
        ends = time.monotonic() + DEADLINE_SECONDS
        while text not in self.page:
            assert time.monotonic() < ends, f"{text!r} is nowhere in:\n{self.page[:3000]}"
            time.sleep(0.05)

    @property
    def page(self) -> str:
        with suppress(Exception):  # between two pages there is none
            return str(self.driver.find_element("tag name", "body").text)
        return ""

    def shown(self, id: str) -> str:
        """What stands in the element of that id."""
        return str(self.driver.find_element("id", id).text)

    def clicks(self, label: str) -> None:
        self.interactions += 1
        quoted = json.dumps(label)
        way = "|".join(
            f"//{tag}[normalize-space()={quoted}]" for tag in ("a", "button", "summary")
        )
        if self._keyboard:
            self._until(lambda: self._reached(self.driver.find_element("xpath", way), Keys.ENTER))
        else:
            self._until(lambda: self._clicked(self.driver.find_element("xpath", way)))

    def writes(self, label: str, text: str) -> None:
        """Into the field whose label begins so."""
        self.interactions += 1
        way = f"//label[starts-with(normalize-space(), {json.dumps(label)})]"
        self._until(lambda: self.driver.find_element("xpath", way))  # its page may be on its way
        of = self.driver.find_element("xpath", way).get_attribute("for")
        field = self.driver.find_element("id", of)
        if field.get_attribute("type") == "file":
            field.send_keys(text)  # its dialogue is the browser's own
        elif self._keyboard:
            assert self._reached(field)
            hands = webdriver.ActionChains(self.driver)
            hands.key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
            hands.send_keys(text).perform()
        else:
            field.clear()
            field.send_keys(text)

    def _clicked(self, wanted: Any) -> bool:
        # Flower scrolls smoothly, and a click does not wait for the end of that.
        at_once = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
        self.driver.execute_script(at_once, wanted)
        wanted.click()
        return True

    def _reached(self, wanted: Any, *keys: str) -> bool:
        """Press Tab until ``wanted`` has the focus, and then ``keys``; it is seen to have it."""
        active = self.driver.switch_to.active_element
        for _ in range(MOST_TABS):
            if active == wanted:
                shows = "return getComputedStyle(arguments[0]).outlineStyle"
                assert self.driver.execute_script(shows, active) != "none", "no focus is seen"
                webdriver.ActionChains(self.driver).send_keys(*keys).perform()
                return True
            webdriver.ActionChains(self.driver).send_keys(Keys.TAB).perform()
            active = self.driver.switch_to.active_element
        raise AssertionError(f"no Tab leads to {wanted.text or wanted.get_attribute('id')}")

    def looks(self, name: str) -> None:
        """Note what is at fault on this page, at each width and in each scheme; keep pictures."""
        found: list[str] = []
        for width in WIDTHS:
            self._sized(width, 900)
            found += [f"{width} px: {fault}" for fault in self.driver.execute_script(FAULTS)]
            for scheme in SCHEMES:
                wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
                media = [{"name": name, "value": value} for name, value in wishes.items()]
                self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
                found += [f"{width} px, {scheme}: {fault}" for fault in self._by_axe()]
                if self._screens:
                    self._keep(self._screens / f"{name}-{width}-{scheme}.png", width)
        if found:
            self.faults[name] = found

    def _by_axe(self) -> Iterator[str]:
        if not self._axe:
            return
        self.driver.execute_script(self._axe)
        run = "const done = arguments[0]; axe.run().then(r => done(r.violations))"
        for fault in self.driver.execute_async_script(run):
            node = fault["nodes"][0]
            yield f"{fault['id']}: {node['html'][:200]} {node['target']}"

    def _sized(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def _keep(self, path: Path, width: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        tall = self.driver.execute_script("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(tall, TALLEST), "scale": 1}
        asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
        path.write_bytes(_small(base64.b64decode(picture)))

    def _until(self, holds: Callable[[], object]) -> None:
        ends = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                if holds():
                    return
            except Exception:
                if time.monotonic() > ends:
                    raise
            time.sleep(0.05)


def _small(png: bytes) -> bytes:
    """The same picture with a palette, where Pillow is there to make one: see ``make screens``."""
    if not find_spec("PIL"):
        return png
    images: Any = import_module("PIL.Image")
    out = BytesIO()
    picture = images.open(BytesIO(png)).convert("RGB")
    picture.quantize(64, dither=images.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def screens() -> Path:
    """Where pictures of the pages go."""
    return Path(os.environ.get("SLUICEGATE_SCREENS", "build/screens")).absolute()


@contextmanager
def somebody(downloads: Path, *, keyboard: bool) -> Iterator[Novice]:
    """A novice with a browser of their own; who has a mouse takes pictures."""
    options = webdriver.ChromeOptions()
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{option}")
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        yield Novice(driver, None if keyboard else screens(), keyboard=keyboard)
    finally:
        driver.quit()
