"""Guesses a file's encoding from all of its bytes, and refuses where the guess is in doubt.

UTF-8 proves itself. Anything else is taken for Windows-1252 only if its words read well in it, and
not clearly better in another encoding: a wrong guess would send somebody a garbled name.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from unicodedata import category

LATIN = "cp1252"
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_MOST_WORDS = 5_000  # different words that are judged
_CLEARLY = 1.5  # how much worse Windows-1252 must read to be doubted

_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_LACKING = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # what Windows-1252 has no character for
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
# UTF-8 that was read as Windows-1252 and written as UTF-8 again: José as JosÃ©.
_TWICE = re.compile(
    rb"\xc3[\x83-\x85]\xc2[\x80-\xbf]|\xc3\x82\xc2[\xa0-\xbf]|\xc3\xa2\xe2\x82\xac"
)

_OTHERS = {
    "mac_roman": "Mac Roman",
    "cp850": "DOS (cp850)",
    "cp1250": "Windows-1250, Central European",
    "iso8859-2": "ISO 8859-2, Central European",
    "cp1254": "Windows-1254, Turkish",
    "cp1257": "Windows-1257, Baltic",
}
_SCRIPTS = {
    "cp1251": "Windows-1251, Cyrillic",
    "koi8-r": "KOI8-R, Cyrillic",
    "cp1253": "Windows-1253, Greek",
    "cp1255": "Windows-1255, Hebrew",
    "cp1256": "Windows-1256, Arabic",
    "shift_jis": "Shift JIS",
    "euc_kr": "EUC-KR",
    "big5": "Big5",
    "gb18030": "GB 18030",
}

# The letters beside a to z that languages write. A file's are those of one, or of two neighbours.
_WESTERN = (
    "àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíñóúü", "áàâãçéêíóôõúü", "àèéìíîòóùú", "äåæéöøü",
    "áéëèïíóöúüêç", "àçèéíïòóúü",
)  # fmt: skip
_SINGLE = (
    "áðéíóúýþæö", "äöõüšž", "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű",
    "čćđšž", "ăâîșțşţ", "çğıöşüâîû", "ąčęėįšųūž", "āčēģīķļņšūž",
)  # fmt: skip
_PAIRS = [one + other for one in _WESTERN for other in _WESTERN]
_ALPHABETS = [frozenset(letters + letters.upper()) for letters in (*_PAIRS, *_SINGLE)]
# Quotes, dashes and the like where they belong: before a word, behind one, and within one.
_DASHES = "\u2013\u2014"
_OPENING = frozenset("\xbb\u203a\u201e\u201a\xab\xbf\xa1\u201c\u2018\u2039\xa0")
_CLOSING = frozenset(
    "\xab\u2039\u201c\u2018\u201d\u2019\xbb\u203a\xae\u2122\xa9\xb0\xba\xaa\u2026\xa0"
)
_JOINING = frozenset("\u2019\u2018\xb4\xb7\xaa\xba\xad\xa0\u2013\u2014\u2026")


def likely_encoding(prefix: bytes, blocks: Iterable[bytes]) -> str:
    """The encoding of the file that begins with ``prefix`` and consists of ``blocks``.

    Raises ValueError, which says what speaks against a guess, and which encoding is likely.
    """
    for mark, name in _BOMS.items():
        if prefix.startswith(mark):
            return name
    even, odd = prefix[::2].count(0), prefix[1::2].count(0)
    if (even + odd) * 10 > len(prefix):
        if min(even, odd) * 20 > max(even, odd):
            raise ValueError("this is binary data")
        return "utf-16-le" if odd > even else "utf-16-be"
    survey = _Survey()
    for block in blocks:
        survey.take(block)
    return survey.verdict()


class _Survey:
    """Counts what speaks for UTF-8 in a file, and collects its other words."""

    def __init__(self) -> None:
        self._rest = b""
        self._sound = self._wrong = 0
        self._twice: bytes | None = None
        self._mixed: bytes | None = None
        self._lacking: bytes | None = None
        self._words: Counter[bytes] = Counter()

    def take(self, block: bytes) -> None:
        if not self._rest and block.isascii():
            return
        data = self._rest + block
        # A character or a word may go on in the next block.
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1 or len(data)
        data, self._rest = data[:end], data[end:]
        self._look(data)

    def verdict(self) -> str:
        self._look(self._rest)
        if self._wrong < self._sound or not self._wrong:
            if self._twice:
                shown = self._twice.decode("utf-8", "replace")
                raise ValueError(
                    f"it holds {shown!r}: it was UTF-8, was read as Windows-1252, and saved so"
                )
            return "utf-8"  # perhaps with a few invalid bytes, which cost their rows
        if self._mixed:
            shown = self._mixed.decode(LATIN, "replace")
            raise ValueError(
                f"it is partly UTF-8 and partly not: {self._mixed.decode()!r} would read {shown!r}"
            )
        return _judged(self._words, self._lacking)

    def _look(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._count_bytes(data)
        else:
            self._sound += len(data) - len(text)  # the bytes that characters take beyond one
            found = _TWICE.search(data) if b"\xc3" in data else None
            self._twice = self._twice or (found[0] if found else None)

    def _count_bytes(self, data: bytes) -> None:
        lacking = _LACKING.search(data)
        self._lacking = self._lacking or (lacking[0] if lacking else None)
        for word in _WORD.findall(data):
            rest = _MULTIBYTE.sub(b"", word)
            wrong = sum(byte > 0x7F for byte in rest)
            self._wrong += wrong
            if sound := _MULTIBYTE.findall(word):
                self._sound += len(sound)
                self._mixed = self._mixed or _telling(word, sound)
            if word in self._words or len(self._words) < _MOST_WORDS:
                self._words[word] += 1


def _telling(word: bytes, sound: list[bytes]) -> bytes | None:
    """``word`` if it is UTF-8 by its letters and signs, and not by accident; else None."""
    try:
        word.decode()
    except UnicodeDecodeError:
        return None
    letters = b"".join(sound).decode()
    return (
        word
        if all("\xa0" <= c <= "\u017f" or "\u2010" <= c <= "\u2122" for c in letters)
        else None
    )


def _judged(words: Counter[bytes], lacking: bytes | None) -> str:
    """Windows-1252, if that is how ``words`` read best; raises ValueError if it is not.

    ``lacking`` is a byte that Windows-1252 has no character for, if there is any.
    """
    runs = sum(len(run) for word in words for run in re.findall(rb"[\x80-\xff]{3,}", word))
    high = sum(sum(byte > 0x7F for byte in word) for word in words)
    if 4 * runs > high:  # not Latin letters
        names = _likeliest(words, _SCRIPTS)
        perhaps = " or ".join(f"{_SCRIPTS[name]} (--encoding {name})" for name in names)
        raise ValueError(f"it is neither UTF-8 nor Windows-1252, but perhaps {perhaps}")
    names = _likeliest(words, _OTHERS)
    latin, other = _oddness(words, LATIN), _oddness(words, names[0])
    if lacking is None and (latin < other + _CLEARLY or latin < 2 * other):
        return LATIN
    worst = max(words, key=lambda word: (lacking or b"") in word and _word_oddness(word, LATIN))
    shown = worst.decode(LATIN, "replace")
    perhaps = " or ".join(
        f"{worst.decode(name, 'replace')!r} in {_OTHERS[name]} (--encoding {name})"
        for name in names
    )
    raise ValueError(f"it would read {shown!r} as Windows-1252, but perhaps it is {perhaps}")


def _likeliest(words: Counter[bytes], encodings: Iterable[str]) -> list[str]:
    """The encodings in which ``words`` read best, at most three; the best one first."""
    ranked = sorted((_oddness(words, name), name) for name in encodings)
    return [name for odd, name in ranked if odd <= ranked[0][0] + 0.5][:3]


def _oddness(words: Counter[bytes], encoding: str) -> float:
    """How badly ``words`` read in ``encoding``: odd signs, and letters of no one language."""
    letters: Counter[str] = Counter()
    for word in words:
        letters.update(c for c in word.decode(encoding, "ignore") if c > "\x7f" and c.isalpha())
    foreign = min(
        sum(count for letter, count in letters.items() if letter not in alphabet)
        for alphabet in _ALPHABETS
    )
    return sum(_word_oddness(word, encoding) for word in words) + (
        foreign if encoding == LATIN or encoding in _OTHERS else 0
    )


@lru_cache(50_000)
def _word_oddness(word: bytes, encoding: str) -> float:
    try:
        text = word.decode(encoding)
    except UnicodeDecodeError:
        return 10.0
    scripts = {_script(char) for char in text if char.isalpha()}
    odd = 3.0 * max(0, len(scripts) - 1)
    last = len(text) - 1
    for at, char in enumerate(text):
        before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
        if char.isalpha():
            inner = before.islower() or (before.isalpha() and after.islower())
            odd += 2.0 * (char > "\x7f" and char.isupper() and inner)
        elif char > "\x7f" and category(char) not in ("Mn", "Mc"):
            odd += _sign_oddness(text, char, at, last, before, after)
    return odd


def _sign_oddness(text: str, char: str, at: int, last: int, before: str, after: str) -> float:
    """How odd a sign is at its place in a word: £ukasz, Jos‡."""
    if category(char) == "Cc":
        return 10.0
    if last == 0:
        return 1.0 if char == "¤" else 0.0
    if before.isalpha() and after.isalpha():
        if char in _DASHES:
            return 1.0 if text[0].isupper() and text[1:].islower() else 0.0
        return 0.0 if char in _JOINING else 3.0
    if at == 0 and after.isalpha():
        return 0.0 if char in _OPENING or char in _JOINING else 2.0
    if at == last and before.isalpha():
        if char in "²³" and text[:at] in ("m", "cm", "km", "mm", "dm"):
            return 0.0
        return 0.0 if char in _CLOSING or char in _JOINING else 2.0
    return 0.0


def _script(char: str) -> str:
    """A rough name of a letter's script."""
    code = ord(char)
    for end, name in ((0x250, "latin"), (0x370, "signs"), (0x400, "greek"), (0x530, "cyrillic"),
                      (0x600, "hebrew"), (0x700, "arabic"), (0x3000, "other")):  # fmt: skip
        if code < end:
            return name
    return "halfwidth" if 0xFF00 <= code < 0xFFF0 else "east asian"
