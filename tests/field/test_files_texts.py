"""What trials in the field found about files, numbers and texts: what a text holds and costs."""

import csv
from pathlib import Path

import pytest

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.oddities import Oddities, Oddity
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.substitutes import saving, substitute
from sluicegate.campaigns.template import Template
from sluicegate.errors import BadTemplate
from sluicegate.segments import count, strangers
from support.messages import plan

CURLY = "It\u2019s \u201cnew\u201d \u2013 "


@pytest.mark.parametrize(
    ("character", "instead"),
    [
        *[("\u2019", "'"), ("\u201c", '"'), ("\u2013", "-"), ("\u2026", "..."), ("\xa0", " ")],
        *[("ç", "c"), ("Ł", "L"), ("½", "1/2"), ("™", "TM"), ("€", "€"), ("ﬁ", "fi")],
        *[("😀", ""), ("\ufe0f", ""), ("\u200b", ""), ("→", ""), ("✓", "")],
        *[("я", None), ("日", None), ("ش", None), ("१", None)],
    ],
)
def test_06_what_stands_for_a_character(character: str, instead: str | None) -> None:
    assert substitute(character) == instead


def test_06_every_stranger_is_found_and_one_saving_is_reckoned() -> None:
    text = CURLY * 6
    assert strangers(text) == "\u2019\u201c\u201d\u2013"
    parts = count(text).parts
    assert saving(text, parts) == parts - 1
    assert saving(text.replace("\u2019", "'"), parts) == parts - 1


def test_06_nothing_is_saved_where_one_of_them_must_stay() -> None:
    text = CURLY * 6 + "я"
    assert saving(text, count(text).parts) == 0


# Other tools' placeholders, and what else a text should hardly say.

HEADER = ("Phone", "First Name", "Code")


def odd(folder: Path, text: str, *values: str) -> list[Oddity]:
    path = folder / "people.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, ["+14152000000", *(values or ("Ann", "7"))]])
    of = plan(text=text, to_column="phone")
    [found] = Recipients(of, CsvFile(path))
    assert isinstance(found, Recipient), found
    return list(Oddities(of, HEADER).of(found))


@pytest.mark.parametrize(
    "placeholder",
    [
        *[
            "((name))",
            "*|FNAME|*",
            "%FIRST_NAME%",
            "[First Name]",
            "<<First Name>>",
            "$first_name",
        ],
        *[
            "((first name))",
            "*|IF:X|*",
            "%%first_name%%",
            "[[first_name]]",
            "${first_name}",
            "[Name]",
        ],
        *["«First Name»", "<First Name>", "<%= name %>", "#NAME#", "@firstname@", "__code__"],
        *["%name", ":code", "[vorname]", "$name"],
    ],
)
def test_15_another_tool_s_placeholder_is_a_warning(tmp_path: Path, placeholder: str) -> None:
    for text, values in (
        (f"Hi {placeholder}, hello", ()),
        ("Hi {{ first_name }}", (f"x {placeholder}", "7")),
    ):
        if "{" in placeholder and not values:
            continue  # a single brace in the text is refused
        [found] = odd(tmp_path, text, *values)
        assert found.where == ("first_name" if values else "text")
        assert f"{placeholder!r} is no variable here: write {{{{ " in found.what


@pytest.mark.parametrize(
    "value",
    [
        *[
            "NULL",
            "null",
            r"\N",
            "N/A",
            "n/a",
            "#N/A",
            "None",
            "nan",
            "NaN",
            "undefined",
            "(null)",
        ],
        *["#REF!", "-", "??", "<empty>", " NULL "],
    ],
)
def test_15_a_value_that_stands_for_none_is_a_warning(tmp_path: Path, value: str) -> None:
    [found] = odd(tmp_path, "Hi {{ first_name }}", value, "7")
    assert found.where == "first_name"
    assert "stands for no value" in found.what


@pytest.mark.parametrize(
    "piece", ["&amp;", "&#39;", "&nbsp;", r"a\nbcde", r"a\r\nb", "\\u00e9", "<br>"]
)
def test_15_html_and_escapes_are_warnings(tmp_path: Path, piece: str) -> None:
    for text, values in ((f"Hi {piece}", ()), ("Hi {{ first_name }}", (f"x {piece}", "7"))):
        [found] = odd(tmp_path, text, *values)
        assert "HTML" in found.what or "sent as it is" in found.what


@pytest.mark.parametrize(
    "text",
    [
        "Hi {{ first_name }}, 20% off (today), R&D; call us: 5:30 pm, code_{{ code }} #1 @home",
        "[ACME] a < b > c, $5 and $AAPL, *bold*, 50% or 60%, :-) <3",
        "{% if code == '((x))' %}never{% else %}fine{% endif %}",
    ],
)
def test_15_what_is_usual_is_no_warning(tmp_path: Path, text: str) -> None:
    assert odd(tmp_path, text) == []
    assert odd(tmp_path, "Hi {{ first_name }}", "Null-Meier & Söhne", "7") == []


def test_15_what_stands_in_another_branch_is_not_counted(tmp_path: Path) -> None:
    text = "{% if code == '7' %}seven{% else %}((name)){% endif %}"
    assert odd(tmp_path, text) == []
    assert len(odd(tmp_path, text, "Ann", "8")) == 1


# Lines on which only tags stand.

IF = "Hi\n{% if a %}\nA\n{% endif %}\nBye"


@pytest.mark.parametrize(
    ("source", "with_a", "without"),
    [
        (IF, "Hi\nA\nBye", "Hi\nBye"),
        (IF.replace("\n", "\r\n"), "Hi\nA\nBye", "Hi\nBye"),
        (IF.replace("{%", "  {%"), "Hi\nA\nBye", "Hi\nBye"),
        ("Hi\n{% if a %}A{% endif %}\nBye", "Hi\nA\nBye", "Hi\nBye"),
        ("Hi{% if a %} A{% endif %}\nBye", "Hi A\nBye", "Hi\nBye"),
        ("Hi\n{% if a %}\nA\n{% else %}\nB\n{% endif %}\n\nBye", "Hi\nA\n\nBye", "Hi\nB\n\nBye"),
        ("Hi\n{% if a %}{% if b %}\nB\n{% endif %}{% endif %}\nBye", "Hi\nBye", "Hi\nBye"),
        ("Hi\n\n{% if a %}\nA\n{% endif %}\nBye", "Hi\n\nA\nBye", "Hi\n\nBye"),
        ("Hi\n{# a\nnote #}\nBye{# b #}{% if a %}{% endif %}", "Hi\nBye", "Hi\nBye"),
        ("Hi\n{%- if a %} A{% endif %}\nBye", "Hi A\nBye", "Hi\nBye"),
        ("Hi\n{% if a %}\nA{% endif %}", "Hi\nA", "Hi"),
    ],
)
def test_17_a_tag_on_its_own_line_leaves_none(source: str, with_a: str, without: str) -> None:
    template = Template(source)
    assert template.render({"a": "1"}) == with_a
    assert template.render({}) == without


def test_17_a_text_that_was_pinned_before_is_rendered_as_before() -> None:
    assert Template(IF, "jinja2/1").render({}) == "Hi\n\nBye"
    assert plan(text=IF).renderer == "jinja2/2"
    assert plan(text="Hi {{ a }}").renderer == "jinja2/1"
    assert plan(text=IF, renderer="jinja2/1").template.render({}) == "Hi\n\nBye"


def test_17_a_fault_is_on_its_own_line_all_the_same() -> None:
    with pytest.raises(BadTemplate, match="line 4"):
        Template("{% if a %}\n{# note #}\n{% endif %}\n{{ a.b }}")
