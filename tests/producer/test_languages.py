"""Texts in several languages, what they write of dates and numbers, and plain punctuation."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.campaigns.language_words import LANGUAGES, WORDS
from sluicegate.campaigns.languages import chooser, joined
from sluicegate.campaigns.plain_punctuation import plain, saved_by_plain
from sluicegate.campaigns.plan import Plan, plan_digest, rendered
from sluicegate.campaigns.template import Template
from sluicegate.campaigns.value_formats import is_date_format, is_reading_format, written_number
from sluicegate.errors import BadTemplate, BadValue
from sluicegate.segments import count
from support.messages import plan

TEXTS = {
    "de": "Hallo {{ name }},\n{% if code %}\nCode {{ code }}\n{% endif %}\nbis bald",
    "fr": "{% if code %}\nCode {{ code }}\n{% endif %}\nSalut {{ name|upper }}",
    "pt-br": "Oi\n{% if code %}\nseu {{ code }}\n{% endif %}",
}
OTHER = "Hi {{ name|default('friend') }}\n\nBye"


@pytest.mark.parametrize("code", ["", "4711"])
@pytest.mark.parametrize("language", [*TEXTS, ""])
def test_a_joined_text_reads_as_the_text_of_its_language_alone(language: str, code: str) -> None:
    values = {"lang": language, "name": "Ann", "code": code}
    alone = Template(TEXTS.get(language, OTHER)).render(values)
    assert Template(joined("lang", TEXTS, OTHER)).render(values) == alone


def test_without_another_text_nothing_is_left_to_say() -> None:
    assert Template(joined("lang", TEXTS, None)).render({"lang": "it", "name": "Ann"}) == ""


@pytest.mark.parametrize(
    ("value", "chosen"),
    [
        ("de", "de"),
        (" DE ", "de"),
        ("de_AT", "de"),
        ("de-Latn-AT", "de"),
        ("pt-BR", "pt-br"),
        ("pt", ""),
        ("deutsch", ""),
        ("", ""),
        ("en", ""),
        ("d", ""),
    ],
)
def test_a_value_is_taken_down_to_a_language_that_there_is(value: str, chosen: str) -> None:
    assert chooser((*TEXTS, ""))(value) == chosen


@pytest.mark.parametrize(
    ("source", "value", "text"),
    [
        (
            '{{ x|date("dddd D MMMM YYYY, HH:mm") }}',
            "2026-12-31 23:59:59",
            "Thursday 31 December 2026, 23:59",
        ),
        ('{{ x|date("ddd DD.MM.YY", "nl") }}', "2026-03-04", "wo 04.03.26"),
        ('{{ x|date("h A") }}', "2026-03-04T00:10+02:00", "12 AM"),
        ('{{ x|date("hh A") }}', "2026-03-04T13:10Z", "01 PM"),
        ('{{ x|date("[D] D", "en", "M/D/YYYY H:mm") }}', "3/4/2026 9:05", "D 4"),
        ("{{ x|round(1)|number }}", "1234567.25", "1,234,567.3"),
        ('{{ x|number(0, "fr") }}', "-1234.5", "-1 235"),
        ("{{ x|number(2) }}", "-0.001", "0.00"),
        ('{{ x|currency("JPY") }}', "1234.5", "\u00a51,235"),
        ('{{ x|currency("KWD", "de") }}', "1234.5", "1.234,500 KWD"),
        ('{{ x|currency("GBP") }}', "-3", "-\u00a33.00"),
        ('{{ x|int|currency("EUR", "nl") }}', "3.9", "\u20ac 3,00"),
    ],
)
def test_dates_numbers_and_money_are_written(source: str, value: str, text: str) -> None:
    assert Template(source).render({"x": value}) == text


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ('{{ x|date("D MMM") }}', "04/03/2026", "is no date as 2026-03-04"),
        ('{{ x|date("D MMM") }}', "2026-02-29", "is a date that does not exist"),
        ('{{ x|date("H:mm") }}', "2026-03-04", "has no time of day"),
        ('{{ x|date("D", "en", "DD/MM/YYYY") }}', "13/13/2026", "does not exist"),
        ('{{ x|date("D", "en", "DD/MM/YYYY") }}', "2026-03-04", "is no date as DD/MM/YYYY"),
        ("{{ x|number }}", "1,234", "is not a number"),
        ('{{ x|currency("USD") }}', "$5", "is not a number"),
        ('{{ x|date("D MMM") }}', "", "is empty"),
    ],
)
def test_what_can_not_be_read_rejects_its_row(source: str, value: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        Template(source).render({"x": value})


@pytest.mark.parametrize(
    "call",
    [
        "date", 'date("")', 'date("at")', 'date("D", "xx")', 'date("D", "en", "D/M")',
        'date("D", "en", "DD/DD/YYYY")', 'date("D", "en", "D MMMM YYYY")', "number(7)",
        'number("de")', "currency", 'currency("usd")', 'currency("USD", "xx")', 'date("[D")',
    ],
)  # fmt: skip
def test_a_filter_that_is_used_wrongly_is_refused(call: str) -> None:
    with pytest.raises(BadTemplate, match=r"\|(date|number|currency) is used"):
        Template(f"{{{{ x|{call} }}}}")


def test_every_language_has_all_names() -> None:
    for language in LANGUAGES:
        words = WORDS[language]
        lengths = [len(each) for each in (words.months, words.short_months, words.days)]
        assert (*lengths, len(words.short_days)) == (12, 12, 7, 7)
    assert is_date_format("D [de] MMMM")
    assert is_reading_format("YYYY/M/D HH:mm")
    assert not is_reading_format(3)


@given(st.decimals(-(10**15), 10**15, places=4), st.sampled_from(LANGUAGES))
def test_a_written_number_is_the_same_number(value: Decimal, language: str) -> None:
    words = WORDS[language]
    text = written_number(value, None, language)
    assert Decimal(text.replace(words.group, "").replace(words.point, ".")) == value


def test_plain_punctuation_where_it_saves() -> None:
    assert plain("It\u2019s \u201cnew\u201d \u2013 soon\u2026") == 'It\'s "new" - soon...'
    for kept in ("plain", "\u2019 and \U0001f600", "Zo\u00eb\u2019s", "\u2026" * 70):
        assert plain(kept) == kept
    long = "x" * 150 + "\u2019"
    assert saved_by_plain(long, count(long).parts) == 2


@given(st.text(alphabet="ab \u2019\u201c\u2026\u00e9\U0001f600", max_size=200))
def test_plain_punctuation_never_costs_a_segment_and_is_done_once(text: str) -> None:
    assert count(plain(text)).parts <= count(text).parts
    assert plain(plain(text)) == plain(text)


def test_a_plan_pins_its_punctuation() -> None:
    spelled = plan(text="It\u2019s {{ first_name }}")
    punctuated = Plan(**{f: getattr(spelled, f) for f in ("name", "to_column", "sender")},
                      text=spelled.text, plain_punctuation=True)  # fmt: skip
    assert (spelled.renderer, punctuated.renderer) == ("jinja2/1", "jinja2/3")
    assert plan_digest(spelled) != plan_digest(punctuated)
    assert spelled.template.version != punctuated.template.version
    ticket = b'AAAAAAAAAAA|1|SMS||+15551234567|["Ann\xe2\x80\x99s"]'
    assert rendered(punctuated, "july.AAAAAAAAAAA", ticket).text == "It's Ann's"
