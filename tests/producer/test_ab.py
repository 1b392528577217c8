"""Two texts of one campaign: who gets which."""

from collections import Counter

import pytest

from sluicegate.campaigns.ab import side_of, two_texts
from sluicegate.campaigns.languages import joined
from sluicegate.campaigns.template import Template
from sluicegate.errors import BadTemplate


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_share_of_the_numbers_gets_the_second_text_always_the_same(share: float) -> None:
    numbers = [f"+1312555{n:04d}" for n in range(5_000)]
    sides = {number: side_of("july", number, share) for number in numbers}
    assert Counter(sides.values())["b"] == pytest.approx(share * 5_000, rel=0.3, abs=20)
    assert sides == {number: side_of("july", number, share) for number in reversed(numbers)}
    larger = {number: side_of("july", number, min(1.0, share + 0.05)) for number in numbers}
    assert all(larger[number] == "b" for number, side in sides.items() if side == "b")


def test_each_campaign_deals_its_own() -> None:
    numbers = [f"+1312555{n:04d}" for n in range(500)]
    both = [(side_of("july", n, 0.5), side_of("june", n, 0.5)) for n in numbers]
    assert 180 < sum(one == other for one, other in both) < 320


def test_both_texts_are_one_template_with_conditions_of_their_own() -> None:
    text = Template(two_texts('Hi{% if vip == "yes" %} friend{% endif %}!', "Hello {{ name }}."))
    values = {"name": "Ann", "vip": "yes"}
    assert text.render(values | {"ab_variant": "a"}) == "Hi friend!"
    assert text.render(values | {"ab_variant": "b"}) == "Hello Ann."


@pytest.mark.parametrize(
    "text", ["Hi {% endif %}{% if name %}yo {{ name }}", "{% else %}", "Hi {"]
)
def test_each_text_is_a_template_by_itself(text: str) -> None:
    for texts in ((text, "Yo"), ("Yo", text)):
        with pytest.raises(BadTemplate):
            two_texts(*texts)
    for several, other in (({"de": text}, "Hi"), ({"de": "Hallo"}, text)):
        with pytest.raises(BadTemplate):
            joined("lang", several, other)


def test_an_empty_text_is_none() -> None:
    with pytest.raises(BadTemplate, match="empty"):
        two_texts("Hi", " ")
