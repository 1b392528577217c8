"""Converts phone numbers as people write them to E.164.

With ``+`` and a country code a number is accepted if it is *possible*: its country has numbers of
that length. Whether it is assigned is not asked, since published ranges lag behind real ones;
``numbering.doubt`` tells. Where the country is inferred, from a region or after ``00``, the
number must also be *valid*: its country's plan must have it, for people. In North America, the
area code and the exchange must begin with 2 to 9, whoever writes them.

Numbers that are in E.164 already, or plainly North American, take a shorter way to the answer that
the phonenumbers library would give. An ambiguous number is never guessed: a message to a stranger
is worse than a row set aside.
"""

import re
import unicodedata
from functools import cache

from ..errors import BadNumber, InvalidMessage
from ..numbering import kind_of, library
from ..rules import E164
from .labels import EXTENSION, has_extension, odd_text, unlabelled

_NANP = r"\(?([2-9][0-9]{2})\)?[ \xa0.-]{0,3}([2-9][0-9]{2})[ \xa0.-]{0,3}([0-9]{4})"
_plain_nanp = re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}").fullmatch
_foreign_nanp = re.compile(rf"\+1[ \xa0.-]?{_NANP}").fullmatch
_national_nanp = re.compile(rf"(?:\+?1[ \xa0.-]?)?{_NANP}").fullmatch
_NANP_REGIONS = {"US", "CA"}

# Where one of these follows the country code, the library must be asked. In North America it is
# anything but an area code and exchange; elsewhere a national prefix such as 0, which the library
# would drop, or a row of zeros.
_NANP_HEAD = "(?![2-9][0-9]{2}[2-9]).?"
_OTHER_HEAD = "0000|(?:{})"

_AROUND = " \t\r\n'\"`=,;"
_PUNCTUATION = re.compile(r"[\s().\-/~·•]+")
_DASHES = {"\u2212", "\u30fc"}  # a minus and a Japanese long vowel, typed for dashes
_scientific = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?E[+-]?[0-9]+", re.IGNORECASE).fullmatch
_float = re.compile(r"(\+?[0-9]{7,})[.,]0{1,2}").fullmatch
_letter = re.compile(r"[^\W\d_]").search
_SEVERAL = re.compile(r"[,;/|&\n\r]|(?<=.)(?=\+)|[^\W\d_]{2,}", re.IGNORECASE)
_PEOPLE = ("mobile", "landline")

_SHORTENED = (
    "a spreadsheet shortened this number and its last digits are lost: format the column as text "
    "there, enter the numbers again, then export"
)
_NATIONAL = (
    "a national number: give --region (such as US), or write it with + and its country code"
)
_ABROAD = "a number abroad needs + and its country code"
_NOT_A_PERSON = "a service number (toll-free, premium or a company's), not a person's"
_NOT_NANP = "not a North American number: area code and exchange begin with 2 to 9"
_ZEROS = "nothing but zeros"
_SEVERAL_NUMBERS = "more than one number: give each a row of its own"


class Phones:
    """Converts phone numbers to E.164.

    ``region`` is the country whose national numbers are understood, as an ISO 3166 code of two
    letters, such as US. Without it, every number needs its country code, after ``+`` or ``00``.

    Raises InvalidMessage if there is no such region. Here and in ``normalise``, raises
    ModuleNotFoundError if the phonenumbers library is needed and not installed.
    """

    def __init__(self, region: str | None = None) -> None:
        self.region = region if region is None else region.upper()
        known = self.region is None or self.region in _NANP_REGIONS
        if not known and self.region not in library().SUPPORTED_REGIONS:
            hint = " (the United Kingdom is GB)" if self.region == "UK" else ""
            reason = f"must be an ISO 3166 code of two letters, such as US or GB{hint}"
            raise InvalidMessage("region", region, reason)
        self._nanp = _national_nanp if self.region in _NANP_REGIONS else _foreign_nanp

    def normalise(self, text: str) -> str:
        """Return the number ``text`` in E.164, such as ``+15551234567``.

        Raises BadNumber, whose reason is written for the author of the file.
        """
        if _plain_nanp(text):
            return text
        if match := self._nanp(text):
            return "+1" + match[1] + match[2] + match[3]
        if text[:1] == "+":
            number = text.replace(" ", "").replace("-", "").replace("(", "").replace(")", "")
            if _is_canonical(number):
                return number
        digits = _digits(text)
        if digits[0] == "+":
            return digits if _is_canonical(digits) else _parse(text, digits, None)
        if digits[:2] == "00":
            return _only_reading(text, [("+" + digits[2:], None), (digits, self.region)])
        if match := self._nanp(digits):
            return "+1" + match[1] + match[2] + match[3]
        if self.region is None:
            raise BadNumber(text, _NATIONAL)
        if digits.startswith(str(library().country_code_for_region(self.region))):
            return _only_reading(text, [(digits, self.region), ("+" + digits, None)])
        return _valid(text, _parse(text, digits, self.region))


def _is_canonical(number: str) -> bool:
    """Whether the library would return ``number``, which begins with +, unchanged."""
    if not (number[1:].isdecimal() and number.isascii()):
        return False
    lengths, start, doubtful_head = _numbering_plan(number[:4])
    if len(number) not in lengths:
        return False
    match = doubtful_head.match(number, start)
    return match is None or match.end() == start


