"""``sluicegate message``: look at a single message."""

from ..kit.groups import group
from .show import show

message = group("Look at a single message.")

message.command()(show)
