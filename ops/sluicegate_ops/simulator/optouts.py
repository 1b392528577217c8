"""Opt-outs: each messaging profile's blocks, set and lifted by keywords in inbound messages."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

from .account.pages import of_page

Autoresponse = Literal["STOP", "START", "HELP"]

#: As published; the provider acts on a text that consists of nothing else.
KEYWORDS: dict[str, Autoresponse] = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"), "STOP"
    ),
    **dict.fromkeys(("START", "UNSTOP"), "START"),
    **dict.fromkeys(("HELP", "INFO"), "HELP"),
}


class Optout(msgspec.Struct, rename={"from_": "from"}):
    """One block as the provider lists it, from our number to the recipient's."""

    messaging_profile_id: str
    from_: str
    to: str
    keyword: str
    created_at: str


class Optouts:
    """The blocks in force, by messaging profile and recipient."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[str, str], Optout] = {}

    def hear(
        self, profile: str, sender: str, recipient: str, text: str, at: str
    ) -> Autoresponse | None:
        """Act on what ``recipient`` wrote to ``sender``; return the kind of keyword, if any."""
        keyword = " ".join(text.upper().split())
        kind = KEYWORDS.get(keyword)
        if kind == "STOP":
            self.blocks[profile, recipient] = Optout(profile, sender, recipient, keyword, at)
        elif kind == "START":
            self.blocks.pop((profile, recipient), None)
        return kind

    def page(self, options: Mapping[str, str]) -> bytes:
        """One page of the list, in the provider's format; ``options`` are the URL's query."""
        matching = [
            block
            for block in self.blocks.values()
            if options.get("filter[from]", block.from_) == block.from_
            and options.get("filter[messaging_profile_id]", block.messaging_profile_id)
            == block.messaging_profile_id
        ]
        if options.get("redaction_enabled") == "true":
            matching = [replace(block, to=f"{block.to[:-4]}****") for block in matching]
        return of_page(matching, options)
