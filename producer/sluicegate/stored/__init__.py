"""The texts that Redis holds, as typed values: what scripts write, read and written here alone.

    MessageId   order-17 or july.4hZ0aBcDeFg        books.lua: campaign_of
    LaneName    bs:+15550000001#july                lanes.lua: class_of, sender_of, campaign_in
    TreeMember  bs/s|+15550000001                   lanes.lua: park, unpark
    Ticket      id|segments|type|expires_ms|to      account.lua: read_ticket
    Lease       token|slot|seq|started|lane|ticket  records.lua: parsed_lease, save_leases
    Record      the fields of a message's hash      records.lua: record, save_records
    History     began,late,took,outcome,code,worker books.lua: with_attempt, shortened
    HaltInfo    ends_ms|why                         levels.lua: halts_now
    Limits of a sender, registration, brand         levels.lua: levels_of
    BrandDay    day segments                        levels.lua: used_today, use_cap

``parse`` reads the stored form and raises Malformed; ``format`` writes it back. Beside each stands
the part of the scripts that reads and writes the same text: they must agree on every character.
"""

from .history import History, PastAttempt
from .limits import (
    BrandDay,
    BrandLimits,
    HaltInfo,
    RegistrationLimits,
    SenderLimits,
    interval_text,
    limit_text,
)
from .names import LaneName, MessageId, TreeMember, sender_name, short_hash
from .record import Record
from .tickets import Lease, Ticket, ticket_text, ticket_writer, wall_ms

__all__ = [
    "BrandDay",
    "BrandLimits",
    "HaltInfo",
    "History",
    "LaneName",
    "Lease",
    "MessageId",
    "PastAttempt",
    "Record",
    "RegistrationLimits",
    "SenderLimits",
    "Ticket",
    "TreeMember",
    "interval_text",
    "limit_text",
    "sender_name",
    "short_hash",
    "ticket_text",
    "ticket_writer",
    "wall_ms",
]
