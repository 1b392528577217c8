"""What people ask of an account, read from Redis in one place: screens, web and metrics read here.

Client, keys and account are handed in. Nothing is masked and nothing is written: numbers and texts
are whole, and what a screen shows of them is the screen's affair.

members     a campaign's recipient that was never started
costs       what messages cost, as it was billed
record      one message's record
recipient_status  what is told of one recipient of a campaign
clicked     which recipients followed a short link
recipients  every recipient of a campaign
campaign    what workers hold of a campaign, and what its recipients were answered
memory      the memory that Redis uses
server      whether Redis takes writes, and its memory
look        what the scripts decide at this moment, of the account and of lanes
vitals      the server's version, role, clock, distance, and what it permits
standstill    what stands still, and since when
facts       an account at one moment, as its scripts see it
waiting_webhooks  what waits to be passed on to the apps' URLs
wait        what may hold messages back
carrier_use  what is used of brands' days and registrations' rates
limits      the levels that refuse a lane's next message, or set its pace
parked      the levels for which something is parked
finish      the estimate of a campaign's end
hours       when a campaign's recipients may be sent to, and who waits for that
lanes       every lane, in the order in which they are served
behind      what waits behind a halt, and what goes first once it is lifted
why         what holds an account, a sender or a campaign back
apps        what an app has enqueued, how it ended, and what of its day it has used
published   the limits in force, beside those of the configuration
account     an account's state, as ``status`` shows it
scrape      what a scrape asks of an account beside its facts
archive     what has ended, here and in the archive
reconcile   when the books were last compared, and what is left
person      everything that names one number
ended       campaigns that have finished lately
notifying   whether people are being told
reached     whom anything reached lately
holds       what is kept whatever its time
events      what apps are told, and up to where each was given it
trend       how an account or a campaign went, by the minute and by the hour
"""

from .account import (
    AccountCause,
    AccountState,
    WorkerState,
    deliveries_of,
    read_account,
    receipts_are_set_up,
    server_ms,
    sorted_halts,
    worker_names,
)
from .apps import AppCounts, AppUse, app_use
from .archive import RECIPIENT_BYTES, ArchiveState, read_archive
from .awaiting import AwaitingApproval, read_awaiting
from .behind import Behind, behind
from .campaign import (
    INDEXES,
    AcceptedPart,
    CampaignCause,
    accepted_parts,
    campaign_causes,
    claimed,
)
from .carrier_use import BrandUse, CarrierUse, RegistrationUse
from .costs import CostRow, amount_text, cost_of_day, cost_row, day_of, days_of_month, read_costs
from .ended import EndedCampaign, read_finished
from .events import (
    AppEvent,
    EventReaderState,
    KeptEvents,
    aread_events,
    event_of,
    every_event,
    read_event_readers,
    read_events,
)
from .facts import (
    LIVE_SECONDS,
    AccountFacts,
    BreakerState,
    MessageCounts,
    RequestRate,
    read_facts,
)
from .finish import Finish
from .holds import HoldState, read_holds
from .hours import ClassHours, campaign_hours
from .lanes import LaneState
from .look import LaneLimits, Look, WhoseNumber
from .members import Member, imported, member
from .memory import aread_memory, read_memory
from .notifying import NotifyingState, read_notifying
from .person import Mention, Mentions, naming
from .published import limits_in_force, published_levels
from .reached import reached_since
from .recipient_status import RecipientStatus
from .recipients import CampaignRecipients
from .reconcile import ReconcileState, read_reconcile
from .record import MessageRecord, aread_older, aread_record, read_record
from .scrape import CAMPAIGNS_SHOWN, read_ledgers, read_scrape
from .server import ServerState, read_server, refused_writes
from .standstill import STALLED_SECONDS, ClosedCampaign, Standstill
from .trend import HOURS, MINUTES, TrendPoint, TrendSpan, read_trend, seconds_until_full
from .twice import SentTwice, read_twice
from .vitals import ServerVitals, read_vitals
from .wait import Wait, WaitKind
from .waiting_webhooks import BehindTarget, WaitingWebhooks
from .why import Waits, Why

__all__ = [
    "CAMPAIGNS_SHOWN",
    "HOURS",
    "INDEXES",
    "LIVE_SECONDS",
    "MINUTES",
    "RECIPIENT_BYTES",
    "STALLED_SECONDS",
    "AcceptedPart",
    "AccountCause",
    "AccountFacts",
    "AccountState",
    "AppCounts",
    "AppEvent",
    "AppUse",
    "ArchiveState",
    "AwaitingApproval",
    "Behind",
    "BehindTarget",
    "BrandUse",
    "BreakerState",
    "CampaignCause",
    "CampaignRecipients",
    "CarrierUse",
    "ClassHours",
    "ClosedCampaign",
    "CostRow",
    "EndedCampaign",
    "EventReaderState",
    "Finish",
    "HoldState",
    "KeptEvents",
    "LaneLimits",
    "LaneState",
    "Look",
    "Member",
    "Mention",
    "Mentions",
    "MessageCounts",
    "MessageRecord",
    "NotifyingState",
    "RecipientStatus",
    "ReconcileState",
    "RegistrationUse",
    "RequestRate",
    "SentTwice",
    "ServerState",
    "ServerVitals",
    "Standstill",
    "TrendPoint",
    "TrendSpan",
    "Wait",
    "WaitKind",
    "WaitingWebhooks",
    "Waits",
    "WhoseNumber",
    "Why",
    "WorkerState",
    "accepted_parts",
    "amount_text",
    "app_use",
    "aread_events",
    "aread_memory",
    "aread_older",
    "aread_record",
    "behind",
    "campaign_causes",
    "campaign_hours",
    "claimed",
    "cost_of_day",
    "cost_row",
    "day_of",
    "days_of_month",
    "deliveries_of",
    "event_of",
    "every_event",
    "imported",
    "limits_in_force",
    "member",
    "naming",
    "published_levels",
    "reached_since",
    "read_account",
    "read_archive",
    "read_awaiting",
    "read_costs",
    "read_event_readers",
    "read_events",
    "read_facts",
    "read_finished",
    "read_holds",
    "read_ledgers",
    "read_memory",
    "read_notifying",
    "read_reconcile",
    "read_record",
    "read_scrape",
    "read_server",
    "read_trend",
    "read_twice",
    "read_vitals",
    "receipts_are_set_up",
    "refused_writes",
    "seconds_until_full",
    "server_ms",
    "sorted_halts",
    "worker_names",
]
