"""A campaign's text with ``{{ variables }}``, checked once and rendered for each recipient.

What it may say is in ``grammar.py``; all else is refused when the template is made. Rendering is
pure: no time, no randomness, no locale, nothing global. The same template and the same values give
the same bytes, on whichever worker and however often.
"""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING
from unicodedata import normalize

from ..errors import BadValue
from .grammar import MAX_ELIFS, MAX_SOURCE, flaw, parsed, shows

if TYPE_CHECKING:
    import jinja2
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = [
    "MAX_ELIFS",
    "MAX_SOURCE",
    "MAX_VALUE",
    "RENDERER",
    "Template",
    "variable",
]

RENDERER = "jinja2/1"
"""What rendered a campaign, recorded with it. A change to any output needs a new number."""

MAX_VALUE = 10_000
"""Characters that ``replace`` may make of a value."""


class Template:
    """One version of a campaign's text.

    ``variables`` are the names it uses, in order of first use. ``version`` is a short hash of
    the renderer and the source: equal versions render equal values to equal texts.

    Of a value, surrounding whitespace is dropped and every inner run of whitespace (line ends
    and tabs too) becomes one space, so that a cell of a spreadsheet never breaks a message's
    lines. A value without a single visible character (a zero-width space, say) counts as empty.

    The filters are ``upper lower title capitalize trim``, ``default(text)``,
    ``replace(old, new)``, ``truncate(length)``, ``int`` and ``round(digits)``. Four differ from
    Jinja's. ``default`` always fills an empty value too, as if its second argument were true, and
    takes another variable as well as a text. ``truncate`` keeps to its length, its ``...``
    included. ``int`` and ``round`` refuse what is not a number, where Jinja would send 0;
    ``round`` keeps its digits (``"2.5"|round(2)`` is ``2.50``) and rounds a half away from zero.

    A condition is a variable (false where it is missing or empty), a comparison with ``==`` or
    ``!=``, one of numbers with ``<`` and its kin, or some of them under ``not``, ``and``, ``or``.

    :raises BadTemplate: a syntax error, or something outside this language. A single brace in
        the text is refused too: ``{name}`` is a slip that would go out to everybody.
    """

    __slots__ = ("_compiled", "_holes", "_parts", "source", "variables", "version")

    source: str
    variables: tuple[str, ...]
    version: str

    def __init__(self, source: str) -> None:
        environment = _environment()
        tree = parsed(source, environment)
        self.source = source
        self.variables = _names(tree)
        self.version = blake2b(f"{RENDERER}\0{source}".encode(), digest_size=8).hexdigest()
        self._parts, self._holes = _joined(tree.body)
        self._compiled = None if self._parts else environment.from_string(_prepared(tree))

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def render(self, values: Mapping[str, str]) -> str:
        """Give the text for one recipient, without whitespace around it.

        Names that the template doesn't use are ignored. A value is text, never a template:
        a text that would show ``{{`` or ``{%`` to the recipient is refused. Where conditions
        leave nothing to say the text is empty, and no message can be made of it.

        :raises BadValue: a ``{{ variable }}`` without a visible character and without a
            ``default``, or a value that can't be used.
        """
        if self._compiled is None:
            parts = self._parts.copy()
            for place, name in self._holes:
                parts[place] = value = _cleaned(values, name)
                if not value:
                    raise _blank(values, name)
            text = "".join(parts).strip()
        else:
            text = self._rendered(self._compiled, values)
        if "{" in text and _MARK.search(text):
            raise self._marked(values)
        return text

    def _rendered(self, compiled: "jinja2.Template", values: Mapping[str, str]) -> str:
        try:
            text = compiled.render({name: _cleaned(values, name) for name in self.variables})
        except _Emptied as error:
            raise _blank(values, error.variable) from None
        return text.strip()

    def _marked(self, values: Mapping[str, str]) -> BadValue:
        """Name the first variable with a brace: the template's own text has none."""
        culprits = (name for name in self.variables if "{" in _cleaned(values, name))
        return BadValue(next(culprits), "puts '{{' or '{%' into the text")


def variable(column: str) -> str:
    """Name the variable of a column: ``First Name`` is ``{{ first_name }}``.

    The column's name is stripped and lower-cased, every run of anything but letters (with their
    marks) and digits becomes one ``_``, and a leading digit gets a ``_`` before it. The few words
    that can't be variables get a ``_`` after them: ``none_``. Two columns may share a variable.
    """
    spaced = normalize("NFKC", normalize("NFKC", column).strip().lower())
    name = re.sub("_+", "_", "".join(c if f"_{c}".isidentifier() else "_" for c in spaced))
    if not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if name in _WORDS else name


_WORDS = frozenset({"not", "true", "false", "none", "self"})

_MARK = re.compile(r"\{[{%]")


# ---- values


