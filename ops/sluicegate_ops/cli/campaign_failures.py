"""How a campaign's command fails: what went wrong, and the way out."""

from typing import Any

import typer
from typer.core import TyperGroup

from sluicegate.errors import (
    BadFile,
    BadTemplate,
    CampaignExists,
    SluicegateError,
    WrongCampaignState,
)

from .kit.failures import BAD_INPUT, FAILED, say

_EXTRA = ("jinja2", "phonenumbers")


class CampaignCommands(TyperGroup):
    """The group of a campaign's commands: its errors end as one line and a status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (BadFile, BadTemplate, CampaignExists) as error:
            _complain(error)
            raise typer.Exit(BAD_INPUT) from error
        except WrongCampaignState as error:
            _complain(error)
            raise typer.Exit(FAILED) from error
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            say(str(error))
            raise typer.Exit(FAILED) from error


def _complain(error: SluicegateError) -> None:
    way_out = _way_out(error)
    say(f"{error}. {way_out}" if way_out else str(error))


def _way_out(error: SluicegateError) -> str:
    match error:
        case CampaignExists(name=name):
            return f"What it sends: sluicegate campaign status {name}"
        case WrongCampaignState(state="draft", name=name):
            return f"Give it its file, and it starts: sluicegate campaign start FILE --name {name}"
        case WrongCampaignState(state="finished"):
            return "Nothing of it is left to send; another file may add to it"
        case WrongCampaignState(state="cancelled"):
            return "That is for good: give the rest to a campaign of another name"
        case _:
            return ""
