"""Campaign templates: what they say, what they refuse, and that no value can break out of one."""

import decimal
import subprocess
import sys
from decimal import Decimal
from keyword import kwlist, softkwlist
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import meta

from sluicegate.campaigns.columns import variable
from sluicegate.campaigns.filters import MAX_VALUE
from sluicegate.campaigns.grammar import MAX_ELIFS, MAX_SOURCE
from sluicegate.campaigns.template import RENDERERS, Template
from sluicegate.errors import BadTemplate, BadValue, SluicegateError

ANN = {"name": "Ann", "order_id": "17", "lang": "en", "amount": "12.345", "nick": ""}


def rendered(source: str, **values: str) -> str:
    return Template(source).render(values or ANN)


def refused(source: str) -> BadTemplate:
    with pytest.raises(BadTemplate) as caught:
        Template(source)
    return caught.value


def unfit(source: str, values: Any) -> BadValue:
    with pytest.raises(BadValue) as caught:
        Template(source).render(values)
    return caught.value


# ---- what a template says


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello", "Hello"),
        ("Hi {{ name }}, order {{order_id}} is on its way.", "Hi Ann, order 17 is on its way."),
        ("  {{ name }}\n", "Ann"),
        ("Hi {{ name }}\r\nBye", "Hi Ann\nBye"),
        ("Hi {# not for\neverybody #}{{ name }}", "Hi Ann"),
        ("{{ name|upper }} {{ name|lower }} {{ name|replace('nn', 'my') }}", "ANN ann Amy"),
        ("{{ nick|default('friend')|title }}", "Friend"),
        ("{{ nick|default(name) }}", "Ann"),
        ("{{ unknown|default('there', true) }}", "there"),
        ("{{ amount|int }} {{ amount|round }} {{ amount|round(2) }}", "12 12 12.35"),
        ("{% if nick %}Dear {{ nick }}{% else %}Hello{% endif %}", "Hello"),
        ("{% if unknown %}a{% elif name %}b{% else %}c{% endif %}", "b"),
        ("{% if lang == 'fr' %}Salut{% else %}Hi{% endif %}", "Hi"),
        ("{% if not (nick or lang != 'en') and order_id|int >= 17 %}yes{% endif %}", "yes"),
        ("{% if 10 < order_id|int < 20 %}yes{% endif %}", "yes"),
        ("{% if nick %}Dear {{ nick }}{% endif %}", ""),
        ("{% raw %}100 %{% endraw %} {{- name -}} .", "100 %Ann."),
    ],
)
def test_a_template_says(source: str, text: str) -> None:
    assert rendered(source) == text


@pytest.mark.parametrize(
    ("source", "value", "text"),
    [
        ("{{ x|truncate(8) }}", "a long name", "a..."),
        ("{{ x|truncate(10) }}", "abcdefghijk", "abcdefg..."),
        ("{{ x|truncate(11) }}", "abcdefghijk", "abcdefghijk"),
        ("{{ x|round(2) }}", "2.5", "2.50"),
        ("{{ x|round }}", "2.5", "3"),
        ("{{ x|round }}", "-2.5", "-3"),
        ("{{ x|round(1) }}", "-0.04", "0.0"),
        ("{{ x|round(6) }}", "0", "0.000000"),
        ("{{ x|int }}", "-0.9", "0"),
        ("{{ x|int }}", "007", "7"),
        ("{{ x|round(2)|int }}", "1.999", "2"),
        ("{{ x|title }}", "jean-luc o'NEIL (jr)", "Jean-Luc O'neil (Jr)"),
        ("{{ x|capitalize }}", "élodie B", "Élodie b"),
        ("{{ x|replace('a', ' ')|trim }}", "aba", "b"),
    ],
)
def test_a_filter_gives(source: str, value: str, text: str) -> None:
    assert rendered(source, x=value) == text


def test_a_filter_does_not_hear_the_threads_decimal_context() -> None:
    with decimal.localcontext(decimal.Context(prec=2, rounding=decimal.ROUND_DOWN, Emin=-1)):
        assert rendered("{{ x|round(3) }}", x="12345.6785") == "12345.679"
    assert Decimal("0.5") == Decimal("0.50")


