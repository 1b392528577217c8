"""The short links of an account's campaigns: their codes, and what was counted of each."""

from typing import Final

import msgspec

from ..scripts import Script, Scripts
from .plan import Plan
from .short_links import addresses_in, chosen_codes

LINKS: Final = Script("sluicegate.links")

_ADDRESS = ":address"


class LinkClicks(msgspec.Struct, frozen=True):
    """A short link of a campaign: where it leads, and how often people and programs came.

    ``previews`` are programs' that look at a link, often before anybody has read the message.
    """

    code: str
    address: str
    clicks: int
    previews: int


class CampaignClicks(msgspec.Struct, frozen=True):
    """A campaign's short links; ``people`` are recipients who followed one at least.

    ``latest_ms`` (wall) is when the latest of them did, 0 for never.
    """

    links: tuple[LinkClicks, ...]
    people: int
    latest_ms: int


class LinkBook:
    """Keeps codes, and tells what was counted; calls raise redis-py's errors."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def codes(self, campaign: str, text: str) -> tuple[tuple[str, str], ...]:
        """The codes of a text's addresses, the same whenever they are asked for.

        They are the campaign's from now on. Raises InvalidMessage.
        """

        def choose(address: str, codes: list[str]) -> str:
            args = ["choose", campaign, address, *codes]
            chosen: bytes = self._scripts.call(LINKS, args)
            return chosen.decode()

        return chosen_codes(campaign, addresses_in(text), choose)

    def with_codes(self, plan: Plan) -> Plan:
        """The plan with its links' codes; itself, if it has no short links."""
        if not plan.short_links:
            return plan
        return msgspec.structs.replace(plan, links=self.codes(plan.name, plan.text))

    def clicks(self, campaign: str) -> CampaignClicks:
        """What was counted of a campaign; no links, where it has none."""
        told = [text.decode() for text in self._scripts.call(LINKS, ["told", campaign])]
        counted = dict(zip(told[::2], told[1::2], strict=True))
        links = (
            LinkClicks(
                code := field.removesuffix(_ADDRESS),
                address,
                int(counted.get(f"{code}:person", 0)),
                int(counted.get(f"{code}:preview", 0)),
            )
            for field, address in sorted(counted.items())
            if field.endswith(_ADDRESS)
        )
        return CampaignClicks(
            tuple(links), int(counted.get("people", 0)), int(counted.get("latest", 0))
        )
