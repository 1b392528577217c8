"""Areas of numbers: the same in the scripts and in Python, for each calling code."""

from typing import Any

import phonenumbers
import redis

from sluicegate.joining import joined, read
from sluicegate.numbering import area_of


def test_each_calling_code_is_an_area_and_each_area_code_of_the_first(valkey: redis.Redis) -> None:
    codes = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    numbers = [f"+{code}2345678901" for code in codes] + ["+12125550000", "+18765550000"]
    expected = [f"+{code}" for code in codes] + ["+1212", "+1876"]
    expected[codes.index(1)] = "+1234"
    assert [area_of(number) for number in numbers] == expected
    parts = {
        "t.areas": "local of, found = part('sluicegate.areas').of, {}\n"
        "for i = 1, #ARGV do found[i] = of(ARGV[i]) end\nreturn found"
    }
    source = joined("t.areas", lambda name: parts.get(name) or read(name))
    client: Any = valkey
    assert [area.decode() for area in client.eval(source, 1, "x", *numbers)] == expected
