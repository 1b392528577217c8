"""What people see of a plan before they agree to it."""

import typer

from ...operating.words import clean, counted
from .derived import counted_kinds
from .plan import SetupPlan


def show_plan(plan: SetupPlan, *, err: bool) -> None:
    """Write what was read, what is left out, and every change."""

    def line(text: str) -> None:
        typer.echo(clean(text), err=err)

    owned, derived, target = plan.owned, plan.derived, plan.target
    balance = f", balance {owned.balance} {owned.currency}" if owned.balance else ""
    line(f"account {target.account} at {target.base_url}{balance}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in counted_kinds(derived).items())
    line(f"  {counted(len(derived.senders), 'sender')}: {kinds or 'none'}")
    for left in derived.set_aside:
        line(f"  left out: {left.name}: {left.why}; {left.do}")
    for part, why in owned.unread.items():
        line(f"  not read: {part}: {why}")
    for file in plan.files:
        new = "new" if file.before is None else "changed"
        line(f"\n{file.path} ({new}{', only for its owner' if file.secret else ''}):")
        for changed in _variables(plan) if file.secret else file.diff():
            line(f"  {changed}")
    if plan.webhooks:
        line("\nwebhooks at the provider:")
    for webhooks in plan.webhooks:
        for name, before in webhooks.before.items():
            after = webhooks.after[name]
            line(f"  profile {webhooks.name}, {name}: {before or 'none'} -> {after or 'none'}")


def _variables(plan: SetupPlan) -> list[str]:
    return [f"+{name}=..." for name in plan.variables]


def result(plan: SetupPlan, *, changed: bool) -> dict[str, object]:
    """The plan as a JSON document, without any secret."""
    return {
        "account": plan.target.account,
        "changed": changed,
        "senders": counted_kinds(plan.derived),
        "files": [str(file.path) for file in plan.files],
        "variables": plan.variables,
        "webhooks": plan.webhooks,
        "set_aside": plan.derived.set_aside,
        "unread": plan.owned.unread,
    }
