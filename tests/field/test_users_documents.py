"""What trials in the field found about the documents: a page for each task, and true."""

import re
from pathlib import Path

import pytest

import sluicegate
from sluicegate import MessageStatus, Sluice, testing
from sluicegate.campaigns.filters import FILLED, FILTERS
from sluicegate.campaigns.template import Template
from sluicegate.message import Message
from sluicegate.outbox import EnqueueResult
from support.command_line import NUMBER, SENDER, Cli
from support.messages import message, plan, recipient

ROOT = Path(__file__).parents[2]
PAGES = ("TEXTS", "JSON", "PYTHON", "DEPLOYMENT", "UPGRADE", "BACKUP", "WINDOWS", "PERFORMANCE")


def page(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")


def examples() -> list[tuple[str, dict[str, str], str]]:
    """The rows of the tables in TEXTS.md: a text, its values, and what is sent."""
    found = []
    for line in page("TEXTS").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and "=" in cells[1] and cells[0].startswith("`"):
            text, sent = (cell.strip("`").replace("\\|", "|") for cell in (cells[0], cells[2]))
            pairs = (pair.strip().strip("`").partition("=") for pair in cells[1].split(","))
            found.append((text, {name: value for name, _, value in pairs}, sent))
    return found


def fields(row: str) -> set[str]:
    """The names in code in a row of JSON.md's table, by the row's first cell."""
    [line] = [line for line in page("JSON").splitlines() if line.startswith(f"| {row} |")]
    return set(re.findall(r"`([a-z_]+)`", line.partition(" |")[2]))


@pytest.mark.parametrize("name", PAGES)
def test_13_there_is_a_page_for_each_task_and_the_readme_leads_there(name: str) -> None:
    assert page(name).startswith("# ")
    assert f"docs/{name}.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_13_links_between_documents_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), (path.name, link)


@pytest.mark.parametrize(("text", "values", "sent"), examples())
def test_13_each_example_of_a_text_is_true(text: str, values: dict[str, str], sent: str) -> None:
    assert Template(text).render(values) == sent


def test_13_every_filter_is_shown() -> None:
    shown = page("TEXTS")
    assert all(f"|{name}" in shown for name in FILTERS if name != FILLED)
    assert len(examples()) > 15


def test_13_all_of_the_python_reference_is_there() -> None:
    shown = page("PYTHON")
    names = {*sluicegate.__all__, *Message.__struct_fields__, *MessageStatus.__struct_fields__}
    names |= {*EnqueueResult.__struct_fields__, "optouts", "enqueue_many"}
    names |= {name for name in vars(Sluice) if not name.startswith("_")} - {"config"}
    played = ("outbox", "async_outbox", "enqueued", "accept", "deliver", "die", "redis_away")
    names |= {*played, "redis_full"}
    assert all(hasattr(testing, name) for name in played)
    missing = {name for name in names if not re.search(rf"\b{name}\b", shown)}
    assert missing <= {"second_provider_id", "__version__"}


def test_13_the_documented_json_is_what_is_written(cli: Cli) -> None:
    july = plan()
    cli.bench.campaigns.create(july)
    cli.bench.add("july", *[recipient(july, n) for n in range(3)])
    cli.bench.enqueue(message(1))
    found = cli.document("status", exits=1)
    assert fields("`status`") <= set(found)
    assert fields("`status`, in `counts`") <= set(found["counts"]) | {"counts"}
    assert fields("`status`, in `findings`") <= set(found["findings"][0]) | {"findings"}
    assert fields("`why`") <= set(cli.document("why"))
    campaign = cli.document("campaign", "status", "july")
    commands = ("watch", "pause", "resume", "cancel", "pace", "guard", "status")
    row = ", ".join(("`campaign list`", *(f"`{name}`" for name in commands)))
    assert fields(row) <= {*campaign, *commands}
    assert fields("in a `ledger`") <= set(campaign["ledger"]) | {"ledger"}
    assert fields("in `deliveries`") <= set(campaign["ledger"]["deliveries"]) | {"deliveries"}
    Path("people.csv").write_text("phone\n+15552010001\n")
    checked = ("campaign", "preflight", "people.csv", "--from", SENDER, "--text", "hello")
    assert fields("`campaign preflight`") <= set(cli.document(*checked))
    started = cli.document(
        "campaign",
        "start",
        "people.csv",
        "--from",
        SENDER,
        "--text",
        "hi",
        "--name",
        "june",
        "--yes",
    )
    assert fields("`campaign start`") <= {*started, *started["imported"]}
    sent = cli.document(
        "send", "--to", NUMBER, "--from", SENDER, "--text", "hi", "--wait", "0", exits=1
    )
    assert set(sent) <= fields("`send`")


def test_09_what_installs_it_is_what_works() -> None:
    shown = page("DEPLOYMENT")
    assert "not on the Python index" in shown
    for way in ("pip install '.[all]'", "@ git+https://", ".whl"):
        assert way in shown
    sources = [*(ROOT / "producer").rglob("*.py"), *(ROOT / "ops/sluicegate_ops").rglob("*.py")]
    told = [path.name for path in [*sources, ROOT / "README.md"]
            if "pip install 'sluicegate" in path.read_text(encoding="utf-8")]  # fmt: skip
    assert not told, "there is no such package on the index yet"


def test_13_the_page_on_performance_opens_with_what_is() -> None:
    shown = page("PERFORMANCE")
    assert "NO" not in shown.split()
    assert len(shown.splitlines()) < 60
