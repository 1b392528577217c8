"""``sluicegate optout``: who is never sent to, whose reply waits for you, and who said what."""

from ..kit.groups import group
from .changes import add, import_, remove
from .exporting import export
from .listing import history, list_
from .reviewing import review
from .syncing import sync

optout = group("Keep the list of numbers that are never sent to.")

optout.command()(add)
optout.command()(remove)
optout.command("list")(list_)
optout.command()(review)
optout.command()(history)
optout.command()(export)
optout.command("import")(import_)
optout.command()(sync)
