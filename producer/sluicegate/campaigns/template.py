"""A campaign's text with ``{{ variables }}``, checked once and rendered for each recipient.

``grammar.py`` defines the language and refuses everything else when the template is made;
``filters.py`` defines the filters. Rendering is pure: it uses no time, randomness, locale or
global state. The same template and values give the same bytes, on any worker and however often.
"""

import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..errors import BadTemplate, BadValue
from .filters import FILLED, FILTERS, Emptied, blank, cleaned
from .grammar import MAX_SOURCE, checked, parsed
from .own_lines import cleared, marked
from .plain_punctuation import plain

if TYPE_CHECKING:
    import jinja2
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

RENDERERS = ("jinja2/1", "jinja2/2", "jinja2/3", "jinja2/4")
"""The renderer's versions, recorded with each campaign: a change to any output needs a new one.

The second leaves out lines on which only tags stood: see ``own_lines.py``. The third knows the
filters of ``value_formats.py``, and plain punctuation; the fourth short links.
"""

_OF_THE_THIRD = re.compile(r"\|\s*(date|number|currency)\b")


def renderer_of(source: str, plain_punctuation: bool = False, short_links: bool = False) -> str:
    """Return the renderer of a new text: the oldest that gives the same as the latest one."""
    if short_links:
        return RENDERERS[3]
    if plain_punctuation or _OF_THE_THIRD.search(source):
        return RENDERERS[2]
    return RENDERERS[1] if "{%" in source or "{#" in source else RENDERERS[0]


class Template:
    """One version of a campaign's text.

    ``variables`` are the names it uses, in order of first use. ``version`` is a short hash of
    the renderer and the source: equal versions render equal values to equal texts.

    A value loses its surrounding whitespace, and every run of whitespace within it (line ends and
    tabs too) becomes one space, so that a spreadsheet's cell never breaks a message's lines. A
    value without a visible character (a zero-width space, say) counts as empty.

    The filters are ``upper lower title capitalize trim``, ``default(text)``,
    ``replace(old, new)``, ``truncate(length)``, ``int``, ``round(digits)``, and ``date(format)``,
    ``number(decimals)`` and ``currency(code)``: see ``value_formats``. Four differ from
    Jinja's. ``default`` always fills an empty value too, as if its second argument were true, and
    takes a variable as well as a text. ``truncate`` keeps to its length, including its ``...``.
    ``int`` and ``round`` refuse what is not a number, where Jinja would send 0. ``round`` keeps
    its digits (``"2.5"|round(2)`` is ``2.50``) and rounds a half away from zero.

    A condition is a variable (false if it is missing or empty), a comparison with ``==`` or
    ``!=``, a comparison of numbers with ``<``, ``<=``, ``>`` or ``>=``, or a combination of these
    with ``not``, ``and`` and ``or``.

    A line on which only tags stood, such as ``{% if %}``, is left out of the text. ``renderer`` is
    one of ``RENDERERS``; None is the latest. With ``plain_punctuation``, typographic signs are
    replaced where that makes a text fit GSM-7: see ``plain_punctuation.py``.

    Raises BadTemplate for a syntax error, or for anything outside this language. A single brace in
    the text is refused too: ``{name}`` is a typing slip that everybody would receive.
    """

    __slots__ = (
        *("_compiled", "_has_marks", "_holes", "_parts", "_plain"),
        *("source", "variables", "version"),
    )

    source: str
    variables: tuple[str, ...]
    version: str

    def __init__(
        self, source: str, renderer: str | None = None, *, plain_punctuation: bool = False
    ) -> None:
        environment = _environment()
        renderer = renderer or renderer_of(source, plain_punctuation)
        self._plain = plain_punctuation
        tree = parsed(source, environment)
        self.source = source
        self.variables = _names(tree)
        pinned = f"{renderer}{'/plain' * plain_punctuation}\0{source}"
        self.version = blake2b(pinned.encode(), digest_size=8).hexdigest()
        lined = source if renderer == RENDERERS[0] else marked(source)
        self._has_marks = lined != source
        if self._has_marks:
            tree = checked(environment.parse(lined))
        self._parts, self._holes = _joined(tree.body)
        self._compiled = None if self._parts else _compiled(environment, _prepared(tree))

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def render(self, values: Mapping[str, str]) -> str:
        """Return one recipient's text, without surrounding whitespace.

        ``values`` are by variable; names that the template doesn't use are ignored. A value is
        text, never a template: a text that would show ``{{`` or ``{%`` to somebody is refused.
        If conditions leave nothing to say, the text is empty, and no message can be made of it.

        Raises BadValue for a ``{{ variable }}`` that has neither a visible character nor a
        ``default``, and for a value that can't be used.
        """
        if self._compiled is None:
            parts = self._parts.copy()
            for place, name in self._holes:
                parts[place] = value = cleaned(values, name)
                if not value:
                    raise blank(values, name)
            if len(text := "".join(parts)) > MAX_RENDERED:
                raise self._too_long(values)
        else:
            text = self._rendered(self._compiled, values)
        text = (cleared(text) if self._has_marks else text).strip()
        if "{" in text and _MARK.search(text):
            raise self._marked(values)
        return plain(text) if self._plain else text

    def _rendered(self, compiled: "jinja2.Template", values: Mapping[str, str]) -> str:
        pieces, length = [], 0
        try:
            for piece in compiled.generate({n: cleaned(values, n) for n in self.variables}):
                pieces.append(piece)
                length += len(piece)
                if length > MAX_RENDERED:
                    raise self._too_long(values)
        except Emptied as error:
            raise blank(values, error.variable) from None
        return "".join(pieces)

    def _too_long(self, values: Mapping[str, str]) -> BadValue:
        """Blame the longest value, if any."""
        longest = max(self.variables, key=lambda name: len(values.get(name) or ""), default="text")
        return BadValue(longest, f"makes a text of more than {MAX_RENDERED:,} characters")

    def _marked(self, values: Mapping[str, str]) -> BadValue:
        """Blame the first variable whose value has a brace: the template's own text has none."""
        culprits = (name for name in self.variables if "{" in cleaned(values, name))
        return BadValue(next(culprits), "puts '{{' or '{%' into the text")


