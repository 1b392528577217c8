"""The language of a campaign's text: a small part of Jinja's, and nothing else.

The language is ``{{ name }}``, ``{{ name|filter }}``, comments, and ``{% if %}`` with
``{% elif %}`` and ``{% else %}``. A text is parsed into Jinja's syntax tree, which may hold only
nodes known to be harmless, so there is no sandbox to escape from and nothing grows without bound.
Everything else is refused, with its line. ``filters.py`` defines what a filter does.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple
from unicodedata import normalize

from ..characters import flaw, shows
from ..errors import BadTemplate
from .columns import variable
from .language_words import LANGUAGES
from .value_formats import is_date_format, is_reading_format

if TYPE_CHECKING:  # Jinja is an extra, so each function that needs its nodes imports them
    from jinja2 import Environment, TemplateSyntaxError, nodes

MAX_SOURCE = 10_000
"""Characters in a template with all its branches: several times what any message holds."""

MAX_DEPTH = 20
"""How deeply blocks, filters and operators may be nested."""

MAX_NUMBER = 10**100
"""Whole numbers are below this: Python reads longer ones than it can write."""

MAX_ELIFS = 100
"""How many ``{% elif %}`` a block may have. Python's compiler gives up at a few hundred."""

_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"


def parsed(source: str, environment: "Environment") -> "nodes.Template":
    """Parse a text and check all of it; names come out as Python would normalise them.

    Raises BadTemplate for a syntax error, or for anything outside the language.
    """
    from jinja2 import TemplateSyntaxError

    if len(source) > MAX_SOURCE:
        raise BadTemplate(1, f"{len(source):,} characters; at most {MAX_SOURCE:,} are allowed")
    if not source.strip():
        raise BadTemplate(1, "it is empty")
    try:
        source.encode()
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise BadTemplate(error.lineno, _syntax_fault(source, error)) from None
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        raise BadTemplate(line, flaw(source[error.start]) or error.reason) from None
    except RecursionError:
        raise BadTemplate(1, _TOO_DEEP) from None
    except ValueError:
        raise BadTemplate(1, "a number in it is too long") from None
    return checked(tree)


def checked(tree: "nodes.Template") -> "nodes.Template":
    """Check that a syntax tree is within the language; raises BadTemplate."""
    _block(tree.body, 0)
    return tree


_NAME = re.compile(r"\{\{-?([^{}|'\"]*)")


def _syntax_fault(source: str, error: "TemplateSyntaxError") -> str:
    """Say what to write in place of a name that is none, or else what Jinja says."""
    lines = source.splitlines()
    names = _NAME.findall(lines[error.lineno - 1]) if error.lineno <= len(lines) else []
    for name in (name.strip() for name in names):
        if name and not name.isidentifier():
            return f"{name!r} can't be a variable: write {{{{ {variable(name)} }}}}"
    return (error.message or "syntax error").rstrip(".")


# ---- filters

_Kind = Literal["text", "number"]


class _Filter(NamedTuple):
    """How a filter is used: a check of each argument, and the kinds that it takes and gives.

    The first ``needed`` arguments are required. ``usage`` says all this in an error.
    """

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
    return isinstance(value, str) and shows(value)


def _is_language(value: object) -> bool:
    return value in LANGUAGES


