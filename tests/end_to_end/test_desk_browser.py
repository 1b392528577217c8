"""The desk in a real browser: a novice goes from a file to a report by visible labels alone."""

import json
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sluicegate_ops.desk import passwords
from sluicegate_ops.simulator import Settings
from sluicegate_rigs.deployment import Process
from support.deployment import Account, deployment
from support.desks import PASSWORD

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="as above").Keys
DEADLINE_SECONDS = 60
MOST_TABS = 80
MOST_INTERACTIONS = 15
PEOPLE = 400
FILE = "Phone,First Name\n" + "".join(f"+1415555{n:04},Ann{n}\n" for n in range(1_000, 1_400))
ROLES = ["send", "operate"]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="no browser: apt install chromium chromium-driver"
    ),
]


class Novice:
    """Somebody who follows visible labels; ``interactions`` counts what their hands do.

    With ``keyboard`` they have no mouse: Tab finds what they look for, and Enter takes it.
    """

    def __init__(self, driver: Any, axe: str, *, keyboard: bool = False) -> None:
        self.driver, self._axe, self._keyboard, self.interactions = driver, axe, keyboard, 0

    def sees(self, text: str) -> None:
        ends = time.monotonic() + DEADLINE_SECONDS
        while text not in self.page:
            assert time.monotonic() < ends, f"{text!r} is nowhere in:\n{self.page[:2000]}"
            time.sleep(0.05)

    @property
    def page(self) -> str:
        with suppress(Exception):  # between two pages there is none
            return str(self.driver.find_element("tag name", "body").text)
        return ""

    def clicks(self, label: str) -> None:
        self.interactions += 1
        quoted = json.dumps(label)
        way = f"//a[normalize-space()={quoted}]|//button[normalize-space()={quoted}]"
        if self._keyboard:
            self._until(lambda: self._reached(self.driver.find_element("xpath", way), Keys.ENTER))
        else:
            self._until(lambda: self.driver.find_element("xpath", way).click() or True)

    def writes(self, label: str, text: str) -> None:
        """Into the field whose label begins so."""
        self.interactions += 1
        way = f"//label[starts-with(normalize-space(), {json.dumps(label)})]"
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

    def faults(self) -> list[str]:
        """What axe finds on this page, and whether it scrolls sideways."""
        found = []
        for width in (360, 1440):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            wide = self.driver.execute_script("return document.documentElement.scrollWidth")
            found += [f"scrolls sideways at {width} px"] * (wide > width)
        for scheme in ("dark", "light") if self._axe else ():
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            self.driver.execute_script(self._axe)
            run = "const done = arguments[0]; axe.run().then(r => done(r.violations))"
            for fault in self.driver.execute_async_script(run):
                nodes = fault["nodes"]
                found.append(
                    f"{scheme}: {fault['id']}: {nodes[0]['html'][:200]} {nodes[0]['target']}"
                )
        return found

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


@pytest.fixture(params=["mouse", "keyboard"])
def novice(request: pytest.FixtureRequest) -> Iterator[Novice]:
    options = webdriver.ChromeOptions()
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{option}")
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    # Carries axe-core; of no other use here: pip install --no-deps axe-playwright-python
    found = find_spec("axe_playwright_python")
    axes = list(Path(found.origin).parent.rglob("axe.min.js")) if found and found.origin else []
    try:
        axe = axes[0].read_text() if axes else ""
        yield Novice(driver, axe, keyboard=request.param == "keyboard")
    finally:
        driver.quit()


