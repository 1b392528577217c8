"""Who looks, and what that person may do; by the configuration, whatever let them in."""

from collections.abc import Mapping
from typing import NamedTuple

from sluicegate.config import DeskUser, Role


class Person(NamedTuple):
    """Somebody who has logged in under ``name``; ``roles`` are empty for a mere reader."""

    name: str = ""
    roles: frozenset[Role] = frozenset()

    def may(self, *roles: Role) -> bool:
        """Whether one of ``roles`` is theirs."""
        return not self.roles.isdisjoint(roles)


NOBODY = Person()
"""Somebody without a name, who may look where nobody asks for one."""


def person_named(users: Mapping[str, DeskUser], name: str) -> Person:
    """The person of that name, who has no role where the configuration doesn't know them."""
    user = users.get(name)
    return Person(name, frozenset(user.roles) if user else frozenset())
