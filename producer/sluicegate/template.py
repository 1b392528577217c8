"""A campaign's text with ``{{ variables }}``, checked once and rendered for each recipient.

The language is a small part of Jinja's: ``{{ name }}``, ``{{ name|filter }}``, comments, and
``{% if %}`` with ``{% elif %}`` and ``{% else %}``. A template is read into Jinja's syntax tree,
and only nodes known to be harmless may stand in it, so there is nothing to escape from and nothing
that grows without bound. Everything else is refused when the template is made, with its line.

Rendering is pure: no time, no randomness, no locale, nothing global. The same template and the
same values give the same bytes, on whichever worker and however often.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple
from unicodedata import category, normalize

from .errors import SluicegateError

if TYPE_CHECKING:
    import jinja2
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

RENDERER = "jinja2/1"
"""What rendered a campaign, recorded with it. A change to any output needs a new number."""

MAX_SOURCE = 10_000
"""Characters in a template: several times what any message holds, in all its branches."""

MAX_VALUE = 10_000
"""Characters that ``replace`` may make of a value."""

MAX_DEPTH = 20
"""Blocks, filters and operators within one another."""

MAX_ELIFS = 100
"""``{% elif %}`` in one block. Python's own compiler gives up at a few hundred."""


class BadTemplate(SluicegateError, ValueError):
    """A template that can't be used: ``line`` is where, counted from 1, and ``reason`` is why."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(f"template, line {line}: {reason}")


class BadValue(SluicegateError, ValueError):
    """A recipient's value that can't be used; the text names the variable, never the value."""

    def __init__(self, variable: str, reason: str) -> None:
        self.variable, self.reason = variable, reason
        super().__init__(f"{variable} {reason}")


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
        tree = _parsed(source)
        checker = _Checker()
        checker.block(tree.body, 0)
        self.source = source
        self.variables = tuple(checker.names)
        self.version = blake2b(f"{RENDERER}\0{source}".encode(), digest_size=8).hexdigest()
        self._parts, self._holes = _joined(tree.body)
        self._compiled = None if self._parts else _environment().from_string(tree)

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
    value = " ".join(value.split())
    if not value.isprintable():
        if flaw := _flaw(value):
            raise BadValue(name, flaw)
    elif value.isascii():
        return value
    return value if _shows(value) else ""


def _blank(values: Mapping[str, str], name: str) -> BadValue:
    if values.get(name) is None:
        return BadValue(name, "is missing")
    return BadValue(name, f"is empty{' after its filters' if _cleaned(values, name) else ''}")


def _flaw(text: str) -> str | None:
    """Say what no text may hold: control characters, and halves of characters."""
    for char in text:
        if category(char) in ("Cc", "Cs"):
            what = "a control character" if category(char) == "Cc" else "half a character"
            return f"holds {what} (U+{ord(char):04X})"
    return None


# Letters to Unicode, but drawn as nothing: the Hangul fillers, and the empty Braille cell.
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800"


def _shows(text: str) -> bool:
    """Tell whether anything is to be seen: not only spaces, zero-width characters or accents."""
    return any(
        category(char) not in ("Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs") and char not in _FILLERS
        for char in text
    )


# ---- filters


class _Emptied(Exception):
    """A ``{{ }}`` came out empty; ``variable`` is what it shows."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(variable)


def _filled(value: object, variable: str) -> str:
    """Stand last in every ``{{ }}``: nothing empty is sent."""
    text = str(value)
    if not _shows(text):
        raise _Emptied(variable)
    return text


def _title(text: str, variable: str) -> str:
    return re.sub(r"[^-\s({\[<]+", lambda word: word[0][0].upper() + word[0][1:].lower(), text)


def _default(text: str, variable: str, fallback: str, boolean: bool = True) -> str:
    return text if _shows(text) else fallback


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


_Kind = Literal["text", "number"]


class _Filter(NamedTuple):
    """A filter: what it does, which arguments it takes, and what it takes and gives.

    ``call`` gets the value, the name of its variable, and the arguments. ``arguments`` has a
    check for each; the first ``needed`` of them must be there.
    """

    call: Callable[..., object]
    arguments: tuple[Callable[[object], bool], ...] = ()
    needed: int = 0
    takes: tuple[_Kind, ...] = ("text",)
    gives: _Kind = "text"
    usage: str = "without arguments"


