"""What a reply asks for: ``stop``, ``start``, ``review`` by a person, or nothing of the kind."""

from collections.abc import Iterable
from functools import cache
from typing import Final, Literal

from .languages import LANGUAGES, OPT_IN, languages_of
from .normal import MOST_CHARACTERS, as_it_looks, normalised, shortened
from .wording import MANNERS, MOST_CLOSED, REACTION, SIGNS, TWO_READINGS, closed, read

ReplyVerdict = Literal["stop", "start", "review", ""]

_ALWAYS: Final = "en"
_MISSPELT: Final = frozenset({"sotp", "stpo", "tsop", "dtop", "atop", "stip", "syop", "srop"})
_LONGEST: Final = 4  # words of a phrase
_DIGITS: Final = str.maketrans("01345$@", "oleassa")


class Hearing:
    """How one account's replies are heard.

    ``languages`` are codes of LANGUAGES, and none stands for all of them; English is always among
    them. ``words`` are further words and phrases that opt out where they are the whole reply.
    """

    def __init__(self, languages: Iterable[str] = (), words: Iterable[str] = ()) -> None:
        self._named = frozenset(languages)
        heard = [LANGUAGES[name] for name in {_ALWAYS, *(self._named or LANGUAGES)}]
        clear = _words(word for language in heard for word in language.clear)
        own = _words(words) - OPT_IN
        self._exact = clear | own | _words(word for language in heard for word in language.words)
        self._clear = clear | own
        self._exact_in = cache(self._exact_where)
        self._closed, self._read = closed(), read()

    def verdict(self, text: str, number: str = "") -> ReplyVerdict:
        """What ``text`` asks for; ``number`` is its writer's, in E.164, for their languages."""
        words = normalised(text)
        if not words:
            return "review" if SIGNS.search(text) else ""
        if REACTION.fullmatch(text[:MOST_CHARACTERS]):
            return ""
        if words in OPT_IN:
            return "start"
        exact = self._exact_in(languages_of(number))
        tokens = [_read(word, exact) for word in words.split()]
        words = " ".join(tokens)
        phrase = len(words) <= MOST_CLOSED and self._closed.fullmatch(words)
        torn = len(tokens) > 1 and "".join(tokens) in exact  # S-TOP
        if phrase or torn or words in exact or _only_keywords(tokens, exact):
            return "stop"
        return "review" if self._holds_one(words, tokens) or self._read.search(words) else ""

    def _exact_where(self, spoken: frozenset[str]) -> frozenset[str]:
        """What opts out as a whole reply where these languages are spoken."""
        rows = [LANGUAGES[name] for name in self._named or spoken]
        return self._exact.union(*(_words(row.only_there) for row in rows))

    def _holds_one(self, words: str, tokens: list[str]) -> bool:
        if any(token in self._clear or token in _MISSPELT for token in tokens):
            return True
        if any(token.translate(_DIGITS) in self._clear for token in tokens if not token.isalpha()):
            return True
        return any(f" {phrase} " in f" {words} " for phrase in self._clear if " " in phrase)


def _words(words: Iterable[str]) -> frozenset[str]:
    return frozenset(filter(None, map(normalised, words)))


def _read(word: str, exact: frozenset[str]) -> str:
    """The keyword that a word is meant to be, or the word itself."""
    for reading in (word, as_it_looks(word), shortened(word)):
        if reading in exact:
            return reading
    if word.startswith("un") and 8 <= len(word) <= 14 and _close_to_unsubscribe(word):
        return "unsubscribe"
    return word


def _only_keywords(tokens: list[str], exact: frozenset[str]) -> bool:
    """Whether a reply is keywords and good manners alone: ``STOP STOP``, ``stop, please``.

    A keyword with two readings is not one beside other words: ``cancel please`` is read.
    """
    keywords, at, polite = set[str](), 0, False
    while at < len(tokens):
        phrases = (" ".join(tokens[at : at + size]) for size in range(_LONGEST, 0, -1))
        found = next((phrase for phrase in phrases if phrase in exact or phrase in MANNERS), "")
        if not found:
            return False
        if found in exact:
            keywords.add(found)
        else:
            polite = True
        at += found.count(" ") + 1
    return bool(keywords) and not (polite and TWO_READINGS.issuperset(keywords))


def _close_to_unsubscribe(word: str) -> bool:
    """Whether a word is within two slips of it; no other English word is."""
    target, before = "unsubscribe", list(range(len(word) + 1))
    for i, wanted in enumerate(target, 1):
        row = [i]
        for j, found in enumerate(word, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (wanted != found)))
        before = row
    return before[-1] <= 2
