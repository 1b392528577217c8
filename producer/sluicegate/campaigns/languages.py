"""A campaign's text in several languages: one template, in which a row's language chooses.

    {% if lang == "de" %}Hallo{% elif lang == "fr" %}Salut{% else %}Hi{% endif %}

So the plan pins all of them together, and whatever is true of a text is true of them. A row's
value is taken down to a language that there is: ``de-AT``, ``DE`` and ``de_AT`` are ``de`` where
there is no text for Austria.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache

from .template import Template

_CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}")


def language_code(text: str) -> str | None:
    """A language's code as it is compared: ``de_AT`` is ``de-at``; None if it is none."""
    code = text.strip().lower().replace("_", "-")
    return code if _CODE.fullmatch(code) else None


def joined(variable: str, texts: Mapping[str, str], other: str | None) -> str:
    """One template of ``texts`` by language, and of the ``other`` text for all else, if any.

    Raises BadTemplate where one of them alone is none.
    """
    for alone in (*texts.values(), other):
        if alone is not None:
            Template(alone)
    parts = []
    for word, (code, text) in zip(["if", *["elif"] * len(texts)], texts.items(), strict=False):
        parts.append(f'{{% {word} {variable} == "{code}" %}}{text.strip()}')
    if other is not None:
        parts.append(f"{{% else %}}{other.strip()}")
    return "".join([*parts, "{% endif %}"])


def chooser(languages: Collection[str]) -> Callable[[str], str]:
    """Return what takes a row's value down to one of ``languages``, or to ``""``."""

    @lru_cache(1_000)
    def chosen(value: str) -> str:
        code = language_code(value) or ""
        while code and code not in languages:
            code = code.rpartition("-")[0]
        return code

    return chosen
