"""Debian's Chromium, driven as somebody sits before it: what they see, and what is at fault."""

import base64
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="as above").Keys
DEADLINE_SECONDS = 30.0
MOST_TABS = 120
WIDTHS = (360, 1440)
SCHEMES = ("light", "dark")
SCREENS = Path(os.environ.get("SLUICEGATE_SCREENS") or "build/screens").absolute()
"""Where screenshots go that documents use."""

NEEDS_CHROMIUM = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="no browser: apt install chromium chromium-driver"
    ),
]

_AXE = "const done = arguments[0]; axe.run().then(r => done(r.violations))"
# What is drawn wider than its box without a way to scroll there, and texts that lie on others.
_CROWDED = """
const found = [], words = [];
for (const one of document.querySelectorAll('body *')) {
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  if (!box.width || !box.height || style.visibility === 'hidden') continue;
  if (one.closest('.visually-hidden, .skip-link, thead, svg, select')) continue;
  const hides = ['hidden', 'clip'].includes(style.overflowX);
  if (hides && one.scrollWidth > one.clientWidth + 1) {
    found.push('cut: ' + one.outerHTML.slice(0, 120));
  }
  for (const part of one.childNodes) {
    if (part.nodeType !== Node.TEXT_NODE || !part.nodeValue.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(part);
    const said = part.nodeValue.trim().slice(0, 40);
    for (const place of range.getClientRects()) words.push([place, said, one]);
  }
}
const fixed = one => one.closest('.sticky-top, .toast-container');
for (let i = 0; i < words.length; i++) for (let j = i + 1; j < words.length; j++) {
  const [a, said, one] = words[i], [b, other, two] = words[j];
  if (fixed(one) !== fixed(two)) continue;
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (wide > 2 && high > 4) found.push(`"${said}" lies on "${other}"`);
}
return found.slice(0, 5);
"""


class Sitter:
    """Somebody before the browser, who uses nothing but the keys where it says so."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def opens(self, url: str) -> None:
        self.driver.get(url)

    @property
    def page(self) -> str:
        """What can be read, "" between two pages."""
        return str(self.runs("return document.body ? document.body.innerText : ''"))

    def runs(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def reads(self, selector: str) -> str:
        """The text of one element, "" where there is none."""
        text = f"return document.querySelector({selector!r})?.innerText ?? ''"
        return str(self.runs(text)).strip()

    def sees(self, *texts: str, seconds: float = DEADLINE_SECONDS) -> float:
        """Wait until the page has all of these, and say how many seconds that took."""
        return self.waits(lambda: all(text in self.page for text in texts), texts, seconds)

    def misses(self, text: str, seconds: float = DEADLINE_SECONDS) -> float:
        """Wait until the page has this no more."""
        return self.waits(lambda: text not in self.page, f"no {text}", seconds)

    def waits(self, holds: Callable[[], bool], what: object, seconds: float) -> float:
        began = time.monotonic()
        while not holds():
            took = time.monotonic() - began
            assert took < seconds, f"not within {seconds:g} s: {what}, but\n{self.page[:3000]}"
            time.sleep(0.05)
        return time.monotonic() - began

    def clicks(self, label: str) -> None:
        self._labelled(label).click()

    def finds(self, label: str) -> bool:
        return bool(self.driver.find_elements("xpath", _way(label)))

    def presses(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def tabs_to(self, wanted: str, *keys: str) -> None:
        """Press Tab until the link, button or field of that label has a focus that is seen."""
        self.sees(wanted)
        for _ in range(MOST_TABS):
            self.presses(Keys.TAB)
            active = self.driver.switch_to.active_element
            if active.accessible_name.startswith(wanted):
                outline = self.runs("return getComputedStyle(arguments[0]).outlineStyle", active)
                assert outline != "none", f"{wanted} has the focus, and nobody sees it"
                self.presses(*keys)
                return
        raise AssertionError(f"no Tab leads to {wanted}")

    def is_wide(self, width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefers(self, scheme: str) -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def faults(self) -> list[str]:
        """What is at fault with this page, at every width and in every scheme."""
        found = []
        for width in WIDTHS:
            self.is_wide(width)
            wide = self.runs("return document.documentElement.scrollWidth")
            found += [f"scrolls sideways at {width} px"] * (wide > width)
            found += [f"{width} px: {fault}" for fault in self.runs(_CROWDED)]
            for scheme in SCHEMES:
                self.prefers(scheme)
                found += [f"{width} px, {scheme}: {fault}" for fault in self._violations()]
        return found

    def _violations(self) -> list[str]:
        if not axe():
            return []
        self.runs(axe())
        return [
            f"{fault['id']}: {nodes[0]['html'][:200]} {nodes[0]['target']} ({len(nodes)})"
            for fault in self.driver.execute_async_script(_AXE)
            if (nodes := fault["nodes"])
        ]

    def errors(self) -> Sequence[str]:
        """What the browser's console complains of since it was last asked."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def photographs(self, name: str, *, whole: bool = True) -> Path:
        """The page as a PNG in ``SCREENS``."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": whole}
        )
        path = SCREENS / f"{name}.png"
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _labelled(self, label: str) -> Any:
        ends = time.monotonic() + DEADLINE_SECONDS
        while not (found := self.driver.find_elements("xpath", _way(label))):
            assert time.monotonic() < ends, f"there is no {label!r} in\n{self.page[:3000]}"
            time.sleep(0.05)
        return found[0]


def _way(label: str) -> str:
    return f'//a[normalize-space()="{label}"]|//button[normalize-space()="{label}"]'


@cache
def axe() -> str:
    """axe-core, which a package carries that is of no other use here; "" where it is missing.

    pip install --no-deps axe-playwright-python
    """
    found = find_spec("axe_playwright_python")
    files = list(Path(found.origin).parent.rglob("axe.min.js")) if found and found.origin else []
    return files[0].read_text() if files else ""


@contextmanager
def sitting() -> Iterator[Sitter]:
    """A headless Chromium, and who sits before it."""
    options = webdriver.ChromeOptions()
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{option}")
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield Sitter(driver)
    finally:
        driver.quit()
