"""The pages inside Flower on a live system: what people see and do agrees with the books."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sluicegate_ops.simulator import Settings
from support.command_line import invoked
from support.deployment import HOLD, Account, deployment, eventually
from support.flowers import running
from support.messages import message
from support.novice import Novice, needs_a_browser, somebody

SENDER, STRANGE, OPTED_OUT = "+15557654321", "+15559999999", "+14155551010"
PASSWORD = "secret"
PEOPLE: dict[str, Any] = {
    "ann": {"roles": ["send", "operate"]},
    "bob": {"roles": ["send", "operate"]},
    "len": {"roles": ["look"]},
}
LOGINS = ",".join(f"{name}:{PASSWORD}" for name in PEOPLE)
ACTS = "a[href*='/act/'], form[action*='/act/']"
DEADLINE_SECONDS = 60
QUIET_SECONDS = 3.0

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), needs_a_browser]


class Live(NamedTuple):
    """A deployment that sends, and the Flower that shows it."""

    account: Account
    url: str

    def run(self, *command: str, exits: int = 0) -> str:
        result = invoked(command, env=self.account.deployment.environ)
        assert result.exit_code == exits, (command, result.output, result.exception)
        return result.stdout

    def document(self, *command: str, exits: int = 0) -> Any:
        return json.loads(self.run(*command, "--json", exits=exits))

    def lines(self, *command: str) -> list[Any]:
        return [json.loads(line) for line in self.run(*command, "--json").splitlines()]

    def received(self) -> int:
        return self.account.received().total()

    def start(self, name: str, count: int, *, first: int) -> None:
        """A campaign that ann has written and that nobody has approved."""
        file = self.account.deployment.directory / f"{name}.csv"
        rows = "".join(f"+1415555{n:04},Ann{n}\n" for n in range(first, first + count))
        file.write_text(f"Phone,First Name\n{rows}")
        text = "Hi {{ first_name }}, see you on Friday"
        given = {"--name": name, "--text": text, "--from": SENDER, "--who": "ann"}
        options = [part for pair in given.items() for part in pair]
        self.run("campaign", "start", str(file), *options, "--yes")

    def eventually(self, holds: Any) -> None:
        eventually(holds, DEADLINE_SECONDS, self.account.deployment)

    def opened(self, novice: Novice, name: str, path: str = "") -> None:
        """A page, by somebody who has logged in."""
        # A browser knows a login by its origin: bob sits before ann's.
        url = self.url.replace("127.0.0.1", "localhost") if name == "bob" else self.url
        novice.driver.get(url.replace("//", f"//{name}:{PASSWORD}@") + "/")
        novice.sees("Requests per second")
        if path:
            novice.driver.get(f"{url}/{path}")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Messages that died and that are in doubt; each campaign takes two people."""
    provider = Settings(limit=20, latency_ms=5, senders=(SENDER,))
    own = {"limit": 20, "in_doubt": HOLD, "approve_campaigns": True}
    with deployment(provider, account=own, web={"desk": {"users": PEOPLE}}) as account:
        running_on = account.deployment
        environ = running_on.environ | {"FLOWER_BASIC_AUTH": LOGINS}
        account.enqueue(1, 4, sender=STRANGE)
        eventually(lambda: account.size("dead") == 3, DEADLINE_SECONDS, running_on)
        running_on.change_provider(faults={"close_after": 1.0})
        account.enqueue(4, 6, sender=SENDER)
        eventually(lambda: account.size("doubts") == 2, DEADLINE_SECONDS, running_on)
        running_on.change_provider(faults={})
        with running(environ, running_on.directory) as url:
            system = Live(account, url)
            system.run("optout", "add", OPTED_OUT, "--why", "asked on the phone")
            yield system


@pytest.fixture(params=["mouse"])
def novice(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Novice]:
    with somebody(tmp_path, keyboard=request.param == "keyboard") as one:
        yield one


