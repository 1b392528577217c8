"""What apps do with campaigns of their own, by the functions of the command line; synchronous."""

from collections.abc import Iterator
from threading import Event
from typing import IO, Any, Final

import redis
from msgspec.structs import replace

from sluicegate.audit import By
from sluicegate.campaigns.campaign import Action
from sluicegate.campaigns.opening import open_stream
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.report import Report
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.config import Config
from sluicegate.declared import check_sender
from sluicegate.errors import UnknownCampaign
from sluicegate.stored import Guards

from ..operating.campaign.causes import masked_causes
from ..operating.campaign.document import campaign_document, look_at, summary
from ..operating.campaign.preflight import checked, imported, masked_document
from ..operating.campaign.reporting import ends_of, parts_of, report_document
from ..operating.campaign.resuming import check_resumable
from ..operating.session import Session
from ..operating.words import hidden
from .campaign_requests import NewCampaign
from .tenants import Tenant

MOST_LISTED: Final = 200
REJECTS_SHOWN: Final = 100
_OUR_OWN: Final = ("rejects", "duplicates_file", "price_list")


class ImportStopped(Exception):
    """The server ends, or nobody waits for the answer: what was imported stays."""


class CampaignDesk:
    """One app's campaigns; those of others are unknown to it. Calls raise SluicegateError."""

    def __init__(self, tenant: Tenant, config: Config, client: redis.Redis) -> None:
        self._tenant = tenant
        self._session = Session(tenant.account, None)
        self._session.config, self._session.client = config, client
        account = config.account(tenant.account)
        countries = tenant.settings.countries or account.countries
        self._account = replace(account, countries=countries)

    def by(self, why: str) -> By:
        """The app, as the audit names it; it is no person, and so approves nothing."""
        return By(f"app:{self._tenant.name}", why)

    def create(self, asked: NewCampaign, by: By) -> dict[str, Any]:
        """Make a draft, or find the campaign that has this plan; a draft gets what limits it.

        Once it has begun, its limits are what somebody has made of them since.
        """
        plan, campaigns = asked.plan(self._tenant.name), self._session.campaigns
        self._tenant.check_sender(plan.sender, plan.messaging_profile_id)
        check_sender(self._account, plan.sender, plan.messaging_profile_id)
        made = campaigns.create(plan)
        if made.state == "draft":
            self._limit(made.name, asked, by)
        return self.status(made.name)

    def _limit(self, name: str, asked: NewCampaign, by: By) -> None:
        campaigns = self._session.campaigns
        campaigns.pace(name, asked.per_second, asked.weight, by)
        if asked.max_cost is not None:
            campaigns.cap(name, asked.max_cost, self._account, by)
        if asked.max_messages:
            campaigns.guard(name, Guards(max_messages=asked.max_messages), by)

    def listed(self) -> list[dict[str, Any]]:
        """The app's latest campaigns, the newest first."""
        found = list[dict[str, Any]]()
        for campaign in self._session.campaigns:
            if campaign.plan.app == self._tenant.name:
                ledger = self._session.campaigns.ledger(campaign.name)
                found.append(summary(campaign, ledger))
            if len(found) >= MOST_LISTED:
                break
        return found

    def status(self, name: str) -> dict[str, Any]:
        """All that is known of a campaign now."""
        campaign, session = self._own(name), self._session
        dead = masked_causes(session, name, "dead")
        seen = look_at(session, campaign, session.campaigns.ledger(name), dead)
        return campaign_document(session, seen)

    def report(self, name: str) -> dict[str, Any]:
        """What became of everybody."""
        campaign, session = self._own(name), self._session
        ledger = session.campaigns.ledger(name)
        ends, parts = ends_of(session, name, ledger), parts_of(session, name, ledger)
        return report_document(session, campaign, ledger, ends, parts)

    def approval(self, name: str) -> dict[str, Any]:
        """What a person would approve of a campaign now, and whether one has to."""
        self._own(name)
        campaigns = self._session.campaigns
        seen, campaign = campaigns.proposal(name), campaigns.get(name)
        return {
            "name": name,
            "needs_approval": campaigns.needs_approval(name),
            "hash": seen.hash,
            "recipients": seen.recipients,
            "changed_by": seen.changed_by,
            "approved": campaign.approved,
        }

    def act(self, name: str, action: Action, by: By) -> dict[str, Any]:
        """Start, pause, resume or cancel a campaign."""
        campaign = self._own(name)
        if action == "resume":
            check_resumable(self._session, campaign)
        state = self._session.campaigns.act(name, action, by)
        return {"name": name, "state": state}

    def revise(self, name: str, text: str, by: By) -> dict[str, Any]:
        """Give everybody who waits another text."""
        self._own(name)
        campaign = self._session.campaigns.revise(name, text, by)
        return {"name": name, "state": campaign.state, "version": campaign.version}

    def rows(
        self, name: str, stream: IO[bytes], by: By, stop: Event, *, only_check: bool
    ) -> dict[str, Any]:
        """Check rows and, unless ``only_check``, import those that can be sent to."""
        campaign = self._own(name)
        rows = open_stream(stream)
        report = self._checked(campaign, rows, stop)
        told = {"name": name, "preflight": self._told(report)}
        if only_check:
            return told
        rejected = list[dict[str, Any]]()
        found = self._recipients(campaign, rows, rejected, stop)
        done = imported(self._session.campaigns, name, found, by, report)
        return told | {"imported": done, "rejected": rejected}

    def _own(self, name: str) -> Campaign:
        """A campaign of the app's; raises UnknownCampaign for any other."""
        campaign = self._session.campaigns.get(name)
        if campaign.plan.app != self._tenant.name:
            raise UnknownCampaign(name)
        return campaign

    def _checked(self, campaign: Campaign, rows: RowSource, stop: Event) -> Report:
        def mind(_: int) -> None:
            if stop.is_set():
                raise ImportStopped

        return checked(self._session, campaign.current, rows, self._account, mind)

    def _told(self, report: Report) -> dict[str, Any]:
        """The report, without what is our own affair."""
        told = masked_document(self._session, report)
        return {name: told[name] for name in told if name not in _OUR_OWN}

    def _recipients(
        self, campaign: Campaign, rows: RowSource, rejected: list[dict[str, Any]], stop: Event
    ) -> Iterator[Recipient]:
        for row in Recipients(campaign.current, rows, self._account):
            if stop.is_set():
                raise ImportStopped
            if isinstance(row, Recipient):
                yield row
            elif len(rejected) < REJECTS_SHOWN:
                reason = hidden(row.reason)
                rejected.append({"row": row.line, "column": row.column, "reason": reason})
