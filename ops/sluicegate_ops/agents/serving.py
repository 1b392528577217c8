"""The tools of an AI agent, by the Model Context Protocol's own SDK.

Each page of the dashboard is a tool that looks. ``preflight`` and ``draft`` are those of
``drafts``. There is no tool that sends: what an agent asks for in words changes nothing of that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from sluicegate.errors import SluicegateError

from ..dashboard.accounts import OpenAccounts
from ..dashboard.pages import PAGES, DashboardPage, answered
from ..operating.session import Session
from ..operating.words import hidden
from .drafts import DraftRequest, Drafts

INSTRUCTIONS = """\
Sluicegate sends SMS and MMS. You may look at everything, and draft campaigns; you can't send.
A draft goes out only when a person runs `sluicegate campaign approve NAME`, which shows them the
text, the recipients and the cost. Phone numbers are masked. Money is in the account's currency."""

_LOOKS = ToolAnnotations(read_only_hint=True)
_CHECKS = ToolAnnotations(read_only_hint=True, idempotent_hint=True)
_DRAFTS = ToolAnnotations(destructive_hint=False, idempotent_hint=True)


def agent_server(session: Session, agent: str, folder: Path | None = None) -> MCPServer[Any]:
    """The server of the tools that ``agent`` has on the session's account.

    ``folder`` is where it may name files of rows, None for nowhere.
    """
    server: MCPServer[Any] = MCPServer(
        "sluicegate",
        title="Sluicegate",
        instructions=INSTRUCTIONS,
        version=version("sluicegate"),
        log_level="ERROR",
    )
    opened = OpenAccounts(session.config_path)
    for page in PAGES:
        look = _look(opened, page, session.name)
        server.tool(page.slug, description=_about(page), annotations=_LOOKS)(look)
    _add_drafts(server, Drafts(session, agent, folder))
    return server


def _about(page: DashboardPage) -> str:
    first = (page.read.__doc__ or "").partition("\n\n")[0]
    return f"{page.title}. {' '.join(first.split())}"


def _look(opened: OpenAccounts, page: DashboardPage, account: str) -> Callable[..., Any]:
    """A tool that looks at a page; it takes what the page is about by that name."""

    def look(*arguments: str) -> dict[str, Any]:
        answer = answered(opened, page, account, *arguments)
        if answer.trouble:
            raise ToolError(answer.trouble)
        return answer.data

    def of_one(name: str) -> dict[str, Any]:
        return look(name)

    def of_an_id(id: str) -> dict[str, Any]:
        return look(id)

    def of_all() -> dict[str, Any]:
        return look()

    return of_an_id if "id" in page.asks else of_one if "(" in page.path else of_all


def _add_drafts(server: MCPServer[Any], drafts: Drafts) -> None:
    @server.tool(annotations=_CHECKS)
    def preflight(campaign: DraftRequest) -> dict[str, Any]:
        """Check a text and whom it is for; store nothing.

        Answers segments, cost, countries, rejected rows with reasons, opt-outs, sample texts.
        """
        with _refused():
            return drafts.preflight(campaign)

    @server.tool(annotations=_DRAFTS)
    def draft(name: str, campaign: DraftRequest) -> dict[str, Any]:
        """Keep a campaign as a draft; a person has to approve it before anything is sent.

        The name is 1 to 60 of a-z 0-9 _ and -. Repeating it adds nobody twice; other rows with the
        same text are added. Answers the preflight, the hash of what is to be approved, and the
        command by which a person approves it.
        """
        with _refused():
            return drafts.draft(campaign, name)

    @server.tool(annotations=_LOOKS)
    def proposal(name: str) -> dict[str, Any]:
        """What a person would approve of a campaign now, by its hash, and by which command."""
        with _refused():
            return drafts.proposal(name)


@contextmanager
def _refused() -> Iterator[None]:
    """Tell the agent what was refused and why, with no number in it."""
    try:
        yield
    except SluicegateError as error:
        raise ToolError(hidden(str(error))) from error
    except redis.RedisError as error:
        raise ToolError("Redis does not answer") from error
