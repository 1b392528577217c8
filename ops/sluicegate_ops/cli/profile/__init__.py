"""``sluicegate profile``: messaging profiles at the provider, and where their webhooks go."""

from ..kit.groups import group
from .listing import list_, show
from .pointing import set_webhook

profile = group("See messaging profiles, and point their webhooks.")

profile.command("list")(list_)
profile.command("show")(show)
profile.command("set-webhook")(set_webhook)