def test_two_people_let_a_campaign_go_out_and_each_page_has_what_the_books_have(
    live: Live, novice: Novice
) -> None:
    before = live.received()
    live.start("july", 40, first=1001)
    live.opened(novice, "ann")
    novice.clicks("Campaigns")
    novice.clicks("july")
    novice.clicks("Read and approve july")
    novice.clicks("Approve july")
    novice.sees("ann changed it: somebody else has to approve it")
    assert live.received() == before
    live.opened(novice, "bob", "campaigns/july")
    novice.clicks("Read and approve july")
    novice.sees("Let july go out to 40 recipients as it is?")
    novice.clicks("Approve july")
    novice.sees("july is approved as")
    novice.clicks("Back")
    novice.sees("july: finished")  # the page has looked again by itself
    live.eventually(live.account.is_quiet)
    for fault in (of_overview, of_campaigns, of_listings):
        fault(live, novice)
    log = [entry["message"] for entry in novice.driver.get_log("browser")]
    assert [said for said in log if "/act/approve" not in said] == []  # but for ann's refusal


def of_overview(live: Live, novice: Novice) -> None:
    novice.clicks("Overview")
    novice.sees("Requests per second")
    told = live.document("status", exits=1)
    counts = {name: int(novice.shown(f"c-{name}").replace(",", "")) for name in told["counts"]}
    assert counts == told["counts"]
    assert counts["accepted"] + counts["in_doubt"] == live.received()
    assert int(novice.shown("n-person")) == counts["in_doubt_held"] + counts["dead"] == 5
    for finding in told["findings"]:
        assert finding["what"] in novice.page
        assert finding["do"] in novice.page


def of_campaigns(live: Live, novice: Novice) -> None:
    novice.clicks("Campaigns")
    novice.sees("Imported")
    [row] = rows(novice)
    report = live.document("campaign", "report", "july")
    states = report["states"]
    assert row[3:7] == [str(states[name]) for name in ("imported", "accepted", "dead", "in_doubt")]
    assert (states["accepted"], states["suppressed"]) == (39, 1)
    novice.clicks("july")
    novice.sees("The ledger")
    imported, *others = map(int, re.findall(r"\d+", novice.shown("ledger")))
    assert imported == sum(others) == states["imported"]
    [paid] = report["costs"]["billed"].values()
    assert f"{paid['cost']} USD billed for 39 messages" in novice.page
    assert paid["messages"] == states["accepted"]


def of_listings(live: Live, novice: Novice) -> None:
    novice.clicks("Queue")
    novice.sees("Nothing is halted.")
    assert live.lines("lanes") == []
    novice.sees("No lanes: nothing waits.")
    for tab, command in (
        ("Dead letters", ("dead", "list", "--all")),
        ("In doubt", ("doubt", "list")),
        ("Sent twice", ("twice", "list")),
    ):
        told = live.lines(*command)
        novice.clicks(tab)
        novice.sees(f"{tab}: {len(told)}")
        for one in told:
            assert one["id"] in novice.page
    novice.clicks("Dead letters")
    novice.clicks("m1")
    shown = live.document("message", "show", "m1")
    novice.sees("40305")
    assert shown["attempts"] == 1
    novice.clicks("Opt-outs")
    novice.sees("1 number opted out")
    novice.writes("A number", OPTED_OUT)
    novice.clicks("Show how it stands")
    novice.sees("asked on the phone")
    novice.clicks("Replies")
    novice.sees("No reply waits for you.")
    novice.clicks("Audit")
    novice.sees("approve")
    latest = [(one["who"], one["action"]) for one in live.lines("audit", "list")]
    assert [(row[1], row[2]) for row in rows(novice)] == latest


def rows(novice: Novice) -> list[list[str]]:
    """The cells of the first table."""
    cells = "return [...document.querySelector('.sg-table tbody').rows]"
    cells += ".map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    found: list[list[str]] = novice.driver.execute_script(cells)
    return found


@pytest.mark.parametrize("novice", ["keyboard"], indirect=True)
def test_by_keyboard_alone_a_pause_stops_the_sends_and_what_is_final_is_typed(
    live: Live, novice: Novice
) -> None:
    live.start("august", 300, first=2000)
    live.run("campaign", "approve", "august", "--who", "bob", "--yes")
    live.opened(novice, "ann", "campaigns/august")
    novice.sees("august: running")
    novice.clicks("Pause august")
    novice.sees("recipients not sent to yet")
    novice.writes("Why", "wrong price")
    novice.clicks("Pause august")
    novice.sees("august is paused")
    sent = live.received()
    time.sleep(QUIET_SECONDS)  # at 20 a second, many more would have come
    assert live.received() == sent
    assert "august is paused" in novice.page  # it has not looked again
    novice.clicks("Back")
    novice.clicks("Resume august")
    novice.sees("Let august go on")
    novice.clicks("Resume august")
    novice.sees("august is running")
    live.eventually(lambda: live.received() > sent + 5)
    novice.clicks("Back")
    novice.clicks("Cancel august")
    novice.writes("Type", "july")
    novice.clicks("Cancel august for good")
    novice.sees("Nothing was done. Type august to confirm it.")
    assert live.document("campaign", "status", "august")["state"] == "running"
    novice.writes("Type", "august")
    novice.clicks("Cancel august for good")
    novice.sees("august is cancelled")
    live.eventually(live.account.is_quiet)
    states = live.document("campaign", "report", "august")["states"]
    assert states["accepted"] + states["cancelled"] == states["imported"] == 300
    acts = {(one["who"], one["action"]): one.get("why", "") for one in live.lines("audit", "list")}
    assert acts["ann", "pause"] == "wrong price"
    assert ("ann", "cancel") in acts


