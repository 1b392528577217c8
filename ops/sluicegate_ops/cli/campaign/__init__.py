"""``sluicegate campaign``: one text to many recipients from a file, watched and controlled."""

from ..kit.groups import group
from .approve import approve
from .compare import compare
from .control import cancel, pause, resume
from .delete import delete
from .export import export
from .guards import guard
from .hours import list_hours
from .links import links
from .list_campaigns import list_
from .pace import pace
from .preflight import check
from .presets import list_presets
from .preview import preview
from .repeat import repeat
from .report import report
from .retry import retry
from .revise import revise
from .schedule import schedule
from .show import status
from .start import start
from .test import test
from .watch import watch

campaign = group("Send one text to many recipients from a file.")

campaign.command("preflight")(check)
campaign.command()(preview)
campaign.command()(test)
campaign.command()(start)
campaign.command("list")(list_)
campaign.command()(status)
campaign.command()(watch)
campaign.command()(schedule)
campaign.command()(repeat)
campaign.command()(pause)
campaign.command()(resume)
campaign.command()(cancel)
campaign.command()(pace)
campaign.command()(guard)
campaign.command()(approve)
campaign.command()(revise)
campaign.command("hours")(list_hours)
campaign.command("presets")(list_presets)
campaign.command()(report)
campaign.command()(links)
campaign.command()(compare)
campaign.command()(retry)
campaign.command()(export)
campaign.command()(delete)
