"""Finds what a text should hardly say: other tools' placeholders, NULL, HTML, ``\\\\n``.

Nothing here is refused, since all of it can be meant. A preflight counts it as warnings.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ..stored import Ticket
from .columns import matching, variable
from .plan import Plan
from .recipients import Recipient


class Oddity(NamedTuple):
    """What was found: ``what`` is the kind with an example, ``where`` the text or a variable."""

    where: str
    what: str


IN_TEXT = "text"
_decoded = msgspec.json.Decoder(list[str]).decode

# Signs that hardly enclose anything but a name, wherever they stand.
_PLACEHOLDERS = re.compile(
    r"""\(\([^()\n]{1,60}\)\)            # GOV.UK Notify
    | \*\|[^|\n]{1,60}\|\*               # Mailchimp
    | <<[^<>\n]{1,60}>> | «[^«»\n]{1,60}»    # Word
    | \[\[[^\[\]\n]{1,60}\]\]
    | <%=?[^%\n]{1,60}%> | \$\{[^{}\n]{1,60}\}
    | %%[\w. -]{1,60}%% | %[A-Za-z_]\w{1,60}%
    | \#\{[^{}\n]{1,60}\} | \{[!$%\#]?[A-Za-z_][\w. -]{0,60}\}
    """,
    re.VERBOSE,
)

# Signs that may enclose other things: only around the name of a column, or of a usual one.
_MAYBE = re.compile(
    r"\[(?P<a>[^\[\]\n]{2,60})\]|<(?P<b>[^<>/\n]{2,60})>|\$(?P<c>[A-Za-z_]\w{1,60})|"
    r"#(?P<d>\w{2,60})#|@(?P<e>\w{2,60})@|\b__(?P<f>\w{2,60})__\b|(?<!\w)[%:](?P<g>[a-z_]{3,60})\b"
)
_USUAL = re.compile(
    "((first|last|full|given|family|sur|nick|user|customer|client|contact)_?name|[fl]_?name|name|"
    "vorname|nachname|prenom|nom|nombre|apellidos?|anrede|salutation|title|e?_?mail|phone|mobile|"
    "company|firma|city|ort|(order|invoice|customer)(_?(id|no|number))?|code|coupon|voucher|link|"
    "url|date|datum|time|amount|balance|address|adresse)"
)
_NOTHING = re.compile(
    r"[(<\[]?(null|nil|none|nan|undefined|missing|empty|blank|n/a|n\.a\.|unknown|tbd|todo)[)>\]]?|"
    r"\\N|NA|#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!)|[-?._*]+",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_MARKUP = re.compile(
    r"</?(a|b|br|p|i|u|div|span|strong|em|font|li|ul|img|h[1-6])\b[^<>]*>", re.IGNORECASE
)
_ESCAPE = re.compile(r"\\(r\\n|[nrt]|u[0-9A-Fa-f]{4})")
_OFTEN_ODD = re.compile(r"[(\[<«*%$#@_:&\\{]").search  # without any of these nothing else matches


def values_of(recipient: Recipient) -> list[str]:
    """The values of a recipient's ticket, those of the template's variables first."""
    values: list[str] = _decoded(Ticket.values_of(recipient.ticket_end))
    return values


class Oddities:
    """Looks at the recipients of one plan; ``columns`` are those of the file."""

    def __init__(self, plan: Plan, columns: Sequence[str]) -> None:
        self._columns, self._variables = columns, plan.values
        self._said = frozenset(plan.template.variables)
        said = re.sub(r"\{[{%#].*?[}%#]\}", "\n", plan.text, flags=re.DOTALL)
        self._literals = [*self._found(said)]
        self._of_value = lru_cache(10_000)(self._value)  # values repeat, above all odd ones

    def of(self, recipient: Recipient) -> Iterator[Oddity]:
        """Yield what is odd about a recipient's text, each once."""
        for literal, what in self._literals:
            if literal in recipient.text:  # it may stand in a branch that this one has not
                yield Oddity(IN_TEXT, what)
        if self._variables:
            for name, value in zip(self._variables, values_of(recipient), strict=False):
                if name in self._said and value and (what := self._of_value(value)):
                    yield Oddity(name, what)

    def _value(self, value: str) -> str:
        if _NOTHING.fullmatch(value.strip()):
            return f"{value.strip()!r} stands for no value: empty the cell"
        return next((what for _, what in self._found(value)), "")

    def _found(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield each thing in ``text`` and what is odd about it."""
        if not _OFTEN_ODD(text):
            return
        markup = {found[0] for found in _MARKUP.finditer(text)}
        for literal in dict.fromkeys(self._placeholders(text)):
            if literal not in markup:
                yield literal, f"{literal!r} is no variable here: {self._way_out(literal)}"
        for literal in sorted(markup):
            yield literal, f"{literal!r} is HTML, which a phone shows as it is"
        for literal in dict.fromkeys(found[0] for found in _ENTITY.finditer(text)):
            yield literal, f"{literal!r} is HTML: write the character itself"
        for literal in dict.fromkeys(found[0] for found in _ESCAPE.finditer(text)):
            yield literal, f"{literal!r} is sent as it is: write the character itself"

    def _placeholders(self, text: str) -> Iterator[str]:
        yield from (found[0] for found in _PLACEHOLDERS.finditer(text))
        rest = _PLACEHOLDERS.sub("\n", text)
        for found in _MAYBE.finditer(rest):
            name = next(filter(None, found.groups()))
            if matching(self._columns, name) or _USUAL.fullmatch(variable(name).strip("_")):
                yield found[0]

    def _way_out(self, literal: str) -> str:
        name = literal.strip("()*|<>«»[]%${}#!=@_: ")
        found = matching(self._columns, name) if name else []
        if len(found) != 1:
            return "write {{ column }}"
        return f"write {{{{ {variable(self._columns[found[0]])} }}}}"