def _whole(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_shown(value: object) -> bool:
    return isinstance(value, str) and _shows(value)


def _is_true(value: object) -> bool:
    return value is True


_FILTERS = {
    "upper": _Filter(lambda text, variable: text.upper()),
    "lower": _Filter(lambda text, variable: text.lower()),
    "title": _Filter(_title),
    "capitalize": _Filter(lambda text, variable: text.capitalize()),
    "trim": _Filter(lambda text, variable: text.strip()),
    "default": _Filter(
        _default,
        (_is_shown, _is_true),
        1,
        usage="as default('text'), the text not empty, or default(variable)",
    ),
    "replace": _Filter(_replace, (_is_shown, _is_text), 2, usage="as replace('old', 'new')"),
    "truncate": _Filter(_truncate, (_whole(4, 1000),), 1, usage="as truncate(length), 4 to 1000"),
    "int": _Filter(_int, takes=("text", "number"), gives="number"),
    "round": _Filter(
        _round, (_whole(0, 6),), 0, ("text", "number"), "number", "as round(digits), 0 to 6"
    ),
}


# ---- syntax

_TOO_DEEP = f"more than {MAX_DEPTH} things within one another"


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
    environment.filters.update({name: each.call for name, each in _FILTERS.items()})
    environment.filters[_FILLED] = _filled
    return environment


_FILLED = "(filled)"  # no template can write that name


def _parsed(source: str) -> "nodes.Template":
    environment = _environment()
    from jinja2 import TemplateSyntaxError

    if len(source) > MAX_SOURCE:
        raise BadTemplate(1, f"{len(source):,} characters; at most {MAX_SOURCE:,} go")
    if not source.strip():
        raise BadTemplate(1, "it is empty")
    try:
        source.encode()
        return environment.parse(source)
    except TemplateSyntaxError as error:
        raise BadTemplate(error.lineno, (error.message or "syntax error").rstrip(".")) from None
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        raise BadTemplate(line, _flaw(source[error.start]) or error.reason) from None
    except RecursionError:
        raise BadTemplate(1, _TOO_DEEP) from None
    except ValueError:
        raise BadTemplate(1, "a number in it is too long") from None


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
                continue
            shown = node.node if isinstance(node, nodes.Filter) else None  # inside _FILLED
            if not isinstance(shown, nodes.Name):
                return [], []
            holes.append((len(parts), shown.name))
            parts.append("")
    return parts, holes


class _Checker:
    """Walks a syntax tree: lets through what is on the list, and prepares it for rendering.

    ``names`` are the variables met, in order. Every filter gets the name of its variable as its
    first argument, to name it in an error, and every ``{{ }}`` gets ``_filled`` around it.
    """

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def block(self, body: "Iterable[nodes.Node]", depth: int) -> None:
        from jinja2 import nodes

        for node in body:
            self._deeper(node, depth)
            if isinstance(node, nodes.Output):
                node.nodes = [self._shown(each, depth + 1) for each in node.nodes]
            elif isinstance(node, nodes.If):
                if len(node.elif_) > MAX_ELIFS:
                    raise BadTemplate(node.lineno, f"more than {MAX_ELIFS} {{% elif %}}")
                self._branch(node, depth + 1)
                for other in node.elif_:
                    self._branch(other, depth + 1)
                self.block(node.else_, depth + 1)
            else:
                raise _refusal(node.body[0] if isinstance(node, nodes.Scope) else node)

    def _branch(self, node: "nodes.If", depth: int) -> None:
        self._condition(node.test, depth)
        self.block(node.body, depth)

    def _shown(self, node: "nodes.Expr", depth: int) -> "nodes.Expr":
        from jinja2 import nodes

        if isinstance(node, nodes.TemplateData):
            if found := re.search("[{}]", node.data):
                line = node.lineno + node.data.count("\n", 0, found.start())
                raise BadTemplate(line, f"a single {found[0]!r}: a variable is {{{{ name }}}}")
            return node
        if not isinstance(node, nodes.Name | nodes.Filter):
            raise _refusal(node)
        self._operand(node, depth)
        return _filter(node, _FILLED, _root(node))

    def _condition(self, node: "nodes.Node", depth: int) -> None:
        from jinja2 import nodes

        self._deeper(node, depth)
        if isinstance(node, nodes.And | nodes.Or):
            self._condition(node.left, depth + 1)
            self._condition(node.right, depth + 1)
        elif isinstance(node, nodes.Not):
            self._condition(node.node, depth + 1)
        elif isinstance(node, nodes.Compare):
            self._comparison(node, depth + 1)
        elif isinstance(node, nodes.Name | nodes.Filter):
            self._operand(node, depth)
        else:
            raise _refusal(node)

    def _comparison(self, node: "nodes.Compare", depth: int) -> None:
        kind = self._operand(node.expr, depth)
        for each in node.ops:
            if self._operand(each.expr, depth) != kind:
                raise BadTemplate(node.lineno, "compares text with a number: use |int")
            if each.op not in ("eq", "ne", "lt", "lteq", "gt", "gteq"):
                raise BadTemplate(node.lineno, "'in' is not part of a template: use ==")
            if kind == "text" and each.op not in ("eq", "ne"):
                raise BadTemplate(node.lineno, "only numbers have an order: use |int")

    def _operand(self, node: "nodes.Node", depth: int) -> _Kind:
        from jinja2 import nodes

        self._deeper(node, depth)
        if isinstance(node, nodes.Name):
            return self._name(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node, depth)
        if isinstance(node, nodes.Const):
            return _constant(node)
        raise _refusal(node)

    def _name(self, node: "nodes.Name") -> _Kind:
        """Note a name, in the form that Python would give it, so that two never become one."""
        node.name = normalize("NFKC", node.name)
        if node.name == "self":
            raise BadTemplate(node.lineno, "'self' can't be a variable")
        self.names[node.name] = None
        return "text"

    def _filter(self, node: "nodes.Filter", depth: int) -> _Kind:
        from jinja2 import nodes

        if not isinstance(node.node, nodes.Name | nodes.Filter):
            raise BadTemplate(node.lineno, f"|{node.name} needs a variable before it")
        kind = self._operand(node.node, depth + 1)
        known = _FILTERS.get(node.name)
        if known is None:
            raise BadTemplate(node.lineno, f"no filter {node.name!r}; there are {_listed()}")
        if kind not in known.takes:
            raise BadTemplate(node.lineno, f"|{node.name} takes text: put it before |int, |round")
        self._arguments(node, known)
        node.args.insert(0, nodes.Const(_root(node), lineno=node.lineno))
        return known.gives

    def _arguments(self, node: "nodes.Filter", known: _Filter) -> None:
        from jinja2 import nodes

        count = len(node.args)
        named = node.kwargs or node.dyn_args or node.dyn_kwargs
        if named or not known.needed <= count <= len(known.arguments):
            raise BadTemplate(node.lineno, f"|{node.name} goes {known.usage}")
        for place, (argument, fits) in enumerate(zip(node.args, known.arguments, strict=False)):
            if node.name == "default" and place == 0 and isinstance(argument, nodes.Name):
                self._name(argument)
                continue
            if not isinstance(argument, nodes.Const) or not fits(argument.value):
                raise BadTemplate(node.lineno, f"|{node.name} goes {known.usage}")
            if isinstance(argument.value, str):
                _constant(argument)

    def _deeper(self, node: "nodes.Node", depth: int) -> None:
        if depth > MAX_DEPTH:
            raise BadTemplate(node.lineno, _TOO_DEEP)


def _root(node: "nodes.Node") -> str:
    """Name the variable that a chain of filters starts from."""
    from jinja2 import nodes

    return node.name if isinstance(node, nodes.Name) else next(node.find_all(nodes.Name)).name


def _filter(node: "nodes.Expr", name: str, argument: str) -> "nodes.Filter":
    from jinja2 import nodes

    line = node.lineno
    return nodes.Filter(
        node, name, [nodes.Const(argument, lineno=line)], [], None, None, lineno=line
    )


def _constant(node: "nodes.Const") -> _Kind:
    if type(node.value) is int:
        return "number"
    if not isinstance(node.value, str):
        raise BadTemplate(node.lineno, "only texts in quotes and whole numbers are compared")
    flaw = "holds a brace" if re.search("[{}]", node.value) else _flaw(node.value)
    if flaw:
        raise BadTemplate(node.lineno, f"a text in quotes {flaw}")
    return "text"


def _listed() -> str:
    return ", ".join(_FILTERS)


_USE_IF = "use {% if name %} ... {% else %} ... {% endif %}"
_REFUSED = {
    "For": "a loop ({% for %})",
    "Macro": "{% macro %}",
    "CallBlock": "{% call %}",
    "FilterBlock": "{% filter %}: use {{ name|filter }}",
    "With": "{% with %}",
    "Block": "{% block %}",
    "Extends": "{% extends %}",
    "Include": "{% include %}",
    "Import": "{% import %}",
    "FromImport": "{% from %}",
    "Assign": "{% set %}",
    "AssignBlock": "{% set %}",
    "ScopedEvalContextModifier": "{% autoescape %}",
    "Call": "a call: use a filter, {{ name|upper }}",
    "Getattr": "an attribute of a value: use a filter, {{ name|upper }}",
    "Getitem": "an item of a value: use a filter, {{ name|truncate(20) }}",
    "CondExpr": f"an if within {{{{ }}}}: {_USE_IF}",
    "Test": f"'is': {_USE_IF}, false for a missing or empty value",
    "Concat": "~: write {{ one }} {{ other }}",
    "Const": "a constant by itself: write it as text",
    "Tuple": "a list of values",
    "List": "a list of values",
    "Dict": "a list of values",
    "And": f"'and' within {{{{ }}}}: {_USE_IF}",
    "Or": "'or' within {{ }}: use {{ name|default('text') }}",
    "Not": f"'not' within {{{{ }}}}: {_USE_IF}",
    "Compare": f"a comparison within {{{{ }}}} or another comparison: {_USE_IF}",
} | dict.fromkeys(
    ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow", "Neg", "Pos"), "arithmetic"
)


def _refusal(node: "nodes.Node") -> BadTemplate:
    kind = type(node).__name__
    what, _, instead = _REFUSED.get(kind, kind).partition(": ")
    return BadTemplate(
        node.lineno, f"{what} is not part of a template" + (f": {instead}" if instead else "")
    )
