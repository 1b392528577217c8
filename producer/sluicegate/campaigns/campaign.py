"""Creates campaigns, imports their recipients, and starts, pauses, resumes and cancels them."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, cast, get_args

import msgspec
import redis
import redis.asyncio

from ..archive import ArchiveReader
from ..audit import By, act
from ..config import Account, Config
from ..errors import (
    BadGuard,
    CampaignExists,
    NotApproved,
    OutboxFull,
    UnknownCampaign,
    WrongCampaignState,
)
from ..keys import Keys
from ..memory import intake_refusal, server_memory
from ..optouts import wait_for_posts
from ..scripts import Argument, PipelinedScript, Script, Scripts
from ..stored import UNITS, Guards, MaxCost, Ticket, wall_ms
from .approval import Approval, Proposal, proposal
from .exclusion import Exclusion
from .guarding import check_guards
from .hours import HoursKeeper
from .import_batch import ImportResult, import_args, imported
from .import_hours import ImportHours
from .ledger import Ledger, Ledgers
from .link_book import CampaignClicks, LinkBook
from .members import Members, check_of, hash_key, read_members
from .plan import Plan, TextVersion, differences, message_id, plan_digest, renderer_for
from .recipients import Recipient
from .stored_campaign import Campaign, CampaignState, campaign_of, plan_of, text_field

IMPORT = Script("sluicegate.import")
CAMPAIGN = Script("sluicegate.campaign")


SHARD_SIZE = 256
"""Recipients per set of members: Redis keeps a set of this size in 8 bytes a recipient."""

Action = Literal["start", "pause", "resume", "cancel"]


_MEMORY_CHECK_SECONDS = 1.0
_ESTIMATE = "estimate:"
_MOST_MONEY = 10**9
_NOT_APPROVED: Mapping[str, str] = {
    "changed": "it has changed since it was shown: look at it again",
    "same": "{who} changed it: somebody else has to approve it",
    "stranger": "{who} is none of the account's approvers",
    "agent": "{who} is an agent: a person has to approve it",
}
_EARLY = (
    "it is approved for its time, which is to come: "
    "schedule another, or none, and have that approved"
)
_PAGE = 1000


class Campaigns:
    """The campaigns of one account, on a synchronous client.

    ``config`` says how much memory of the server an import may use. Tests pass ``sleep`` and
    ``clock``; for the latter see ``Script.source``.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        *,
        config: Config | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: str | None = None,
    ) -> None:
        self._client: Any = client
        self._keys, self._sleep, self._config = keys, sleep, config or Config()
        self._memory_asked = -math.inf
        self._scripts = Scripts(client, keys.prefix, clock)
        self._pipelined = PipelinedScript(client, keys.prefix, IMPORT, self._scripts, clock)
        self._archive = ArchiveReader(client, self._config, keys.account)
        self._hours = HoursKeeper(self._scripts)
        self._links = LinkBook(self._scripts)
        self._ledgers = Ledgers(client, keys, self._archive)

    def create(self, plan: Plan, expected_rows: int = 0, *, drafted_by: str = "") -> Campaign:
        """Create a draft, or return the campaign that has this name and the same plan.

        ``expected_rows`` decides over how many sets the members are spread. What an agent has
        ``drafted_by`` its name goes out only once a person has approved it. Raises CampaignExists
        if the campaign of this name has another plan, and InvalidMessage or BadTemplate if the
        plan is invalid.
        """
        plan = self._links.with_codes(plan.checked())
        shards = max(16, -(-expected_rows // (SHARD_SIZE // 2)))
        args: list[Argument] = [plan.name, "create", msgspec.json.encode(plan)]
        args += [plan_digest(plan), shards, plan.lane]
        args += [check_of(hash_key(self._client, self._keys)), drafted_by]
        answer = self._scripts.call(CAMPAIGN, args)
        if plan.hours and answer != b"exists":
            self._hours.begin(plan.name)
        campaign = self.get(plan.name)
        # The digest of a campaign that an earlier version made covered its region too.
        if answer == b"exists" and plan_digest(campaign.plan) != plan_digest(plan):
            raise CampaignExists(plan.name, differences(plan, campaign.plan))
        return campaign

    def get(self, name: str) -> Campaign:
        """Return the campaign called ``name``; raises UnknownCampaign."""
        fields = self._client.hgetall(self._keys.campaign(name))
        if not fields:
            raise UnknownCampaign(name)
        return campaign_of(fields)

    def __iter__(self) -> Iterator[Campaign]:
        """Yield every campaign, the newest first."""
        for name in self._client.zrevrange(self._keys("campaigns"), 0, -1):
            yield self.get(name.decode())

    def ledger(self, name: str) -> Ledger:
        """Return a campaign's counters, as the scripts keep them; raises UnknownCampaign."""
        self._refuse_unknown(name)
        return self._ledgers.read(name)

    def _refuse_unknown(self, name: str) -> None:
        if not self._client.exists(self._keys.campaign(name)):
            raise UnknownCampaign(name)

    def note_estimate(self, name: str, currency: str, billionths: int) -> None:
        """Add what was reckoned that recipients just imported will cost."""
        self._client.hincrby(self._keys.campaign(name), _ESTIMATE + currency, billionths)

    def estimates(self, name: str) -> dict[str, int]:
        """What was reckoned that the imported recipients will cost: billionths by currency.

        Raises UnknownCampaign.
        """
        fields = self._client.hgetall(self._keys.campaign(name))
        if not fields:
            raise UnknownCampaign(name)
        named = ((field.decode(), cost) for field, cost in fields.items())
        return {
            field.removeprefix(_ESTIMATE): int(cost)
            for field, cost in named
            if field.startswith(_ESTIMATE)
        }

    def recount(self, name: str) -> Ledger:
        """Count a campaign's recipients from their records; see ``Ledgers.recount``."""
        self._refuse_unknown(name)
        return self._ledgers.recount(name)

    def add(
        self, name: str, recipients: Iterable[Recipient], by: By | None = None, file: str = ""
    ) -> Iterator[tuple[Recipient, ImportResult]]:
        """Import recipients in batches, and yield each with what became of it.

        The audit notes ``by`` whom, else this process's user, from which ``file``, and how many.

        An import may be repeated or resumed: whoever is a member already is a ``duplicate``. Whom
        one of the plan's ``except_campaigns`` reached or still holds is ``excluded``. An error of
        ``recipients`` itself is raised after the results of all before it.

        Raises UnknownCampaign, also for an excepted one; LostHashKey; WrongCampaignState if the
        campaign is cancelled; and OutboxFull if Redis uses more memory than an import may: whoever
        was yielded before is imported.
        """
        lane, members = self._lane_and_members(name)
        campaign = self.get(name)
        plan = campaign.plan
        exclusion, classes = (
            Exclusion(self._client, self._keys, plan, self._archive),
            self._sorter(campaign),
        )
        about = {"file": file, "except": " ".join(plan.except_campaigns)}
        said = _said(by, "import", name, about)

        def send(batch: Sequence[Recipient]) -> AbstractContextManager[Callable[[], Any]]:
            self._mind_memory()
            args = import_args(name, lane, members, batch, said, classes.of(batch))
            return self._pipelined.begin(args)

        return imported(name, recipients, exclusion, send)

    def _mind_memory(self) -> None:
        """Raise OutboxFull where the server is too full to import; asks it once a second."""
        now = time.monotonic()
        if now - self._memory_asked < _MEMORY_CHECK_SECONDS:
            return
        try:
            info = self._client.info("memory")
        except redis.ResponseError:
            info = {}  # a server without INFO, which must refuse by itself
        if full := intake_refusal(server_memory(info, self._config), "importing"):
            raise OutboxFull(full)
        self._memory_asked = now

    def import_args(self, name: str, batch: Sequence[Recipient]) -> list[Argument]:
        """Return the arguments of ``IMPORT``, with a new token; raises UnknownCampaign."""
        classes = self._sorter(self.get(name)).of(batch)
        return import_args(name, *self._lane_and_members(name), batch, classes=classes)

    def _sorter(self, campaign: Campaign) -> ImportHours:
        begun = campaign.state not in ("draft", "scheduled")
        return ImportHours(self._hours, campaign.plan, begun, campaign.at_ms)

    def id_of(self, name: str, recipient: Recipient) -> str:
        """Return the id of a campaign's message to ``recipient``; raises as ``members``."""
        return message_id(name, self.members(name).hash_of(recipient.hash))

    def members(self, name: str) -> Members:
        """Return how the members of a campaign are stored; raises UnknownCampaign, LostHashKey."""
        return read_members(self._client, self._keys, name)

    def _lane_and_members(self, name: str) -> tuple[bytes, Members]:
        """Return a campaign's lane and its members; neither ever changes."""
        return self._client.hget(self._keys.campaign(name), "lane"), self.members(name)

    def pace(
        self, name: str, per_second: float = 0.0, weight: float = 1.0, by: By | None = None
    ) -> None:
        """Set a campaign's own rate, in segments a second (0 for none), and its weight.

        Where campaigns compete, one of weight 2 is sent twice as fast as one of weight 1. The
        change takes effect with the next claim. The audit notes a change, and ``by`` whom.

        Raises UnknownCampaign, and ValueError if the rate is negative or infinite, or the weight
        is not 0.01 to 100.
        """
        if not (0 <= per_second < math.inf and 0.01 <= weight <= 100):
            raise ValueError("the rate must be 0 or more, the weight 0.01 to 100")
        rate = f"{per_second:.6g}" if per_second else ""
        paced = {"rate": f"{per_second:g}", "weight": f"{weight:g}"}
        args: list[Argument] = [name, "pace", rate, f"{weight:.6g}"]
        before, _ = self._scripts.call(CAMPAIGN, [*args, _said(by, "pace", name, paced)])
        if before == b"unknown":
            raise UnknownCampaign(name)

    def cap(
        self, name: str, max_cost: Decimal | None, account: Account, by: By | None = None
    ) -> None:
        """Cap what a campaign may cost, in the account's currency; None for no cap.

        It is paused once what was billed for it, and may be for what is under way, comes to that.
        Raises UnknownCampaign, and ValueError if it is not above 0.
        """
        if max_cost is not None and not 0 < max_cost <= _MOST_MONEY:
            raise ValueError("the cap must be above 0")
        mms = self.get(name).plan.kind == "MMS"
        price = Decimal(str(account.price_per_mms if mms else account.price_per_segment))
        text = ""
        if max_cost is not None:
            cap = MaxCost(int(max_cost * UNITS), account.currency, int(price * UNITS))
            text = cap.format()
        about = {"max-cost": "none" if max_cost is None else f"{max_cost} {account.currency}"}
        self._scripts.call(CAMPAIGN, [name, "cap", text, _said(by, "cap", name, about)])

    def guard(self, name: str, guards: Guards, by: By | None = None) -> None:
        """Set a campaign's guards, in place of those that it has; they count from now on.

        Raises UnknownCampaign; and BadGuard if what would pause it can't be told of this campaign.
        """
        check_guards(guards, self.get(name).plan)
        counted = self._client.hexists(self._keys.ledger(name), "counts_segments")
        if guards.max_segments and not counted:
            reason = "an earlier version made this campaign, and did not count its segments"
            raise BadGuard("max-segments", str(guards.max_segments), reason)
        said = _said(by, "guard", name, {"guards": guards.format().decode() or "none"})
        self._scripts.call(CAMPAIGN, [name, "guard", guards.format(), said])

    def revise(self, name: str, text: str, by: By | None = None) -> Campaign:
        """Give a campaign another text, as a new version: nobody is started with the one before.

        Whoever's POST was begun keeps the text that they were to get. After this has returned,
        no POST of an earlier text starts but of those. Raises UnknownCampaign; BadTemplate;
        BadValue if the text needs a column that was not kept; and WrongCampaignState if the
        campaign is cancelled, or was revised by somebody else meanwhile.
        """
        campaign = self.get(name)
        by = by or By()
        version = TextVersion(text=text, renderer=renderer_for(campaign.plan, text), who=by.who)
        campaign.plan.revised(version).checked()
        if campaign.current.text == text:
            return campaign
        if campaign.plan.short_links:
            version = msgspec.structs.replace(version, links=self._links.codes(name, text))
        about = {"version": str(campaign.version + 1)}
        args: list[Argument] = [name, "revise", campaign.version, msgspec.json.encode(version)]
        before, after = self._scripts.call(CAMPAIGN, [*args, _said(by, "revise", name, about)])
        if not after:
            raise WrongCampaignState(name, before.decode(), "be revised")
        wait_for_posts(self._client, self._keys, self._sleep)
        return self.get(name)

    def needs_approval(self, name: str) -> bool:
        """Whether a second person has yet to approve a campaign; raises UnknownCampaign."""
        return self.get(name).approved is None and self.asks_approval(name)

    def asks_approval(self, name: str) -> bool:
        """Whether a second person approves a campaign, as every one of the account, or a draft of
        an agent's; raises UnknownCampaign.
        """
        everyone = self._client.hexists(self._keys("limits"), "approval")
        return bool(everyone) or bool(self.get(name).drafted_by)

    def proposal(self, name: str) -> Proposal:
        """What somebody would approve of a campaign now; raises UnknownCampaign."""
        plan, ledger = self.get(name).current, self.ledger(name)
        fields = self._client.hgetall(self._keys.campaign(name))
        return proposal(plan, ledger, self.estimates(name), fields)

    def approve(self, seen: Proposal, by: By) -> Approval:
        """Approve a campaign as it was seen, by somebody who has changed nothing of it.

        Any later change of its text, recipients, start, caps or guards makes this void. Raises
        UnknownCampaign; and NotApproved if it has changed since, or if this person can't.
        """
        name, (seconds, _) = seen.plan.name, self._client.time()
        approval = Approval(who=by.who, at_ms=seconds * 1000, hash=seen.hash)
        said = _said(by, "approve", name, {"hash": seen.hash})
        args: list[Argument] = [name, "approve", seen.changes, msgspec.json.encode(approval), said]
        before, answer = self._scripts.call(CAMPAIGN, args)
        if before == b"unknown":
            raise UnknownCampaign(name)
        if answer != b"approved":
            raise NotApproved(name, _NOT_APPROVED[answer.decode()].format(who=by.who))
        return approval

    def clicks(self, name: str) -> CampaignClicks:
        """What was counted of a campaign's short links; raises UnknownCampaign."""
        self._refuse_unknown(name)
        return self._links.clicks(name)

    def unstarted(self, name: str) -> Iterator[list[bytes]]:
        """Yield the tickets of recipients whose first start is to come, a page at a time."""
        fields = self._client.hmget(self._keys.campaign(name), "lane")
        others = self._client.smembers(self._keys.other_lanes(name))
        for lane in {*fields, *others} - {None}:
            start = 0
            key = self._keys.lane(lane.decode())
            while page := self._client.lrange(key, start, start + _PAGE - 1):
                pipeline = self._client.pipeline(transaction=False)
                for ticket in page:
                    id = f"{name}.{Ticket.short_of(ticket).decode()}"
                    pipeline.exists(self._keys.record(id))
                known = pipeline.execute()
                yield [one for one, started in zip(page, known, strict=True) if not started]
                start += _PAGE

    def act(self, name: str, action: Action, by: By | None = None) -> CampaignState:
        """Start, pause, resume or cancel a campaign, and return its new state.

        After a pause or a cancel has returned, no further POST of the campaign can start: it waits
        for those that had just been started. Repeating an action does nothing. The audit notes an
        action that changed something, and ``by`` whom, else this process's user.

        Raises UnknownCampaign; WrongCampaignState if the state does not allow the action;
        NotApproved; and ValueError for what is no action.
        """
        if action not in get_args(Action):
            raise ValueError(f"{action!r} is none of {', '.join(get_args(Action))}")
        if action == "start":
            self._reckon_hours(name)
        before, after = self._acted([name, action, _said(by, action, name)])
        if before == b"unknown":
            raise UnknownCampaign(name)
        if not after:
            raise WrongCampaignState(name, before.decode(), action)
        if after == b"unapproved":
            raise NotApproved(name, "a second person has yet to approve it")
        if after == b"early":
            raise NotApproved(name, _EARLY)
        if action in ("pause", "cancel"):
            wait_for_posts(self._client, self._keys, self._sleep)
        state: CampaignState = after.decode()
        return state

    def _acted(self, args: list[Argument]) -> tuple[Any, Any]:
        """The states before and after an act, repeated while it has more to do."""
        before, after, *more = self._scripts.call(CAMPAIGN, args)
        while more:
            _, _, *more = self._scripts.call(CAMPAIGN, args)
        return before, after

    def schedule(self, name: str, at: datetime | None, by: By | None = None) -> CampaignState:
        """Let a draft start by itself at a time, or at another one; with None it is a draft again.

        Any worker starts it, within a second or two; at once where the time has passed, as it may
        have during an import. Raises UnknownCampaign; WrongCampaignState if it was started
        already; and ValueError if the time has no time zone.
        """
        if at is not None and at.utcoffset() is None:
            raise ValueError(f"{at.isoformat()} has no time zone")
        at_ms = 0 if at is None else wall_ms(at)
        self._reckon_hours(name, at_ms)
        about = {"at": "" if at is None else at.isoformat(timespec="seconds")}
        text = str(at_ms) if at_ms else ""
        args: list[Argument] = [name, "schedule", text, _said(by, "schedule", name, about)]
        before, after = self._scripts.call(CAMPAIGN, args)
        if before == b"unknown":
            raise UnknownCampaign(name)
        if not after:
            raise WrongCampaignState(name, before.decode(), "be scheduled")
        state: CampaignState = after.decode()
        return state

    def _reckon_hours(self, name: str, starts_ms: int = 0) -> None:
        """A draft's hours end when they end for the first time after its start."""
        campaign = self.get(name)
        if campaign.plan.hours and campaign.state in ("draft", "scheduled"):
            plan = campaign.plan
            self._hours.start(name, campaign.plan.hours, plan.expires_at, starts_ms)


def _said(by: By | None, action: str, campaign: str, about: Mapping[str, str] = {}) -> bytes:
    """The audit's entry of an act on a campaign; what is empty is left out."""
    named = {name: text for name, text in about.items() if text}
    return act(by or By(), action, filter={"campaign": campaign, **named}).said()


def read_plan(client: redis.Redis, keys: Keys, campaign: str) -> Plan:
    """Return a campaign's plan with the text that goes out now.

    Raises InvalidMessage if it is gone: then it can't be sent.
    """
    store, name = cast("Any", client), keys.campaign(campaign)
    version = (store.hget(name, "version") or b"").decode()
    stored, text = store.hmget(name, ("plan", text_field(version)))
    return plan_of(campaign, stored, text, version)


async def aread_plan(
    client: redis.asyncio.Redis, keys: Keys, campaign: str, version: str = ""
) -> Plan:
    """Return a campaign's plan with a version of its text, ``""`` for the first.

    Raises as ``read_plan``.
    """
    fields = ("plan", text_field(version))
    stored, text = await cast("Any", client.hmget(keys.campaign(campaign), fields))
    return plan_of(campaign, stored, text, version)
