"""``sluicegate message``: look at a single message."""

from ..kit.groups import group
from .retrieve import retrieve
from .show import show

message = group("Look at a single message.")

message.command()(show)
message.command()(retrieve)