@contextmanager
def desk(account: Account) -> Iterator[str]:
    """``sluicegate serve`` of a deployment, and where its desk is."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    running = account.deployment
    ports = ["--port", "0", "--desk-port", str(port)]
    command = [sys.executable, "-m", "sluicegate_ops.cli", "serve", *ports]
    process = Process.launched("desk", command, running.environ, running.directory)
    try:
        ends = time.monotonic() + DEADLINE_SECONDS
        while "the desk is at" not in process.log.read_text():
            assert time.monotonic() < ends, process.log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


def test_a_novice_goes_from_a_file_to_a_report(novice: Novice, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    ann = {"password_hash": passwords.hashed(PASSWORD), "roles": ROLES}
    settings: dict[str, Any] = {"web": {"desk": {"users": {"ann": ann}}}}
    with (
        deployment(Settings(limit=20, latency_ms=5), account={"limit": 20}, **settings) as account,
        desk(account) as url,
    ):
        faults = journey(novice, url, file, account)
        assert novice.interactions <= MOST_INTERACTIONS
        for next_one in (stop_and_correct, follow_up):
            novice.interactions = 0
            next_one(novice, url, account)
            assert novice.interactions <= MOST_INTERACTIONS
        errors = [e for e in novice.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert faults == {}
    assert errors == []


def journey(novice: Novice, url: str, file: Path, account: Account) -> dict[str, list[str]]:
    """Log in, upload, check, send, watch, pause; what is at fault on the pages on the way."""
    faults: dict[str, list[str]] = {}

    def look(page: str) -> None:
        if found := novice.faults():
            faults[page] = found

    novice.driver.get(f"{url}/desk/")
    look("login")
    novice.writes("Name", "ann")
    novice.writes("Password", PASSWORD)
    novice.clicks("Log in")
    novice.sees("Requests per second")
    look("overview")
    novice.clicks("New campaign")
    look("new")
    novice.writes("The file of recipients", str(file))
    novice.clicks("Upload the file")
    novice.sees("Columns: Phone First Name")
    look("draft")
    novice.writes("Name", "friday")
    novice.writes("Text", "Hi {{ first_name }}, see you on Friday")
    novice.sees("1 segment")
    novice.writes("From", "+15557654321")
    novice.clicks("Check it")
    novice.sees(f"Send friday to {PEOPLE} people")
    assert "Hi Ann1000, see you on Friday" in novice.page
    look("checked")
    novice.clicks(f"Send friday to {PEOPLE} people")
    novice.sees("friday is imported")
    novice.clicks("Watch friday")
    novice.sees("friday: running")
    look("campaign")
    novice.clicks("Pause friday")
    novice.sees("recipients not sent to yet?")
    look("act")
    novice.clicks("Pause friday")
    novice.sees("friday is paused")
    sent = sum(account.received().values())
    assert 0 < sent < PEOPLE
    novice.clicks("Back")
    novice.sees(f"{sent:,} accepted")
    time.sleep(1.5)  # at 20 a second, thirty more would have come
    assert sum(account.received().values()) == sent
    look("report")
    for path in (
        "queue",
        "dead",
        "doubts",
        "twice",
        "message",
        "inbox",
        "optouts",
        "audit",
        "drafts",
    ):
        novice.driver.get(f"{url}/desk/{path}")
        look(path)
    return faults


def stop_and_correct(novice: Novice, url: str, account: Account) -> None:
    """A campaign that is paused gets another text, and goes on with that."""
    before = account.received()
    novice.driver.get(f"{url}/desk/campaigns/friday")
    novice.clicks("Revise its text")
    novice.writes("The new text", "Hi {{ first_name }}, see you on Monday")
    novice.clicks("Show what it would do")
    novice.sees("+ Hi {{ first_name }}, see you on Monday")
    novice.clicks("Send the new text to everybody who waits in friday")
    novice.sees("Done.")
    novice.clicks("Watch friday")
    novice.clicks("Resume friday")
    novice.sees("recipients not sent to yet?")
    novice.clicks("Resume friday")
    novice.sees("friday is running")
    novice.clicks("Back")
    novice.sees("friday: finished")
    assert account.received().total() == PEOPLE
    assert before.total() < PEOPLE


def follow_up(novice: Novice, url: str, account: Account) -> None:
    """Another campaign is for whom the first one reached."""
    novice.driver.get(f"{url}/desk/")
    novice.clicks("New campaign")
    novice.writes("Its name", "friday")
    novice.clicks("Choose them")
    novice.writes("Name", "thanks")
    novice.writes("Text", "Thank you for coming")
    novice.writes("From", "+15557654321")
    novice.clicks("Check it")
    novice.sees(f"Send thanks to {PEOPLE} people")
    novice.clicks(f"Send thanks to {PEOPLE} people")
    novice.sees("thanks is imported")
    novice.clicks("Watch thanks")
    novice.sees("thanks: running")