@pytest.mark.parametrize(
    ("value", "used"),
    [
        ("  Ann\t\n Lee ", "Ann Lee"),
        ("Ann\N{NO-BREAK SPACE}Lee", "Ann Lee"),
        ("Ann\r\nLee\N{LINE SEPARATOR}B", "Ann Lee B"),
        ("\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}", "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}"),
        ("<b>&amp;", "<b>&amp;"),
        ("{name} } %}", "{name} } %}"),
        ("$5 \\1 %s", "$5 \\1 %s"),
    ],
)
@pytest.mark.parametrize("source", ["{{ x }}.", "{{ x|default('-') }}."])
def test_a_value_is_used_on_one_line_and_otherwise_as_it_is(
    source: str, value: str, used: str
) -> None:
    assert rendered(source, x=value) == f"{used}."


def test_the_variables_stand_in_order_of_first_use() -> None:
    source = (
        "{% if b|int > 3 and a %}{{ c|default(d) }}{% elif e %}{{ a }}{% else %}{{ f }}{% endif %}"
    )
    assert Template(source).variables == ("b", "a", "c", "d", "e", "f")
    assert Template("{{ z }}{{ a }}{{ z }}").variables == ("z", "a")
    assert Template("Hello").variables == ()
    assert set(Template(source).variables) == meta.find_undeclared_variables(
        jinja2.Environment(autoescape=False).parse(source)  # noqa: S701 - no HTML is made
    )


def test_a_version_pins_the_renderer_and_every_character() -> None:
    template = Template("Hi {{ name }}")
    assert template.source == "Hi {{ name }}"
    assert RENDERERS == ("jinja2/1", "jinja2/2", "jinja2/3", "jinja2/4")
    assert template.version == Template("Hi {{ name }}").version == "e9be5c02c1b28264"
    assert template.version != Template("Hi {{ name }} ").version
    assert repr(template) == "Template('Hi {{ name }}')"


# ---- values that can't be used

EMPTY = ["", "  ", "\t\n", "\N{ZERO WIDTH SPACE}", "\ufeff", "\N{HANGUL FILLER}", "\u0301", "\xa0"]