@cache
def _numbering_plan(prefix: str) -> tuple[frozenset[int], int, re.Pattern[str]]:
    """What ``_is_canonical`` must know of numbers that begin with ``prefix``, + and three digits.

    Returns their possible lengths with the +, the index at which the national number begins, and
    what must not stand there.
    """
    if prefix[1] == "1":
        return frozenset({12}), 2, re.compile(_NANP_HEAD)
    known = library().COUNTRY_CODE_TO_REGION_CODE
    codes = (int(prefix[1:end]) for end in (2, 3, 4))
    code = next((code for code in codes if code in known), 0)
    if not code or prefix[1] == "0":
        return frozenset(), 0, re.compile("")
    region, start = known[code][0], 1 + len(str(code))
    metadata = library().PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    lengths = frozenset(start + n for n in metadata.general_desc.possible_length)
    head = _OTHER_HEAD.format(metadata.national_prefix_for_parsing or "")
    return lengths & frozenset(range(8, 17)), start, re.compile(head)


def _digits(text: str) -> str:
    """Reduce ``text`` to its digits, and the + before them if there is one.

    Raises BadNumber if ``text`` holds anything that can't belong to one phone number.
    """
    plain = text if text.isascii() else _folded(text)
    plain = plain.strip(_AROUND)
    if not plain:
        raise BadNumber(text, "empty")
    if _scientific(plain):
        raise BadNumber(text, _SHORTENED)
    if has_extension(plain):
        raise BadNumber(text, EXTENSION)
    if _letter(plain):
        plain = unlabelled(plain)
    if match := _float(plain):
        return match[1]
    several = sum(len(re.findall(r"[0-9]", part)) > 6 for part in _SEVERAL.split(plain)) > 1
    if several or _ends_in_another(plain):
        raise BadNumber(text, _SEVERAL_NUMBERS)
    digits = _PUNCTUATION.sub("", plain)  # "(0)" stays: the library knows where to drop it
    if not digits.removeprefix("+").isdecimal():
        raise BadNumber(text, _stranger(plain, digits))
    if not digits.strip("+0"):
        raise BadNumber(text, _ZEROS)
    return digits[1:] if digits.startswith("+00") else digits  # + and 00 mean the same


def _ends_in_another(plain: str) -> bool:
    """Whether a slash or tilde is followed by the end of a second number: ``030 123456/57``.

    After an area code the number itself follows (``03362/1234``), and pairs are only pairs.
    """
    *head, last = [len(re.findall(r"[0-9]", part)) for part in re.split("[/~]", plain)]
    code = 3 if plain.startswith("+") else 4 if plain.startswith("00") else 0
    return bool(head) and last <= 4 <= head[-1] and sum(head) - code >= 7


def _folded(text: str) -> str:
    """Replace digits, dashes and spaces of any script by ASCII, and drop invisible characters."""
    folded = []
    for char in unicodedata.normalize("NFKC", text):
        kind = unicodedata.category(char)
        if kind == "Nd":
            folded.append(str(unicodedata.digit(char)))
        elif kind == "Pd" or char in _DASHES:
            folded.append("-")
        elif kind not in ("Cf", "Mn", "Me"):
            folded.append(char)
    return "".join(folded)


def _stranger(plain: str, digits: str) -> str:
    if not any(map(str.isdecimal, digits)):
        return "not a phone number: it has no digits"
    if any(map(str.isalpha, digits)):
        return odd_text(plain)
    odd = next((char for char in digits.lstrip("+") if not char.isdecimal()), "+")
    return f"{odd!a} can't be part of a phone number"


def _only_reading(text: str, spellings: list[tuple[str, str | None]]) -> str:
    """Return the one number that ``spellings``, digits and a region each, can stand for.

    Raises BadNumber if they stand for two, or for none.
    """
    readings, faults = dict[str, None](), list[BadNumber]()
    for digits, region in spellings:
        try:
            readings[_parse(text, digits, region)] = None
        except BadNumber as error:
            faults.append(error)
    if not readings:
        raise faults[0]
    if len(readings) == 1:
        return _valid(text, next(iter(readings)))
    valid = [number for number in readings if kind_of(number) in _PEOPLE]
    if len(valid) == 1:
        return valid[0]
    raise BadNumber(text, f"either {' or '.join(readings)}: write it with +")


def _valid(text: str, number: str) -> str:
    """Return ``number``, whose country is inferred; raises BadNumber if its country lacks it.

    North America's area codes are left to ``numbering.doubt``: several are added each year.
    """
    if number[1] == "1" or (kind := kind_of(number)) in _PEOPLE:
        return number
    place = _place(library().parse(number).country_code)
    if kind == "service":
        raise BadNumber(text, f"{_NOT_A_PERSON} ({place})")
    raise BadNumber(text, f"no such number in {place}; {_ABROAD}")


def _parse(text: str, digits: str, region: str | None) -> str:
    phonenumbers = library()
    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException as error:
        raise BadNumber(text, _parse_fault(error)) from None
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadNumber(text, _length_fault(parsed.country_code, possible))
    number: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if parsed.country_code == 1 and not _foreign_nanp(number):
        raise BadNumber(text, _NOT_NANP)
    if parsed.national_number == 0:
        raise BadNumber(text, _ZEROS)
    if not E164.match(number):
        raise BadNumber(text, "too short for any country")
    return number


def _parse_fault(error: Exception) -> str:
    kind = getattr(error, "error_type", None)
    if kind == library().NumberParseException.INVALID_COUNTRY_CODE:
        return "no country has that country code"
    return "too long" if kind == library().NumberParseException.TOO_LONG else "too short"


def _length_fault(code: int, possible: int) -> str:
    place = _place(code)
    result = library().ValidationResult
    return {
        result.IS_POSSIBLE_LOCAL_ONLY: f"the area code is missing ({place})",
        result.TOO_SHORT: f"too short for {place}",
        result.TOO_LONG: f"too long for {place}; {_ABROAD}",
    }.get(possible, f"no number in {place} has that many digits")


def _place(code: int) -> str:
    region = library().region_code_for_country_code(code)
    return f"+{code}" if region == "001" else f"{region} (+{code})"
