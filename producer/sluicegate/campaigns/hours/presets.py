"""Hours that laws set, as ``presets.toml`` has them with their sources: no legal advice."""

from collections.abc import Mapping
from datetime import date
from functools import cache, cached_property
from importlib.resources import files

import msgspec

from ...errors import BadHours
from ...numbering import region_of
from .zones import zones_with

_FILE = "presets.toml"


class LegalRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: open in ``hours``, but not on the public ``holidays``; of one state, or of all.

    ``law`` is what the ``source`` names, which was ``read`` on that day.
    """

    hours: str
    law: str
    source: str
    read: date
    state: str = ""
    holidays: tuple[str, ...] = ()


class Territory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state or territory, and its area codes with spaces between them."""

    name: str
    areas: str


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The rules of a preset, for numbers of its ``countries`` alone, and which state is where."""

    title: str
    countries: tuple[str, ...]
    rules: tuple[LegalRule, ...]
    states: Mapping[str, Territory]

    def state_named(self, text: str) -> str:
        """The code of a state by its code or its name; raises BadHours."""
        if not self.knows(text):
            raise BadHours(text, "is no state: write its code or its name, as FL or Florida")
        return self._by_name[_plain(text)]

    def knows(self, text: str) -> bool:
        """Whether a text names a state, by its code or its name."""
        return _plain(text) in self._by_name

    def state_of(self, number: str) -> str:
        """The code of the state that a number was given out in, ``""`` where that is not known."""
        return self._by_area.get(number[2:5], "")

    def concerns(self, number: str) -> bool:
        """Whether the rules are for whoever has this number in E.164."""
        region = region_of(number)
        return region in self.countries or (not region and number[1] == "1")

    def rules_of(self, state: str) -> tuple[LegalRule, ...]:
        """The rules that hold in a state; all of them where it is not known."""
        return tuple(rule for rule in self.rules if not (state and rule.state not in ("", state)))

    def zones_of(self, state: str) -> tuple[str, ...]:
        """All the zones of a state, by those of its area codes."""
        areas = self.states[state].areas.split()
        return tuple(sorted({zone for area in areas for zone in zones_with(f"1{area}")}))

    @cached_property
    def _by_area(self) -> dict[str, str]:
        return {area: code for code, of in self.states.items() for area in of.areas.split()}

    @cached_property
    def _by_name(self) -> dict[str, str]:
        names = {of.name.lower(): code for code, of in self.states.items()}
        return names | {code.lower(): code for code in self.states}


def _plain(text: str) -> str:
    return text.strip().lower().removeprefix("us-")


def preset_named(name: str) -> Preset:
    """The preset of that name; raises BadHours."""
    known = presets()
    if name not in known:
        raise BadHours(name, f"is no preset: there is {', '.join(known)}")
    return known[name]


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    text = (files(__package__) / _FILE).read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Preset])
