"""The words that people and forms write beside a phone number, and the true names of the rest."""

import re
import unicodedata

_WORD = (
    "(?:tele?phone?|telefono?|telefoon|tel|phone|mobile?|mobil|movil|mob|cell?ulare?|cell?phone"
    "|cell?|handy|portable|gsm|sms|whats ?app|home|casa|work|office|private?|privat|main|direct"
    "|business|personal|contact|number|numero|num|no|nr|ph)"
)
"""Labels that say what a number is, in the languages of forms; without accents."""

# One letter is a label only with a colon or a full stop: Facebook's lead files write p:+1555...
_before = re.compile(
    rf"(?:(?:{_WORD}\b|[ptmchw](?=[.:]))[\s.:#=/-]*|\((?:{_WORD}|[ptmchw])\)[\s.:#=-]*)+(?=[+(0-9])"
).match
_after = re.compile(rf"(?<=[0-9)])[\s,;:-]*(?:[(\[]\s*)?(?:{_WORD}|[ptmchw])[.\s]*[)\]]?$").search

_extension = re.compile(
    r"[0-9)\]][\s,;/-]*[(\[]?\s*(?:;?ext=|x|ext(?:ension|n)?[.:]?|#|durchwahl|poste|interno)"
    r"[\s.:]*[0-9]{1,7}(?![0-9])"
).search
_fax = re.compile(r"\b(?:tele)?fax\b").search
_vanity = re.compile(r"\+?[0-9][0-9 ().-]*[a-z][a-z0-9 .-]*").fullmatch

_VANITY = "it has letters: write a vanity number (1-800-FLOWERS) in digits"
EXTENSION = "it has an extension, which can't receive messages: give a direct number"
_TEXT = "it has words beside the number: give the number alone"


def unlabelled(text: str) -> str:
    """Return ``text`` without the labels before and after its number."""
    plain = _bare(text)
    if len(plain) != len(text):  # an accent was a character of its own
        text = plain
    if found := _before(plain):
        text, plain = text[found.end() :], plain[found.end() :]
    if found := _after(plain):
        text = text[: found.start()]
    return text


def has_extension(text: str) -> bool:
    """Whether an extension follows the number in ``text``."""
    return bool(_extension(text.lower()))


def odd_text(text: str) -> str:
    """Say what ``text``, which holds letters beside digits, is instead of a number."""
    plain = _bare(text).strip()
    if "@" in plain:
        return "an e-mail address, not a phone number"
    if has_extension(plain):
        return EXTENSION
    if _fax(plain):
        return "a fax number, which can't receive messages"
    digits = sum(map(str.isdecimal, plain))
    letters = sum(map(str.isalpha, plain))
    # Its letters stand for digits; beside a whole number they are words.
    if _vanity(plain) and digits < 9 and 10 <= digits + letters <= 15:
        return _VANITY
    return _TEXT


def _bare(text: str) -> str:
    """Lower case without accents."""
    spread = unicodedata.normalize("NFD", text.lower())
    return "".join(char for char in spread if unicodedata.category(char) != "Mn")
