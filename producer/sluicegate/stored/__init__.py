"""The texts that Redis holds, as typed values: what scripts write, read and written here alone.

    MessageId   order-17, shop:order-17             campaigns.lua: of; apps.lua: of
                or july.4hZ0aBcDeFg
    LaneName    bs:+15550000001#july                lane_names.lua: class_of, sender_of,
                or ts:+15550000001@shop             campaign_in, scope_of; hours.lua: class_in
    TreeMember  bs/s|+15550000001                   lanes.lua: park, unpark
    Ticket      id|segments|type|expires_ms|to      tickets.lua: parse
    Lease       token|slot|seq|started|lane|ticket  leases.lua: parse, formatted
    Bill        carrier|parts|billionths|currency|  bills.lua: parse, merged
                line_type|registration|name
    CostSum     billionths messages parts           costs.lua: text_of
    SumField    currency|kind|name                  costs.lua: spread
    OtherBill   at_ms|bill                          costs.lua: known, store
    MaxCost     billionths|currency|price           caps.lua: of_campaign
    MoneyTerms  currency|sms|mms|share              caps.lua: of_lane, note
    Guards      JSON                                guards.lua: read; caps.lua; left_out.lua
    OpenTimes   over_ms|opens-closes ...            hours.lua: closed_until, is_over
    Record      the fields of a message's hash      records.lua: get, at_end
    History     began,late,took,outcome,code,worker history.lua: with_attempt, shortened
    HaltInfo    ends_ms,since_ms,who|why            halts.lua: in_force
    Limits of a sender, registration, brand         levels.lua: of, limit_of
    AcceptedTwice  at_ms|to|first|second            acceptance.lua: keep_second
    RecipientRule  beyond|quiet|same|kept|ms=most   recipients.lua: rule_of
    PrefixRule  most|window_ms|digits|bulk|+44=most recipients.lua: prefix_rule
    BrandDay    day segments                        levels.lua: used_today; charges.lua: use_cap
    OptOutReason   since_ms source, profile, last   optout_changes.lua: add, lift
    OptOutEvent    a line of JSON                   optout_changes.lua: note
    ReviewedNumber at_ms since_ms count, JSON       optout_changes.lua: review
    ToldEvent, Notice  JSON                         notices.lua
    WantedEvents   kept|app|app                     events.lua: is_wanted; readers.lua: begin
    WaitingEventId app:number/line                  relay_end.lua, event_off.lua
    HeardVersion   at_ms version                    sweep.lua: note_version
    TrendCounts    offset_ms enqueued accepted ...  trends.lua: write

``parse`` reads the stored form and raises Malformed; ``format`` writes it back. Beside each stands
the part of the scripts that reads and writes the same text: they must agree on every character.
"""

from .bill import MOST_COST, NO_BILL, Bill, carrier_of_letter
from .costs import (
    OTHERS,
    UNITS,
    CostSum,
    MaxCost,
    MoneyTerms,
    OtherBill,
    SumField,
    SumKind,
    parse_sums,
)
from .events import WaitingEventId, WantedEvents
from .guards import (
    NO_GUARDS,
    Canary,
    Guards,
    LeftOut,
    ShareGroup,
    ShareKind,
    ShareLimit,
)
from .heard import HeardVersion
from .history import History, PastAttempt
from .hours import OpenTimes, StoredHours
from .limits import (
    BrandDay,
    BrandLimits,
    CarrierMemory,
    HaltInfo,
    NumberLimits,
    RegistrationLimits,
    SenderLimits,
    interval_text,
    limit_text,
)
from .names import LaneName, MessageId, TreeMember, hash_of, sender_name, short_digest, short_hash
from .notices import Notice, ToldEvent
from .optouts import (
    OptOutAct,
    OptOutEvent,
    OptOutReason,
    ReviewedNumber,
    parse_events,
    parse_reasons,
    parse_review,
)
from .recipients import PrefixRule, RecipientRule, line_of, sent_times
from .record import DELIVERY_FIELDS, Record
from .tickets import Lease, Ticket, ticket_end_writer, ticket_middle, ticket_text, wall_ms
from .trend import TrendCounts
from .twice import AcceptedTwice

__all__ = [
    "DELIVERY_FIELDS",
    "MOST_COST",
    "NO_BILL",
    "NO_GUARDS",
    "OTHERS",
    "UNITS",
    "AcceptedTwice",
    "Bill",
    "BrandDay",
    "BrandLimits",
    "Canary",
    "CarrierMemory",
    "CostSum",
    "Guards",
    "HaltInfo",
    "HeardVersion",
    "History",
    "LaneName",
    "Lease",
    "LeftOut",
    "MaxCost",
    "MessageId",
    "MoneyTerms",
    "Notice",
    "NumberLimits",
    "OpenTimes",
    "OptOutAct",
    "OptOutEvent",
    "OptOutReason",
    "OtherBill",
    "PastAttempt",
    "PrefixRule",
    "RecipientRule",
    "Record",
    "RegistrationLimits",
    "ReviewedNumber",
    "SenderLimits",
    "ShareGroup",
    "ShareKind",
    "ShareLimit",
    "StoredHours",
    "SumField",
    "SumKind",
    "Ticket",
    "ToldEvent",
    "TreeMember",
    "TrendCounts",
    "WaitingEventId",
    "WantedEvents",
    "carrier_of_letter",
    "hash_of",
    "interval_text",
    "limit_text",
    "line_of",
    "parse_events",
    "parse_reasons",
    "parse_review",
    "parse_sums",
    "sender_name",
    "sent_times",
    "short_digest",
    "short_hash",
    "ticket_end_writer",
    "ticket_middle",
    "ticket_text",
    "wall_ms",
]
