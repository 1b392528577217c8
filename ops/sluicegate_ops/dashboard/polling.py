"""What a page is told that looks again: itself, without the parts that it has already."""

import re
from collections.abc import Collection
from hashlib import blake2b
from typing import Any

from .pages import PageAnswer


def marked(html: str) -> str:
    """A part that seldom changes, with a mark that changes whenever it does."""
    mark = blake2b(html.encode(), digest_size=8).hexdigest()
    return f'<div data-same="{mark}"><!--{mark}-->{html}<!--/{mark}--></div>'


def without(html: str, have: Collection[str]) -> str:
    """The HTML of a page, with the parts empty whose marks are those of ``have``."""
    return re.sub(
        r"<!--([0-9a-f]{16})-->.*?<!--/\1-->",
        lambda part: "" if part[1] in have else part[0],
        html,
        flags=re.DOTALL,
    )


def told(kind: str, have: Collection[str], answer: PageAnswer, html: str) -> dict[str, Any] | None:
    """What ``?as=`` asks for: ``json`` for a program, ``look`` for a page; None for the page.

    ``have`` are the marks of what the page has.
    """
    if kind == "json":
        return {"data": answer.data, "trouble": answer.trouble, "html": html}
    if kind == "look":
        return {"trouble": answer.trouble, "html": without(html, have)}
    return None