MAX_RENDERED = 2 * MAX_SOURCE
"""Characters in a text at which its rendering stops: several times what any message holds."""

_MARK = re.compile(r"\{[{%]")


# ---- from the syntax tree to the parts or the compiled template that render it


@cache
def _environment() -> "ImmutableSandboxedEnvironment":
    try:
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "templates need Jinja: install Sluicegate with its extra campaign", name="jinja2"
        ) from error
    environment = ImmutableSandboxedEnvironment(autoescape=False)  # text messages, not HTML
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(FILTERS)
    return environment


def _compiled(
    environment: "ImmutableSandboxedEnvironment", tree: "nodes.Template"
) -> "jinja2.Template":
    try:
        return environment.from_string(tree)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise BadTemplate(1, f"Python can't compile it: {type(error).__name__}") from error


def _names(tree: "nodes.Template") -> tuple[str, ...]:
    from jinja2 import nodes

    return tuple(dict.fromkeys(name.name for name in tree.find_all(nodes.Name)))


def _joined(body: "list[nodes.Node]") -> tuple[list[str], list[tuple[int, str]]]:
    """Split text and plain ``{{ name }}`` into parts, and say which to fill; else no parts."""
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
    """Give every filter its variable's name, for errors; end each ``{{ }}`` in ``_filled``."""
    from jinja2 import nodes

    def variable_of(node: nodes.Node) -> nodes.Const:
        """The variable that a chain of filters starts from, as a constant."""
        start = node if isinstance(node, nodes.Name) else next(node.find_all(nodes.Name))
        return nodes.Const(start.name, lineno=node.lineno)

    def filled(node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.TemplateData):
            return node
        return nodes.Filter(node, FILLED, [variable_of(node)], [], None, None, lineno=node.lineno)

    for each in tree.find_all(nodes.Filter):
        each.args.insert(0, variable_of(each))
    for output in tree.find_all(nodes.Output):
        output.nodes = [filled(node) for node in output.nodes]
    return tree