@pytest.mark.parametrize("value", EMPTY)
@pytest.mark.parametrize("source", ["Hi {{ name }}", "Hi {{ name|title }}"])
def test_an_empty_name_is_never_sent(source: str, value: str) -> None:
    error = unfit(source, {"name": value})
    assert (error.variable, error.reason, str(error)) == ("name", "is empty", "name is empty")
    assert isinstance(error, SluicegateError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("value", EMPTY)
def test_empty_is_false_and_filled_by_a_default(value: str) -> None:
    assert rendered("{{ name|default('there') }}", name=value) == "there"
    assert rendered("{% if name %}a{% else %}b{% endif %}", name=value) == "b"


@pytest.mark.parametrize(
    ("source", "values", "variable", "reason"),
    [
        ("{{ name }}", {}, "name", "is missing"),
        ("{{ name }}", {"name": None}, "name", "is missing"),
        ("{{ name|upper }}", {"Name": "Ann"}, "name", "is missing"),
        ("{{ a }}{{ b }}", {"a": "1"}, "b", "is missing"),
        ("{{ name|default(nick) }}", {"name": "", "nick": " "}, "name", "is empty"),
        ("{{ name|replace('a', '') }}", {"name": "aa"}, "name", "is empty after its filters"),
        ("{{ name }}", {"name": 3}, "name", "is not text (int)"),
        ("{{ name }}", {"name": "a\0"}, "name", "holds a control character (U+0000)"),
        ("{{ name }}", {"name": "a\ud83d"}, "name", "holds half a character (U+D83D)"),
        ("{{ n|int }}", {"n": "1,000"}, "n", "is not a number"),
        ("{{ n|round }}", {"n": "1e9"}, "n", "is not a number"),
        ("{{ n|round }}", {"n": "9" * 5000}, "n", "is not a number"),
        ("{{ n|int }}", {"n": "٣"}, "n", "is not a number"),
        ("{% if n|int > 3 %}{% endif %}", {}, "n", "is missing"),
        ("{% if n|int > 3 %}{% endif %}", {"n": ""}, "n", "is empty"),
        ("{{ a }}", {"a": "{{ 7*7 }}"}, "a", "puts '{{' or '{%' into the text"),
        ("{{ a|upper }}", {"a": "{% if %}"}, "a", "puts '{{' or '{%' into the text"),
        (
            "{{ a }}{{ b }}{{ c }}",
            {"a": "A", "b": "{", "c": "{"},
            "b",
            "puts '{{' or '{%' into the text",
        ),
        ("{{ a }}% off", {"a": "5{"}, "a", "puts '{{' or '{%' into the text"),
    ],
)
def test_a_value_that_cannot_be_used(source: str, values: Any, variable: str, reason: str) -> None:
    error = unfit(source, values)
    assert (error.variable, error.reason) == (variable, reason)


def test_replace_does_not_grow_without_bound() -> None:
    source = "{{ a" + "|replace('a', 'aaaaaaaaaa')" * 15 + " }}"
    assert unfit(source, {"a": "a"}).reason == f"grows past {MAX_VALUE:,} characters in |replace"


# ---- templates that are refused


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "''.__class__.__mro__[1].__subclasses__()",
        "name.__class__",
        "name['__class__']",
        "name[0]",
        "name.upper()",
        "name|attr('__class__')",
        "name|format(1)",
        "name|map('upper')",
        "name|string|list",
        "self",
        "self.__init__.__globals__",
        "self._TemplateReference__context",
        "cycler.__init__.__globals__.os.popen('id').read()",
        "config.items()",
        "lipsum()",
        "range(10**9)",
        "namespace(a=1)",
        "joiner()",
        "dict(a=1)",
        "[1] * 999999999",
        "'a' * 10**9",
        "10 ** 10 ** 10",
        "name * 1000000",
        "name % 5",
        "name + name",
        "-name",
        "name ~ name",
        "[name]",
        "(name, name)",
        "name, name",
        "{'a': name}",
        "name if nick",
        "name if nick else 'x'",
        "name or 'there'",
        "name and nick",
        "not name",
        "name == 'a'",
        "name in 'abc'",
        "name is defined",
        "name is string",
        "name is nonsense",
        "name|nonsense",
        "name|(filled)",
        "'text'",
        "'text'|upper",
        "5",
        "true",
        "none",
        "",
        "name|default",
        "name|default()",
        "name|default('')",
        "name|default(' ')",
        "name|default('{')",
        r"name|default('\x7b\x7b')",
        r"name|default('a\x00')",
        r"name|default('\ud800')",
        "name|default('a', false)",
        "name|default(default_value='a')",
        "name|default(nick|upper)",
        "name|default(5)",
        "name|default(*nick)",
        "name|upper(1)",
        "name|trim('x')",
        "name|truncate",
        "name|truncate(nick)",
        "name|truncate(3)",
        "name|truncate(true)",
        "name|truncate(10, true)",
        "name|replace('a')",
        "name|replace('', 'b')",
        "name|replace(nick, 'b')",
        "name|round(1000000000)",
        "name|round(-1)",
        "name|int|upper",
        "name|int(5)",
        "name }",
        "name",
    ],
)
def test_an_expression_is_refused_with_its_line(expression: str) -> None:
    end = " }}" if expression != "name" else ""
    error = refused("Hi\n\n{{ " + expression + end)
    assert error.line == 3
    assert error.reason
    assert str(error) == f"template, line 3: {error.reason}"
    assert isinstance(error, SluicegateError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "tag",
    [
        "{% for a in b %}{{ a }}{% endfor %}",
        "{% macro a() %}{% endmacro %}",
        "{% call a() %}{% endcall %}",
        "{% filter upper %}a{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
        "{% block a %}{% endblock %}",
        "{% extends 'a' %}",
        "{% include 'a' %}",
        "{% import 'a' as a %}",
        "{% from 'a' import b %}",
        "{% set a = 1 %}",
        "{% set a %}b{% endset %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% do a %}",
        "{% trans %}{% endtrans %}",
        "{% debug %}",
        "{% if a.b %}{% endif %}",
        "{% if a() %}{% endif %}",
        "{% if a is defined %}{% endif %}",
        "{% if true %}{% endif %}",
        "{% if a in 'b' %}{% endif %}",
        "{% if a == 1 %}{% endif %}",
        "{% if a|int == 1.5 %}{% endif %}",
        "{% if a == none %}{% endif %}",
        "{% if a < b %}{% endif %}",
        "{% if a == b + c %}{% endif %}",
        "{% if (a == b) == c %}{% endif %}",
        "{% if a == ['b'] %}{% endif %}",
        "{% if a %}",
        "{% else %}",
        "{% raw %}{{ a }}{% endraw %}",
        "{name}",
        "name}}",
        "{% if a %}{{% endif %}",
        "{# open",
        "{" + "{#- -#}" + "{",
    ],
)
def test_a_tag_or_a_brace_is_refused_with_its_line(tag: str) -> None:
    assert refused(f"{{{{ a }}}}\n{tag}\n").line == 2


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ name.upper() }}", "a call is not part of a template: use a filter, {{ name|upper }}"),
        ("{% for a in b %}{% endfor %}", "a loop ({% for %}) is not part of a template"),
        ("{{ 'a' * 10**9 }}", "arithmetic is not part of a template"),
        ("Hi {name}", "a single '{': a variable is {{ name }}"),
        ("{{ a|uper }}", "no filter 'uper'; known: upper, lower, title, capitalize, trim, "
         "default, replace, truncate, int, round, date, number, currency"),
        ("{{ a|truncate }}", "|truncate is used as truncate(length), 4 to 1000"),
        ("{{ a }", "unexpected '}'"),
        (" \n", "it is empty"),
        ("a\ud83d", "holds half a character (U+D83D)"),
        ("a" * (MAX_SOURCE + 1), "10,001 characters; at most 10,000 are allowed"),
        ("{{ " + "(" * 5000, "nested more than 20 deep"),
        ("{{ a" + "|upper" * 1000 + " }}", "nested more than 20 deep"),
        ("{% if a %}" * 400 + "{% endif %}" * 400, "nested more than 20 deep"),
        ("{% if " + "not " * 100 + "a %}{% endif %}", "nested more than 20 deep"),
        ("{% if a %}" + "{% elif a %}" * 101 + "{% endif %}", "more than 100 {% elif %}"),
        ("{% if a|int > " + "9" * 5000 + " %}{% endif %}", "a number in it is too long"),
    ],
)  # fmt: skip
def test_a_refusal_says_why(source: str, reason: str) -> None:
    assert refused(source).reason == reason


