"""Campaigns from Python: what ``sluicegate campaign`` does, by the same functions.

    campaigns = open_campaigns()
    plan = Plan(name="july", text="Hi {{ name }}", to_column="phone", sender="+15557654321")
    campaigns.create(plan)
    for recipient, result in campaigns.add("july", sendable(plan, Path("people.csv"))):
        ...
    campaigns.act("july", "start")

It needs the extra ``campaign``. Everything is synchronous; each thread opens its own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from .audit import By
from .campaigns.ab import side_of, two_texts
from .campaigns.approval import Approval, Proposal
from .campaigns.campaign import Action, Campaigns
from .campaigns.guarding import canary, left_out, share_limit
from .campaigns.hours import SendingHours
from .campaigns.import_batch import ImportResult
from .campaigns.ledger import Ledger
from .campaigns.opening import FileForm, open_rows
from .campaigns.plan import Plan, TextVersion
from .campaigns.proportions import ShareTest, share_test
from .campaigns.recipients import AS_IT_IS, Recipient, Recipients, Rejected, RowReading
from .campaigns.revising import TextEffect, TextEffects
from .campaigns.row_source import RowSource
from .campaigns.series import occurrences
from .campaigns.stored_campaign import Campaign, CampaignState
from .config import Account, Config
from .config import load as load_config
from .connections import connect
from .keys import Keys
from .stored import Canary, Guards, LeftOut, ShareLimit

__all__ = [
    "Action",
    "Approval",
    "By",
    "Campaign",
    "CampaignState",
    "Campaigns",
    "Canary",
    "FileForm",
    "Guards",
    "ImportResult",
    "Ledger",
    "LeftOut",
    "Plan",
    "Proposal",
    "Recipient",
    "Recipients",
    "Rejected",
    "RowReading",
    "RowSource",
    "SendingHours",
    "ShareLimit",
    "ShareTest",
    "TextEffect",
    "TextEffects",
    "TextVersion",
    "canary",
    "left_out",
    "occurrences",
    "open_campaigns",
    "open_rows",
    "sendable",
    "share_limit",
    "share_test",
    "side_of",
    "two_texts",
]


def open_campaigns(
    config: Config | None = None, *, account: str = "default", client: redis.Redis | None = None
) -> Campaigns:
    """Return the campaigns of an account.

    ``config`` defaults to ``sluicegate.toml`` and the environment. ``client``, if given, is used
    instead of one to ``redis_url``; it must not decode responses. Raises InvalidConfig.
    """
    config = config or load_config()
    client = connect(config.redis_url) if client is None else client
    return Campaigns(client, Keys(account), config=config)


def _ignored(row: Rejected) -> None:
    pass


def sendable(
    plan: Plan,
    source: Path | RowSource,
    *,
    on_rejected: Callable[[Rejected], None] = _ignored,
    account: Account | None = None,
    reading: RowReading = AS_IT_IS,
) -> Iterator[Recipient]:
    """Yield the rows of a file, or of any source, that a plan can be sent to.

    The others go to ``on_rejected``, each with its line, column and reason. Numbers of countries
    that the ``account`` does not send to are rejected. Raises BadFile if the source lacks a
    column.
    """
    rows = open_rows(source) if isinstance(source, Path) else source
    for row in Recipients(plan, rows, account, reading):
        if isinstance(row, Rejected):
            on_rejected(row)
        else:
            yield row
