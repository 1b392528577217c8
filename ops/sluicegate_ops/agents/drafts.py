"""An agent's drafts: campaigns that are checked and imported, and that a person lets go out.

A draft has ``drafted_by``, so the scripts that start a campaign refuse it until somebody approves
it by the hash of all that they were shown; whatever is changed of it makes that void.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, ClassVar

import msgspec

from sluicegate.audit import By
from sluicegate.campaigns.columns import place
from sluicegate.campaigns.opening import open_rows
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.declared import check_sender
from sluicegate.errors import BadFile, CampaignExists, WrongCampaignState

from ..operating.campaign.preflight import checked, imported, masked_document
from ..operating.pasting import pasted
from ..operating.session import Session

AGENT = "agent:"
"""The names of agents begin with it: ``approval.lua`` lets none of them approve anything."""

MOST_ROWS = 10_000
"""Rows that a call may bring with it; more come from a file."""

UNNAMED = "preflight"
"""Stands for a campaign's name where none is needed."""


@dataclass(frozen=True, kw_only=True)
class DraftRequest:
    """A campaign as an agent asks for it.

    text: a Jinja template of the columns, such as "Hi {{ first_name }}".
    to_column: the column of phone numbers.
    rows: whom it is for, at most 10,000; or else
    file: the name of a file (CSV, JSON lines, XLSX) in the folder that is open to agents.
    sender: one of the account's numbers or names; or else profile: the id of its number pool.
    region: the country of national numbers, such as US.
    plain_punctuation: replace typographic signs where that saves segments.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    text: str
    to_column: str
    rows: tuple[dict[str, str | int | float | None], ...] = ()
    file: str = ""
    sender: str = ""
    profile: str = ""
    region: str = ""
    media_urls: tuple[str, ...] = ()
    plain_punctuation: bool = False


class Drafts:
    """The drafts of one agent, on one account.

    Files are read below ``folder`` alone, none without it. Calls raise SluicegateError.
    """

    def __init__(self, session: Session, agent: str, folder: Path | None = None) -> None:
        self._session, self._by, self._folder = session, By(AGENT + agent), folder
        self._lock = Lock()  # the SDK runs each call in a thread, and campaigns are for one

    def preflight(self, asked: DraftRequest) -> dict[str, Any]:
        """Check a text and its rows; nothing is stored. Answers the report."""
        with self._lock, self._rows(asked) as rows:
            plan = _plan(self._session, asked, UNNAMED, rows)
            report = checked(self._session, plan, rows, self._session.account)
            return masked_document(self._session, report)

    def draft(self, asked: DraftRequest, name: str) -> dict[str, Any]:
        """Keep a campaign as a draft, or add rows to one of this agent's that has the same plan.

        Answers the report, what was imported, the hash, and how a person lets it go out.
        """
        campaigns = self._session.campaigns
        with self._lock, self._rows(asked) as rows:
            plan = _plan(self._session, asked, name, rows)
            report = checked(self._session, plan, rows, self._session.account)
            if not report.sendable:
                raise BadFile(rows.path, "", "has no row that can be sent to", "see its preflight")
            made = campaigns.create(plan, report.sendable, drafted_by=self._by.who)
            self._refuse_others(made)
            recipients = self._recipients(plan, rows)
            done = imported(campaigns, name, recipients, self._by, report, asked.file)
        told = masked_document(self._session, report)
        return {"preflight": told, "imported": done, **self.proposal(name)}

    def proposal(self, name: str) -> dict[str, Any]:
        """What a person would approve of a campaign now, and by which command."""
        campaigns = self._session.campaigns
        campaign, seen = campaigns.get(name), campaigns.proposal(name)
        waits = campaigns.needs_approval(name)
        return {
            "name": name,
            "state": campaign.state,
            "drafted_by": campaign.drafted_by,
            "hash": seen.hash,
            "recipients": seen.recipients,
            "needs_approval": waits,
            "next": f"a person runs: sluicegate campaign approve {pasted(name)}" if waits else "",
        }

    def _refuse_others(self, campaign: Campaign) -> None:
        """Raise unless it is a draft of this agent's: nothing else is an agent's to add to."""
        if campaign.drafted_by != self._by.who:
            raise CampaignExists(campaign.name, ["author"])
        if campaign.state != "draft":
            raise WrongCampaignState(campaign.name, campaign.state, "take an agent's recipients")

    def _recipients(self, plan: Plan, rows: RowSource) -> Iterator[Recipient]:
        found = Recipients(plan, rows, self._session.account)
        return (row for row in found if isinstance(row, Recipient))

    @contextmanager
    def _rows(self, asked: DraftRequest) -> Iterator[RowSource]:
        if bool(asked.rows) == bool(asked.file):
            raise _no_file(asked.file, "give the rows once", "either rows or the name of a file")
        if asked.file:
            yield open_rows(self._found(asked.file))
            return
        if len(asked.rows) > MOST_ROWS:
            raise _no_file("", f"has more than {MOST_ROWS:,} rows", "put them into a file")
        with TemporaryDirectory() as folder:
            path = Path(folder, "rows.jsonl")
            path.write_bytes(msgspec.json.Encoder().encode_lines(asked.rows))
            try:
                yield open_rows(path)
            except BadFile as error:  # the agent knows of no such file
                raise BadFile("rows", error.where, error.reason, error.way_out) from error

    def _found(self, name: str) -> Path:
        """The file of that name below the folder; raises BadFile for any other place."""
        if self._folder is None:
            raise _no_file(name, "no folder is open to agents", "start it with --files FOLDER")
        folder = self._folder.resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise _no_file(name, "is no file of the open folder", "name one that is below it")
        return path


def _plan(session: Session, asked: DraftRequest, name: str, rows: RowSource) -> Plan:
    plan = Plan(
        name=name,
        text=asked.text,
        to_column=rows.columns[place(rows.path, rows.columns, asked.to_column)],
        sender=asked.sender or None,
        messaging_profile_id=asked.profile or None,
        media_urls=tuple(asked.media_urls),
        region=asked.region.upper() or None,
        plain_punctuation=asked.plain_punctuation,
    ).checked()
    check_sender(session.account, plan.sender, plan.messaging_profile_id)
    return plan


def _no_file(name: str, reason: str, way_out: str) -> BadFile:
    return BadFile(Path(name or "rows"), "", reason, way_out)