def test_a_replay_sends_each_letter_once_however_often_it_is_sent(
    live: Live, novice: Novice
) -> None:
    before = live.account.received()
    live.account.deployment.change_provider(senders=[SENDER, STRANGE])
    live.opened(novice, "ann", "dead")
    novice.clicks("Replay those of 40305")
    novice.sees("Send 3 dead letters")
    novice.writes("Why", "the sender is there now")
    novice.writes("Type", "2")
    novice.clicks("Replay 3 dead letters")
    novice.sees("Nothing was done. Type 3 to confirm it.")
    assert live.account.received() == before
    novice.writes("Type", "3")
    sent = novice.driver.execute_async_script(TWICE)
    assert sorted(sent) == [200, 409]
    numbers = [message(number).to for number in (1, 2, 3)]
    live.eventually(lambda: all(live.account.received()[one] for one in numbers))
    live.eventually(live.account.is_quiet)
    assert (live.account.received() - before) == dict.fromkeys(numbers, 1)
    novice.driver.get(f"{live.url}/dead")
    novice.sees("Dead letters: 0")


TWICE = """
const done = arguments[0], form = document.querySelector('form[method=post]');
const body = () => new URLSearchParams(new FormData(form));
const send = () => fetch(form.action, {method: 'POST', body: body()});
send().then(one => send().then(two => done([one.status, two.status])));
"""


def test_who_may_only_look_finds_no_button(live: Live, novice: Novice) -> None:
    environ = live.account.deployment.environ | {"FLOWER_BASIC_AUTH": LOGINS}
    for path in ("", "campaigns", "queue", "dead", "doubts", "optouts"):
        live.opened(novice, "len", path)
        novice.sees("Look again")
        assert not novice.driver.find_elements("css selector", ACTS)
    with running(environ, live.account.deployment.directory, "--read_only") as url:
        only = live._replace(url=url)
        only.opened(novice, "ann", "dead")
        novice.sees("Dead letters")
        assert not novice.driver.find_elements("css selector", ACTS)
        novice.driver.get(f"{url}/act/halt?level=account")
        novice.sees("You may not do this")
    assert live.lines("halt", "list") == []


def test_no_page_is_at_fault(live: Live, novice: Novice) -> None:
    live.account.enqueue(20, 23, sender="+15558888888")
    live.eventually(lambda: live.account.size("dead") >= 3)
    live.start("autumn", 300, first=3000)
    live.run("campaign", "approve", "autumn", "--who", "bob", "--yes")
    live.run("campaign", "pace", "autumn", "--rate", "2", "--who", "ann")
    live.opened(novice, "ann")
    for name, path in LOOKED_AT.items():
        novice.driver.get(f"{live.url}/{path}")
        novice.sees("Look again")
        novice.looks(f"flower-{name}")
    assert novice.faults == {}


LOOKED_AT = {
    "overview": "",
    "campaigns": "campaigns",
    "campaign": "campaigns/autumn",
    "queue": "queue",
    "dead": "dead",
    "doubts": "doubts",
    "twice": "twice",
    "message": "message?id=m20",
    "replies": "inbox",
    "optouts": f"optouts?number=%2B{OPTED_OUT[1:]}",
    "audit": "audit",
    "nobody": "campaigns/nobody",
    "pause": "act/pause?campaign=autumn",
    "cancel": "act/cancel?campaign=autumn",
    "pace": "act/pace?campaign=autumn",
    "halt": "act/halt",
    "replay": "act/replay?all=yes",
    "opt-out": "act/opt-out",
}
"""Pages and questions, by the names of their pictures."""