def _cleaned(values: Mapping[str, str], name: str) -> str:
    """Give a value as it is used: ``""`` where it is missing or shows nothing."""
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadValue(name, f"is not text ({type(value).__name__})")
    if value.isalnum() and value.isascii():  # one plain word, as most are
        return value
    value = " ".join(value.split())
    if not value.isprintable():
        if fault := flaw(value):
            raise BadValue(name, fault)
    elif value.isascii():
        return value
    return value if shows(value) else ""


def _blank(values: Mapping[str, str], name: str) -> BadValue:
    if values.get(name) is None:
        return BadValue(name, "is missing")
    return BadValue(name, f"is empty{' after its filters' if _cleaned(values, name) else ''}")


# ---- filters: each gets the value, the name of its variable, and its arguments


class _Emptied(Exception):
    """A ``{{ }}`` came out empty; ``variable`` is what it shows."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(variable)


def _filled(value: object, variable: str) -> str:
    """Stand last in every ``{{ }}``: nothing empty is sent."""
    text = str(value)
    if not shows(text):
        raise _Emptied(variable)
    return text


def _title(text: str, variable: str) -> str:
    return re.sub(r"[^-\s({\[<]+", lambda word: word[0][0].upper() + word[0][1:].lower(), text)


def _default(text: str, variable: str, fallback: str, boolean: bool = True) -> str:
    return text if shows(text) else fallback


def _replace(text: str, variable: str, old: str, new: str) -> str:
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_VALUE:
        raise BadValue(variable, f"grows past {MAX_VALUE:,} characters in |replace")
    return text.replace(old, new)


def _truncate(text: str, variable: str, length: int) -> str:
    if len(text) <= length:
        return text
    return text[: length - 3].rsplit(" ", 1)[0] + "..."


_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_EXACT = Context(prec=60)  # explicit: a thread's own context must not change a text


def _number(value: object, variable: str) -> Decimal:
    text = str(value)
    if not text:
        raise _Emptied(variable)
    if not _NUMBER.fullmatch(text):
        raise BadValue(variable, "is not a number")
    return Decimal(text)


def _int(value: object, variable: str) -> int:
    return int(_number(value, variable))


def _round(value: object, variable: str, digits: int = 0) -> Decimal:
    places = Decimal((0, (1,), -digits))
    rounded = _number(value, variable).quantize(places, ROUND_HALF_UP, _EXACT)
    return _EXACT.abs(rounded) if rounded.is_zero() else rounded


_FILLED = "(filled)"  # no template can write that name

_FILTERS: dict[str, Callable[..., object]] = {
    "upper": lambda text, variable: text.upper(),
    "lower": lambda text, variable: text.lower(),
    "title": _title,
    "capitalize": lambda text, variable: text.capitalize(),
    "trim": lambda text, variable: text.strip(),
    "default": _default,
    "replace": _replace,
    "truncate": _truncate,
    "int": _int,
    "round": _round,
    _FILLED: _filled,
}


# ---- from the tree to what renders it


@cache
def _environment() -> "ImmutableSandboxedEnvironment":
    try:
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "templates need Jinja: pip install 'sluicegate[campaign]'", name="jinja2"
        ) from error
    environment = ImmutableSandboxedEnvironment(autoescape=False)  # text messages, not HTML
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(_FILTERS)
    return environment


def _names(tree: "nodes.Template") -> tuple[str, ...]:
    from jinja2 import nodes

    return tuple(dict.fromkeys(name.name for name in tree.find_all(nodes.Name)))


def _joined(body: "list[nodes.Node]") -> tuple[list[str], list[tuple[int, str]]]:
    """Give text and plain ``{{ name }}`` as parts and the places to fill; else no parts."""
    from jinja2 import nodes

    parts: list[str] = []
    holes: list[tuple[int, str]] = []
    for statement in body:
        if not isinstance(statement, nodes.Output):
            return [], []
        for node in statement.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append(node.data)
            elif isinstance(node, nodes.Name):
                holes.append((len(parts), node.name))
                parts.append("")
            else:
                return [], []
    return parts, holes


def _prepared(tree: "nodes.Template") -> "nodes.Template":
    """Tell every filter its variable, for its errors, and put ``_filled`` around what shows."""
    from jinja2 import nodes

    def variable_of(node: nodes.Node) -> nodes.Const:
        """Name the variable that a chain of filters starts from."""
        start = node if isinstance(node, nodes.Name) else next(node.find_all(nodes.Name))
        return nodes.Const(start.name, lineno=node.lineno)

    def filled(node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.TemplateData):
            return node
        return nodes.Filter(node, _FILLED, [variable_of(node)], [], None, None, lineno=node.lineno)

    for each in tree.find_all(nodes.Filter):
        each.args.insert(0, variable_of(each))
    for output in tree.find_all(nodes.Output):
        output.nodes = [filled(node) for node in output.nodes]
    return tree
