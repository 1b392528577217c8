"""What trials in the field found about the numbers in files, in numbered order."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from sluicegate.campaigns.phone import Phones
from sluicegate.errors import BadNumber
from sluicegate.numbering import doubt, kind_of, region_of

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
MOBILES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def mobiles(region: str, wanted: int, seed: int = 1) -> Iterator[str]:
    """Random valid mobiles of a region, in E.164: its example with other digits at the end."""
    chance = random.Random(f"{region}{seed}")
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    if example is None:
        return
    start = phonenumbers.format_number(example, PhoneNumberFormat.E164)
    code = len(str(example.country_code)) + 1
    for _ in range(50 * wanted):
        kept = chance.randint(code, len(start) - 1)
        tail = "".join(chance.choices("0123456789", k=len(start) - kept))
        parsed = phonenumbers.parse(start[:kept] + tail)
        number = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
        if number == start[:kept] + tail and phonenumbers.number_type(parsed) in MOBILES:
            yield number
            wanted -= 1
            if not wanted:
                return


def read(text: str, region: str | None) -> str:
    """The number; or, for a row set aside, ``aside: `` and the reason."""
    try:
        return Phones(region).normalise(text)
    except BadNumber as error:
        return f"aside: {error.reason}"


def check_without_plus(region: str, wanted: int, seed: int) -> None:
    for number in mobiles(region, wanted, seed):
        found = read(number[1:], region)
        if found.startswith("aside"):
            assert "either" in found, (region, number, found)
            assert number in found, (region, number, found)
        else:
            assert found == number, (region, number, found)


@pytest.mark.parametrize("first", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_01_a_country_code_without_plus_makes_no_number_of_somebody_else(first: str) -> None:
    for region in REGIONS:
        if region.startswith(first):
            check_without_plus(region, 4, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 6))
def test_01_nor_do_many_random_mobiles_of_every_region(seed: int) -> None:
    for region in REGIONS:
        check_without_plus(region, 100, seed)


def test_01_both_readings_are_named() -> None:
    assert read("491773333333", "DE") == (
        "aside: either +49491773333333 or +491773333333: write it with +"
    )
    assert read("0177 3333333", "DE") == "+491773333333"
    assert read("447911123456", "GB") == "+447911123456"  # no national number is that long


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("(555) 201-0001", "GB", "a service number"),
        ("002083991526", "GB", "no such number in EG (+20)"),
        ("002083991526", None, "no such number in EG (+20)"),
        ("(555) 201-0001", "NO", "too long for NO (+47)"),
        ("200 000 000", "ES", "no such number in ES (+34)"),
        ("0900 1234567", "NL", "a service number"),
    ],
)
def test_08_an_inferred_number_must_exist(text: str, region: str | None, reason: str) -> None:
    found = read(text, region)
    assert found.startswith("aside: ")
    assert reason in found


@pytest.mark.parametrize(
    ("number", "home", "odd"),
    [
        ("+5108675432", "US", "perhaps a number of US with a + before it"),
        ("+5108675432", None, "no such number is known in PE (+51)"),
        ("+15552010001", None, "area code is not assigned"),
        ("+17911234567", "US", "area code is not assigned"),
        ("+18002345678", None, "a service number"),
        ("+443301234567", None, "a service number"),
        ("+999123456789", None, "no such number is known in any country"),
        ("+14155550123", "US", ""),
        ("+12684641234", None, ""),
        ("+447911123456", "US", ""),
        ("+6591234567", "US", ""),  # also the digits of an area code, but Singapore's with its +
    ],
)
def test_08_what_is_written_with_a_plus_is_doubted(
    number: str, home: str | None, odd: str
) -> None:
    found = doubt(number, home)
    assert odd in found if odd else not found


TYPES = {
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "mobile",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.PERSONAL_NUMBER: "mobile",
    PhoneNumberType.VOIP: "mobile",
    PhoneNumberType.UNKNOWN: "unknown",
}


def test_08_and_16_the_kind_and_the_country_are_those_of_the_library() -> None:
    chance = random.Random(8)
    for region in REGIONS:
        for sort in PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, sort)
            if example is None:
                continue
            whole = phonenumbers.format_number(example, PhoneNumberFormat.E164)
            near = whole[:-4] + "".join(chance.choices("0123456789", k=4))
            for number in (whole, near):
                parsed = phonenumbers.parse(number)
                if phonenumbers.format_number(parsed, PhoneNumberFormat.E164) != number:
                    continue
                if number[:2] == "+1" and len(number) != 12:  # which no phone has
                    continue
                kind = TYPES.get(phonenumbers.number_type(parsed), "service")
                assert kind_of(number) == kind, number
                if where := phonenumbers.region_code_for_number(parsed):
                    assert region_of(number) == where, number


@pytest.mark.parametrize(
    "text",
    [
        "p:+15552010001",
        "P: +15552010001",
        "t:+15552010001",
        "Tel No: +1 555 201 0001",
        "Tel. Nr.: +1 555 201 0001",
        "Tél. : +1 555 201 0001",
        "Téléphone +15552010001",
        "Móvil: +15552010001",
        "Mobile Phone: +1 (555) 201-0001",
        "Cell #+15552010001",
        "WhatsApp: +1-555-201-0001",
        "Phone number: 1 555 201 0001",
        "(home) 555-201-0001",
        "(m) 555-201-0001",
        "555 201 0001 (home)",
        "555-201-0001 [cell]",
        "555-201-0001 mobile",
        "555-201-0001 - work",
        "Home (555) 201-0001",
        "\uff34\uff25\uff2c\uff1a+15552010001",
        "phone:p:+15552010001",
        "tel:+15552010001",
        "Handy-Nr. +15552010001",
    ],
)
def test_14_known_labels_are_no_part_of_a_number(text: str) -> None:
    assert read(text, "US") == "+15552010001"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("555 201 0001 (ext 5)", "an extension"),
        ("(555) 201-0001, ext. 12", "an extension"),
        ("555 201 0001 EXT5", "an extension"),
        ("call 555 201 0001 after six", "words beside the number"),
        ("555 201 0001 Bob", "words beside the number"),
        ("ann5552010001@example.com", "an e-mail address"),
        ("Fax: 555 201 0001", "a fax number"),
        ("home 555 201 0001 cell 555 201 0002", "more than one number"),
        ("1-800-FLOWERS", "vanity number"),
        ("1-800-flowers", "vanity number"),
        ("unknown", "no digits"),
    ],
)
def test_14_what_is_no_number_is_called_by_its_name(text: str, reason: str) -> None:
    assert reason in read(text, "US")


@pytest.mark.parametrize(
    "text",
    [
        "030 123456/57",
        "030/123456/57",
        "+49 30 123456 / 57",
        "0049 30 123456/7",
        "030 123456~57",
        "030-123456/ 57",
    ],
)
def test_17_the_end_of_a_second_number_is_not_part_of_the_first(text: str) -> None:
    assert "more than one number" in read(text, "DE")


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("0171/1234567", "DE", "+491711234567"),
        ("030/12345678", "DE", "+493012345678"),
        ("03362/1234", "DE", "+4933621234"),
        ("+49 3362/1234", "DE", "+4933621234"),
        ("0475/12.34.56", "BE", "+32475123456"),
        ("06/12/34/56/78", "FR", "+33612345678"),
    ],
)
def test_17_a_slash_after_an_area_code_or_between_pairs_stays(
    text: str, region: str, number: str
) -> None:
    assert read(text, region) == number
