"""``sluicegate dead``: look at dead letters, send them again, or give them up."""

from ..kit.groups import group
from .export import export
from .list_letters import list_
from .purge import purge
from .replay import replay
from .show import show

dead = group("Handle dead letters: messages that only you can send again.")

dead.command("list")(list_)
dead.command()(show)
dead.command()(replay)
dead.command()(export)
dead.command()(purge)
