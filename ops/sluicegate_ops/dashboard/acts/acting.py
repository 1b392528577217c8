"""An act of a page: who may do it, what it asks before it is done, and what does it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sluicegate.audit import By
from sluicegate.config import Role

from ...operating.session import Session

SOURCE = "dashboard"
"""Where the opt-out list says that a number comes from which was added on a page."""

MOST_AT_ONCE = 5_000
"""Messages that one act changes; the rest waits for the next, so that no page takes minutes."""


class BadForm(ValueError):
    """A field of a form that can't be taken; the text says what it takes."""


class FormFields:
    """What a form said; a field may stand in it several times."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = given

    def one(self, name: str) -> str:
        """The last value without spaces around it, ``""`` where there is none."""
        return (self._given.get(name) or [""])[-1].strip()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value that is not empty, each once."""
        given = (value.strip() for value in self._given.get(name, ()))
        return tuple(dict.fromkeys(filter(None, given)))

    def named(self, *names: str) -> dict[str, str]:
        """Those of the fields that have a value."""
        return {name: value for name in names if (value := self.one(name))}

    def carried(self) -> Iterable[tuple[str, str]]:
        """The fields that say what is meant, for the form that confirms it."""
        for name in self._given:
            if name not in ASKED:
                yield from ((name, value) for value in self.all(name))


ASKED = ("why", "typed", "_xsrf", "account")
"""FormFields that the page itself asks of every act."""


class FormInput(NamedTuple):
    """A field that the question has: ``kind`` is ``text``, ``lines``, ``check`` or ``hidden``."""

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    needed: bool = False


class Question(NamedTuple):
    """What is asked before an act: ``what`` would be done, and what else there is to know of it.

    ``told`` are sentences, ``pairs`` names and values.

    ``button`` does it. ``typed`` must be typed, where it can't be undone. ``reason`` says that
    the audit must be told why. ``back`` is the page that the act belongs to, as parts of its path.
    """

    what: str
    button: str
    back: Sequence[str]
    told: Sequence[str] = ()
    typed: str = ""
    reason: bool = False
    inputs: Sequence[FormInput] = ()
    pairs: Sequence[tuple[str, str]] = ()


class DashboardAct(NamedTuple):
    """An act for people who have one of ``roles``.

    ``ask`` and ``run`` raise what their commands raise, and BadForm. ``run`` says what was done.
    """

    slug: str
    tab: str
    roles: Sequence[Role]
    ask: Callable[[Session, FormFields], Question]
    run: Callable[[Session, By, FormFields], str]
