"""Who a campaign is for, where no file says it: an earlier campaign's recipients, by outcome."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

OUTCOMES: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "all": ("everybody", ()),
    "delivered": ("who surely got it", ("--delivered",)),
    "not-delivered": ("who did not surely get it", ("--not-delivered",)),
    "failed": ("for whom it failed", ("--failed=any",)),
    "clicked": ("who followed a short link", ("--clicked",)),
    "not-clicked": ("who followed no short link", ("--not-clicked",)),
}
"""What each is called, and the options of the commands that read the recipients."""

COLUMNS: Final = ("phone", "state", "delivery", "code")
"""The columns of such recipients, as ``--from-campaign`` gives them."""


class Audience(NamedTuple):
    """The recipients of a campaign of one of ``OUTCOMES``."""

    campaign: str
    outcome: str

    @property
    def said(self) -> str:
        return f"recipients of {self.campaign}: {OUTCOMES[self.outcome][0]}"

    @property
    def options(self) -> list[str]:
        return [f"--from-campaign={self.campaign}", *OUTCOMES[self.outcome][1]]
