"""How commands are grouped: in sections of the help, with errors that end as one line."""

from typing import Any

import typer
from typer.core import TyperGroup

from .failures import EXPECTED, end_with

CONTEXT = {"help_option_names": ["-h", "--help"]}
"""Settings that every command inherits from the root."""


class Commands(TyperGroup):
    """The root of the command line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            end_with(error, ctx.obj)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands under their sections, the summaries aligned across all of them."""
        names = self.list_commands(ctx)
        width = max(map(len, names))
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in names:
            command: Any = self.get_command(ctx, name)
            summary = command.get_short_help_str(formatter.width - width - 6)
            section = sections.setdefault(command.rich_help_panel, [])
            section.append((name.ljust(width), summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def group(help: str) -> typer.Typer:
    """A group of commands under one name, such as ``sluicegate dead``."""
    return typer.Typer(help=help, no_args_is_help=True)