def test_a_refusal_counts_lines_within_text_and_comments() -> None:
    assert refused("{{ a }}\n{# b\n #}c\n\n d } e").line == 5
    assert refused("ab\ncd\ud800").line == 2


def test_as_many_branches_as_are_allowed_do_compile() -> None:
    cases = "".join(f"{{% elif a == '{n}' %}}{n}" for n in range(MAX_ELIFS))
    assert rendered("{% if b %}b" + cases + "{% endif %}", a="99") == "99"


# ---- columns


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("name", "name"),
        (" First Name ", "first_name"),
        ("order-id", "order_id"),
        ("prénom", "prénom"),
        ("pre\u0301nom", "prénom"),
        ("नाम", "नाम"),
        ("氏名", "氏名"),
        ("1st choice", "_1st_choice"),
        ("a__b - c", "a_b_c"),
        ("Price (€)", "price_"),
        ("ﬁeld²", "field2"),
        ("None", "none_"),
        ("self", "self_"),
        ("", "_"),
        ("???", "_"),
    ],
)
def test_a_column_names_its_variable(column: str, name: str) -> None:
    assert variable(column) == name


COLUMNS = st.one_of(
    st.text(
        st.characters(categories=["L", "N", "P", "S", "Z", "Cc"]) | st.sampled_from("\u0301ाि")
    ),
    st.sampled_from(
        [*kwlist, *softkwlist, "self", "loop", "super", "is", "elif", "endif", "true"]
    ),
)


@given(COLUMNS)
def test_every_column_can_be_used(column: str) -> None:
    name = variable(column)
    values = {name: "x"}
    assert variable(name) == name
    plain = Template(f"{{{{ {name} }}}}")
    assert plain.variables == (name,)
    assert plain.render(values) == "x"
    tested = Template(
        f"{{% if {name} == 'x' %}}{{{{ {name}|default({name})|upper }}}}{{% endif %}}"
    )
    assert tested.render(values) == "X"


def test_names_that_python_takes_for_one_are_one() -> None:
    assert Template("{{ ﬁ }}{{ fi|upper }}").render({"fi": "a"}) == "aA"


# ---- properties

