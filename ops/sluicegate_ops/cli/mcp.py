"""``sluicegate mcp``: tools for an AI agent, which looks and drafts, and never sends."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ..operating.session import Session
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail

_NAME = re.compile(r"[\w.@-]{1,40}")


@option_set
class McpOptions:
    """The options of ``mcp``."""

    agent: Annotated[
        str,
        typer.Option(metavar="NAME", help="What the audit calls the agent; agent: stands before."),
    ] = "mcp"
    files: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Where the agent may name files of rows; nowhere, without it.",
        ),
    ] = None


@command
def mcp(session: Session, options: McpOptions) -> None:
    """Give an AI agent tools on standard input and output (MCP).

    It looks at what the dashboard shows, checks texts, and drafts campaigns. What
    it drafts goes out only when a person runs campaign approve. It needs the
    extra mcp.

    \b
    Example:
      sluicegate mcp --agent claude --files lists
    """
    if not _NAME.fullmatch(options.agent):
        fail("--agent: 1 to 40 letters, digits, and _ . @ -", BAD_INPUT)
    try:
        from ..agents.serving import agent_server
    except ImportError:
        fail("mcp is missing: install the extra mcp, as with pip install '.[mcp]' in a checkout")
    agent_server(session, options.agent, options.files).run("stdio")