def _is_currency(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[A-Z]{3}", value))


_FILTERS = {
    "upper": _Filter(),
    "lower": _Filter(),
    "title": _Filter(),
    "capitalize": _Filter(),
    "trim": _Filter(),
    "default": _Filter(
        (_is_shown, lambda value: value is True),
        1,
        usage="as default('text'), the text not empty, or default(variable)",
    ),
    "replace": _Filter((_is_shown, _is_text), 2, usage="as replace('old', 'new')"),
    "truncate": _Filter((_whole(4, 1000),), 1, usage="as truncate(length), 4 to 1000"),
    "int": _Filter(takes=("text", "number"), gives="number"),
    "round": _Filter((_whole(0, 6),), 0, ("text", "number"), "number", "as round(digits), 0 to 6"),
    "date": _Filter(
        (is_date_format, _is_language, is_reading_format),
        1,
        usage="as date('D MMMM YYYY'), with a language, and how values are written: "
        "date('D MMM', 'en', 'DD/MM/YYYY'); other letters stand in brackets",
    ),
    "number": _Filter(
        (_whole(0, 6), _is_language),
        0,
        ("text", "number"),
        usage=f"as number(decimals, language), 0 to 6, one of {', '.join(LANGUAGES)}",
    ),
    "currency": _Filter(
        (_is_currency, _is_language),
        1,
        ("text", "number"),
        usage=f"as currency('USD', language), one of {', '.join(LANGUAGES)}",
    ),
}


# ---- the checks: each function accepts the nodes that it knows and refuses all others


def _deeper(node: "nodes.Node", depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadTemplate(node.lineno, _TOO_DEEP)


def _block(body: "Iterable[nodes.Node]", depth: int) -> None:
    from jinja2 import nodes

    for node in body:
        _deeper(node, depth)
        if isinstance(node, nodes.Output):
            for each in node.nodes:
                _shown(each, depth + 1)
        elif isinstance(node, nodes.If):
            if len(node.elif_) > MAX_ELIFS:
                raise BadTemplate(node.lineno, f"more than {MAX_ELIFS} {{% elif %}}")
            _branch(node, depth + 1)
            for other in node.elif_:
                _branch(other, depth + 1)
            _block(node.else_, depth + 1)
        else:
            raise _refusal(node.body[0] if isinstance(node, nodes.Scope) else node)


def _branch(node: "nodes.If", depth: int) -> None:
    _condition(node.test, depth)
    _block(node.body, depth)


def _shown(node: "nodes.Expr", depth: int) -> None:
    from jinja2 import nodes

    if isinstance(node, nodes.TemplateData):
        if brace := re.search("[{}]", node.data):
            line = node.lineno + node.data.count("\n", 0, brace.start())
            raise BadTemplate(line, f"a single {brace[0]!r}: a variable is {{{{ name }}}}")
    elif isinstance(node, nodes.Name | nodes.Filter):
        _operand(node, depth)
    else:
        raise _refusal(node)


def _condition(node: "nodes.Node", depth: int) -> None:
    from jinja2 import nodes

    _deeper(node, depth)
    if isinstance(node, nodes.And | nodes.Or):
        _condition(node.left, depth + 1)
        _condition(node.right, depth + 1)
    elif isinstance(node, nodes.Not):
        _condition(node.node, depth + 1)
    elif isinstance(node, nodes.Compare):
        _comparison(node, depth + 1)
    elif isinstance(node, nodes.Name | nodes.Filter):
        _operand(node, depth)
    else:
        raise _refusal(node)


def _comparison(node: "nodes.Compare", depth: int) -> None:
    kind = _operand(node.expr, depth)
    for each in node.ops:
        if _operand(each.expr, depth) != kind:
            raise BadTemplate(node.lineno, "compares text with a number: use |int")
        if each.op not in ("eq", "ne", "lt", "lteq", "gt", "gteq"):
            raise BadTemplate(node.lineno, "'in' is not part of a template: use ==")
        if kind == "text" and each.op not in ("eq", "ne"):
            raise BadTemplate(node.lineno, "only numbers can be ordered: use |int")


def _operand(node: "nodes.Node", depth: int) -> _Kind:
    from jinja2 import nodes

    _deeper(node, depth)
    if isinstance(node, nodes.Name):
        return _name(node)
    if isinstance(node, nodes.Filter):
        return _filter(node, depth)
    if isinstance(node, nodes.Const):
        return _constant(node)
    raise _refusal(node)


def _name(node: "nodes.Name") -> _Kind:
    """Normalise a name as Python would, so that two names never become one variable."""
    node.name = normalize("NFKC", node.name)
    if node.name == "self":
        raise BadTemplate(node.lineno, "'self' can't be a variable")
    return "text"


def _filter(node: "nodes.Filter", depth: int) -> _Kind:
    from jinja2 import nodes

    if not isinstance(node.node, nodes.Name | nodes.Filter):
        raise BadTemplate(node.lineno, f"|{node.name} needs a variable before it")
    kind = _operand(node.node, depth + 1)
    known = _FILTERS.get(node.name)
    if known is None:
        raise BadTemplate(node.lineno, f"no filter {node.name!r}; known: {', '.join(_FILTERS)}")
    if kind not in known.takes:
        raise BadTemplate(node.lineno, f"|{node.name} takes text: put it before |int or |round")
    _arguments(node, known)
    return known.gives


def _arguments(node: "nodes.Filter", known: _Filter) -> None:
    from jinja2 import nodes

    count = len(node.args)
    named = node.kwargs or node.dyn_args or node.dyn_kwargs
    if named or not known.needed <= count <= len(known.arguments):
        raise BadTemplate(node.lineno, f"|{node.name} is used {known.usage}")
    for place, (argument, fits) in enumerate(zip(node.args, known.arguments, strict=False)):
        if node.name == "default" and place == 0 and isinstance(argument, nodes.Name):
            _name(argument)
            continue
        if not isinstance(argument, nodes.Const) or not fits(argument.value):
            raise BadTemplate(node.lineno, f"|{node.name} is used {known.usage}")
        if isinstance(argument.value, str):
            _constant(argument)


def _constant(node: "nodes.Const") -> _Kind:
    if type(node.value) is int:
        if abs(node.value) >= MAX_NUMBER:
            raise BadTemplate(node.lineno, "a number in it is too long")
        return "number"
    if not isinstance(node.value, str):
        raise BadTemplate(node.lineno, "only texts in quotes and whole numbers can be compared")
    fault = "holds a brace" if re.search("[{}]", node.value) else flaw(node.value)
    if fault:
        raise BadTemplate(node.lineno, f"a text in quotes {fault}")
    return "text"


# ---- refusals

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
    "Concat": "~: write {{ first }} {{ second }}",
    "Const": "a constant by itself: write it as text",
    "And": f"'and' within {{{{ }}}}: {_USE_IF}",
    "Or": "'or' within {{ }}: use {{ name|default('text') }}",
    "Not": f"'not' within {{{{ }}}}: {_USE_IF}",
    "Compare": f"a comparison within {{{{ }}}} or another comparison: {_USE_IF}",
    **dict.fromkeys(("Tuple", "List", "Dict"), "a list of values"),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "FloorDiv"), "arithmetic"),
    **dict.fromkeys(("Mod", "Pow", "Neg", "Pos"), "arithmetic"),
}


def _refusal(node: "nodes.Node") -> BadTemplate:
    kind = type(node).__name__
    what, _, instead = _REFUSED.get(kind, kind).partition(": ")
    hint = f": {instead}" if instead else ""
    return BadTemplate(node.lineno, f"{what} is not part of a template{hint}")
