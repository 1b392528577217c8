"""A/B: two texts of one campaign, and which of them each recipient gets.

    {% if ab_variant == "b" %}Hello!{% else %}Hi!{% endif %}

So the plan pins both, and whatever is true of a text is true of them. Who gets which is decided by
a hash of the campaign's name and the number: whatever files and rows a number stands in, and
whoever asks later, it is the same.
"""

from hashlib import blake2b
from typing import Final, Literal

from .template import Template

VARIANT: Final = "ab_variant"
"""The variable that chooses in the text; no column can be called so."""

Side = Literal["a", "b"]


def two_texts(a: str, b: str) -> str:
    """One template of both texts; raises BadTemplate where one of them alone is none."""
    for text in (a, b):
        Template(text)
    return f'{{% if {VARIANT} == "b" %}}{b.strip()}{{% else %}}{a.strip()}{{% endif %}}'


def side_of(campaign: str, to: str, b_share: float) -> Side:
    """Which text of a campaign a number gets, of which so large a share gets the second."""
    hash = blake2b(f"{campaign}\0{to}".encode(), digest_size=8).digest()
    return "b" if int.from_bytes(hash) < b_share * 2**64 else "a"