NAMES = st.sampled_from(["a", "b", "c"])
DATA = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]))
SHOW = st.builds("{{{{ {} }}}}".format, NAMES)
CASE = st.sampled_from(["upper", "lower", "title", "capitalize", "trim"])
RICH = st.one_of(
    DATA,
    SHOW,
    st.builds("{{{{ {}|{} }}}}".format, NAMES, CASE),
    st.builds("{{{{ {}|default('you', true) }}}}".format, NAMES),
    st.builds("{{{{ {}|replace('a', 'bc') }}}}".format, NAMES),
    st.builds("{{% if {} %}}{}{{% else %}}{{{{ {} }}}}{{% endif %}}".format, NAMES, DATA, NAMES),
    st.builds("{{% if {} == {} or not {} %}}y{{% endif %}}".format, NAMES, NAMES, NAMES),
)
OURS = st.one_of(
    RICH,
    st.builds("{{{{ {}|truncate(5)|default({}) }}}}".format, NAMES, NAMES),
    st.builds("{{{{ {}|default('1')|round(2) }}}}".format, NAMES),
    st.builds("{{% if {}|int > 3 %}}x{{% endif %}}".format, NAMES),
)
SPECIAL = ["Ann", "ann lee", "", "{", "{{", "{%", "%", " ", "12.5", "-3", "\u200b", "\ufeffa"]
VALUE = st.text() | st.sampled_from(SPECIAL)
VALUES = st.dictionaries(NAMES, VALUE)
ALL_VALUES = st.fixed_dictionaries(dict.fromkeys("abc", VALUE))


def sources(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=1).map("".join).filter(str.strip)


def outcome(template: Template, values: dict[str, str]) -> str | BadValue:
    try:
        return template.render(values)
    except BadValue as error:
        return error


def by_jinja(source: str, values: dict[str, str]) -> str:
    """What Jinja itself makes of it, without any part of ours but the tidy spaces."""
    tidy = {name: " ".join(value.split()) for name, value in values.items()}
    plain = jinja2.Environment(autoescape=False)  # noqa: S701 - no HTML is made
    return plain.from_string(source).render(tidy).strip()


@given(sources(DATA | SHOW), ALL_VALUES)
def test_plain_templates_say_what_jinja_says(source: str, values: dict[str, str]) -> None:
    text = outcome(Template(source), values)
    assert isinstance(text, BadValue) or text == by_jinja(source, values)


@given(sources(DATA | SHOW), VALUES)
def test_the_short_way_and_the_long_way_agree(source: str, values: dict[str, str]) -> None:
    """An ``{% if %}`` that adds nothing sends a plain template through Jinja.

    Both refuse the same recipients; with two bad values, each may name the other one.
    """
    short = outcome(Template(source), values)
    long = outcome(Template(f"{source}{{% if zzz %}}{{% endif %}}"), values)
    assert short == long or (isinstance(short, BadValue) and isinstance(long, BadValue))


@given(sources(RICH), ALL_VALUES.filter(lambda values: "\u200b" not in values.values()))
def test_filters_and_conditions_say_what_jinja_says(source: str, values: dict[str, str]) -> None:
    text = outcome(Template(source), values)
    assert isinstance(text, BadValue) or text == by_jinja(source, values)


@given(sources(DATA | SHOW) | sources(OURS), VALUES)
def test_any_value_is_said_or_refused(source: str, values: dict[str, str]) -> None:
    template = Template(source)
    text = outcome(template, values)
    if isinstance(text, BadValue):
        assert text.variable in template.variables
        return
    assert "{{" not in text
    assert "{%" not in text
    assert text == text.strip() == Template(source).render(dict(reversed(values.items())))
    assert text.encode().decode() == text


TOKENS = """
    {{ }} {% %} {# #} - if elif else endif for in set raw endraw a b é self | upper default round
    ( ) [ ] 'x' 9 , . * ** == < = not and is { } ' \\
"""
PIECES = st.sampled_from([*TOKENS.split(), "\n", " ", "{{ a }}", "{% if a %}", "{% endif %}"])


@given(st.lists(PIECES).map(" ".join) | st.lists(PIECES).map("".join) | st.text(), VALUES)
def test_any_source_is_a_template_or_refused(source: str, values: dict[str, str]) -> None:
    result: str | BadValue | BadTemplate
    try:
        result = outcome(Template(source), values)
    except BadTemplate as error:
        result = error
    if isinstance(result, BadTemplate):
        lines = source.count("\n") + source.count("\r") + 1
        assert result.line in range(1, lines + 1)
    else:
        assert isinstance(result, BadValue) or "{{" not in result


# ---- the extra


def test_without_jinja_only_a_template_fails_and_says_what_to_install() -> None:
    code = """
import sys
sys.modules["jinja2"] = None
from sluicegate.campaigns.columns import variable
from sluicegate.campaigns.template import Template
print(variable("First Name"))
try:
    Template("Hi")
except ModuleNotFoundError as error:
    print(error, error.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "first_name",
        "templates need Jinja: install Sluicegate with its extra campaign jinja2",
    ]
