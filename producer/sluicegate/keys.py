"""Every Redis key of Sluicegate and what it holds; keys are named here alone.

``stored`` reads and writes the texts in them: ids, lanes, tickets, leases and records.

All keys of one account share the prefix ``sluicegate:{account}:``. The braces are a Redis Cluster
hash tag, so that every script touches one slot. Lua builds the names below from that prefix, which
is each script's ``KEYS[1]``.

    m:<id>       hash    one message's record (fields below); id = key, app:key or campaign.short
    lane:<lane>  list    tickets waiting in order, the head goes next; lane = class, colon, sender,
                         ^ and a class of hours, ~t for a side lane (lanes.lua), and # with a
                         campaign's name or @ with an app's; class = t|b (priority), s|m (type)
    ready:<class>        zset    the tree of ready lanes (lanes.lua): its top, by virtual time
    ready:<class>:<node> zset    what is below a node: a|app, r|registration or s|sender, the
                         last two with @ and its name behind them for an app's
    virtual      hash    t, b -> the virtual time of what was served last; class/node -> how far
                         its place is ahead of its head's, for an app where it stands while nothing
                         of it is ready; class/lane -> a parked lane's score
    apps         hash    app:enqueued -> how many messages an app ever enqueued; app:<final state>
                         -> how many of them ended so; since -> wall ms since when ids live under
                         apps' names
    spent:<app>  hash    day (since 1970, UTC), messages, money (in billionths) that it enqueued
    pace:<app>   list    steady ms of its latest messages, as many as its rate allows in a second
    senders      zset    undeclared sender of whom a message was accepted, and sender|profile where
                         the message named a messaging profile too -> wall ms of about the last
                         one, the latest 10,000
    parked:t|b   zset    class/member of the tree -> steady ms at which a level allows it again
    parked_by    hash    class/member -> that level
    waits:<level> zset   class/member that this carrier's level has parked -> steady ms, 0 for
                         transactional ones
    carriers:<shards>:<n> hash  32-bit keyed hash of a number -> day and carrier (carriers.lua)
    limits       hash    version, digest, and the published limits of every level (levels.py)
    identity     hash    deployment, base_url, salt, keys: whose account this is (identity.py)
    levels       hash    level -> steady ms until which its rate is used up; brand:<b> -> day and
                         segments used; full:<sender> -> end and length of its last full queue
    twice        hash    id of a message that the provider has twice -> wall ms, recipient, its two
                         ids there; until a person clears it
    due          zset    id -> wall ms at which it returns to its lane: a retry to the head, a
                         scheduled message to the tail
    granted      zset    id -> steady ms at which the lease ends; claimed, its POST not begun
    started      zset    id -> steady ms at which the lease ends; its POST may have begun
    leases       hash    id -> token|slot|seq|started|lane|ticket; behind seq, the letter of the
                         carrier that it is charged for, where a level asks
    claim:<tok>  string  a claim's answer, for a client that repeats it after a lost reply
    log          zset    slot number -> steady ms: the slots granted in the last window
    turns        zset    worker -> steady ms of its next turn, while workers compete
    bucket       hash    limit, window, margin, block, round-trip time (worker's bucket.lua);
                         clues: what the window is learned by, in one text (clues.lua)
    dead         zset    id -> wall ms at which it became a dead letter
    doubts       zset    id -> wall ms at which the policy decides; inf: only a person does
    optouts      hash    number -> its reasons, a line each: wall ms, source, and where a
                         messaging profile heard it, that and the wall ms of the last such word
    erased       hash    keyed hash of a number that was erased -> its reasons, as in optouts
    optout_history hash  number -> every change of its consent, a line of JSON each; never trimmed
    reviews      hash    number -> a reply that a person must read: wall ms of the last and of the
                         first, how many, and the last as JSON; nothing is sent to it meanwhile
    held         zset    number|id of the messages that wait for that (all at 0)
    inbound:<event> string  what came in, remembered for a week: token and answer of its call
    opted_in:<number>:<profile> string  wall ms at which the last START was written, for a week
    halts        hash    level -> until ms (empty: until cleared), why
    totals       hash    counters since the account's first message, by state and by event
    clock        hash    wall, offset, gap: see clock.lua
    swept        string  the last sweep's token and answer
    mending      hash    cursors of the sweep's pass through names, and of one through records
    samples      hash    due, dead, doubts -> an id that stands there, missed if the set is lost
    mended       hash    index -> how many entries were lost and put back; at: wall ms of the last
    audit        list    JSON lines, the latest first: who did what, and why
    acted:<tok>  string  such an action's answers, for a client that repeats it after a lost reply
    breaker      hash    state, and what the breaker counts (worker's breaker.lua, evidence.lua)
    event:<id>   string  a receipt's event, remembered for a day: token and answer of its batch
    strange_events zset  the latest webhook events of unknown kinds, as received -> wall ms, for a
                         week; version 0.1 kept them in the list unknown_events
    relays       hash    id -> a webhook to be passed on to an app (msgpack, web/relay_queue.py)
    relay_targets zset   target -> wall ms at which it may be asked next, or its lease ends
    relays:<target> zset id -> wall ms at which it is due
    relay:<target> hash  kind, host, app; while it takes none: failures in a row, since (wall ms),
                         why
    relay_tries  hash    id -> how often its target took others and not this one
    relay_heads  hash    target|line -> id of the one that the others of its line wait for
    relay_line:<target>|<line> list  those ids, in order
    relay_sums   hash    inbound, receipt, event: how many wait; inbound_bytes, receipt_bytes,
                         event_bytes, and bytes:<app> of the receipts
    events       stream  what apps are told (events.lua): number-0 -> kind, told (wall ms), id of
                         the message, and what is known of it; the latest events_kept
    event_number string  the number of the last one
    event_readers hash   app -> number up to which it was given its events; off:<app> -> wall ms
                         since when it is given none, and why
    event_taker:<app> string  somebody gives it events just now
    told:<event> string  something that came in was told of, for a week
    session:<h>  hash    name of a person who has logged in to the desk, the token of their forms,
                         ends (wall ms); h is a hash of the session's token
    login:<who>  string  how many logins failed lately: of a name, an address, or both (hashed)
    campaigns    zset    name -> wall ms of its creation
    archive      hash    where its finished messages go: id, books (whose they are there), place,
                         since; what the last pass found: passed (wall ms), stay, oldest; archived,
                         unknown (receipts of nobody's message); fault (what keeps it from
                         archiving); ids and shards (archived.lua)
    archiver     string  token of whoever archives now, for a minute
    ids:<n>      hash    hash of an archived message's id -> digest, state, hour of its end
                         (archived.lua)
    late         list    receipts of messages that are not here: JSON, as receipt.lua takes them
    reconciler   string  token of whoever reconciles now, under a lease
    reconcile    hash    the run under way or cut short: since, until, began, at (all wall ms: what
                         was created before it is compared), its counts and sums (reconcile.lua)
    reconcile_left hash  what differs: kind|id -> JSON (reconcile/findings.py); at most 10,000
    reconciled, reconciled_left  the same of the last run that came to its end
    holds        hash    number:<number> or campaign:<name> under a legal hold -> JSON: at_ms, who,
                         why
    told         hash    what sluicegate notify has told -> when, JSON (stored/notices.py); call:
                         token of the last change; looked: wall ms of its last look
    notifier     string  token of whoever tells now, for two minutes
    notices:<receiver> list  notices that webhook or mail has yet to take, JSON, the latest 200
    hash_key     string  32 random bytes that key the hashes of recipients (campaigns/members.py)
                         and of numbers whose carrier is known
    campaign:<n> hash    plan, digest of the plan, state, keyed_shards and hash_check (before there
                         was a hash_key: shards, and bare hashes), created, started, paused,
                         ended, per_second (segments, its own rate), weight;
                         hours: in how many lanes it may be sent now, where it has hours; at:
                         wall ms at which it starts, or was to;
                         estimate:<currency>: what its recipients were reckoned to cost, in
                         billionths; max_cost: its cap, billionths|currency|price of a part;
                         guards: its other caps, canary, shares and whom it leaves out (JSON,
                         stored/guards.py); guarded_since, canary_full, canary_passed: wall ms
                         (guards.lua); stopped: why one of these paused it, stopped_by: which;
                         version: of its text, where that was revised, text:<n>: each later one
                         (JSON, campaigns/plan.py); changes, changed_by, changers, approved:
                         see approval.lua
    money        hash    lifted:<level> -> the day for which a person lifted its cap's halt;
                         warned:<level> -> the day, of a campaign the cap, that was warned of
    running      set     names of the campaigns that are being sent
    closed       zset    name of a draft or paused campaign -> wall ms since when it is that; of a
                         scheduled one, of its creation
    scheduled    zset    name of a scheduled campaign -> wall ms at which it starts
    hours:<n>    hash    class of its recipients -> when that is open (hours.lua); =class -> what
                         it is: zones, hours, holidays (JSON)
    hours_due    zset    campaign with hours -> wall ms at which these must be reckoned on
    lanes:<n>    set     its other lanes: of classes of hours, side lanes, and of dead letters
                         replayed with another sender
    ledger:<n>   hash    imported, and how many of its recipients are in each state; maybe_sent:
                         how many of those not accepted may have been sent a message; by code,
                         how many of the suppressed were so by a limit on the recipient, and
                         held_<code>: how many waited for one; segments: of those accepted, as
                         they were counted here, all of them where counts_segments is there;
                         left_out: how many of the cancelled a person left out
    day_costs:<d> hash   of a day (since 1970, UTC), for cost_days: currency|all or
                         currency|kind|name -> billionths messages parts; kind is app, campaign,
                         sender or carrier, and without a cost the currency is empty (costs.lua)
    costs:<n>    hash    a campaign's, of all days: currency|carrier|letter, likewise
    guarded:<n>  hash    what became of its messages since guarded_since (guards.lua)
    members:<n>:<shard>  set of 64-bit hashes, keyed: everybody who was ever imported
    clicks:<n>   hash    of its short links: code:address, code:person and code:preview (how often
                         each kind followed it), people (how many recipients), latest (wall ms)
    clicked:<n>:<shard>  set of 64-bit hashes, keyed as members: who followed one of its links
    cancelling   zset    cancelled campaign whose recipients apps are being told of -> wall ms at
                         which the next are; their tickets are in its lanes until then
    unsent:<n>:<ended>   list of tickets that ended before they were ever started, by state; what a
                         limit on its recipient suppressed, by its code, and left_out
    got:<kept>:<n> hash  what recipients got in the n-th time of so many ms, if that is limited:
                         t|b and number -> times of 5 bytes, in 10 ms of the steady clock;
                         ts|bs and number -> texts' keyed hashes, 7 characters and a time each;
                         p and prefix -> number:count of the tenths of its window
    in_line      zset    line|place|id of the messages that wait for such a limit (all at 0): line
                         as a field above (of an app's own limit with @ and its name)
    trends_due   zset    account, campaign:<n> -> wall ms at which the sweep looks again at what it
                         counts; 0: at once
    trend_minutes:<hour> hash  of an hour since 1970, for three: minute -> what was counted until
                         it ended (stored/trend.py); trend_minutes:<hour>:<n>: of a campaign
    trend_hours:<day> hash  of a day since 1970, for 32 days: hour -> likewise;
                         trend_hours:<day>:<n>: of a campaign
    import:<n>   string  the last batch imported, for a day: its token and answers
    links        hash    code of a short link -> its campaign and where it leads
    wake         list    tokens that wake a listening worker
    workers      zset    worker name -> wall ms at which it was last heard
    versions     hash    worker name -> wall ms at which it was last heard, and its version
    distant      zset    worker name -> ms that its calls on Redis take, of those that are far away
    deaf         hash    worker name -> wall ms since when its signals start no drain, and why
    serving      zset    process of sluicegate serve -> wall ms at which it was last heard
    standstill   hash    wall ms: ready (since when something is, as the sweep saw it), asked (of
                         the last claim), granted (of the last one that granted anything)
    full         hash    while Redis has too little memory to send: since (wall ms), used, ceiling

A record's fields; one that says nothing is absent:

    state        waiting scheduled retrying in_doubt dead, or final: accepted cancelled expired
                 suppressed purged
    digest       of the content; the same id with another digest is refused
    to           the recipient
    content      the message as enqueued, or as a person edited it (JSON, and a space behind it
                 where the record has a trace); gone once it is finished
    due          wall ms of its place in due, while it is scheduled or retrying
    request      the exact bytes of its POST, stored by its first start; gone once it is finished
    lane ticket  what goes back to its lane, while it is neither in a lane nor leased
    token        of the last call that changed the record: a repeat of that call changes nothing
    attempts     attempts that count;  free: those that do not, 5 at most (evidence.lua)
    maybe        attempts that may have reached the provider;  maybe_before: those before a replay
    cancel_at    wall ms at which it was cancelled too late: nothing of it is sent any more
    age          ms spent in attempts and backoff, for the retry policy
    replayed_by  who replayed it last
    generation   raised by each replay;  key_at: wall ms of the idempotency key's first use
    enqueued at  wall ms at which it was enqueued, and of its last change of state
    provider_id  and, if the message was sent twice, provider_id_2
    delivery     delivered, failed or unconfirmed, as a receipt said;  delivery_at: wall ms;
                 delivery_code; sent_at: wall ms of being handed to the carrier, until there is
                 a delivery; version 0.1 wrote fate, fate_at and fate_code instead
    at_brand     what it counts at a brand: day amount segments brand (corrections.lua)
    history      its attempts, see history.lua
    bill         what the provider said of it: carrier, parts, cost, ... (bills.lua)
    billed       for which sender, and when its cost was told;  bill:<provider_id>: the bill of a
                 further id; both see costs.lua
    line         its place among those that wait for a limit on their recipient: line|place
    counted      steady ms from which on it counts there, once it may have been sent
    version      which of its campaign's texts it was made of, where not the first
    trace        traceparent and tracestate that it was enqueued with (trace_context.py)
    text         keyed hash of what it says, if the same text is limited
    code reason  of the last failed attempt, or why it waits
    answer       status and body of that answer, cut to 500 bytes
"""

from collections.abc import Mapping
from typing import Final

STATES: Final = (
    "waiting",
    "scheduled",
    "retrying",
    "in_doubt",
    "accepted",
    "dead",
    "cancelled",
    "expired",
    "suppressed",
    "purged",
)
"""Every state a record can be in; a leased one is still ``waiting`` in its record."""

CLASSES: Final = ("ts", "tm", "bs", "bm")
"""The first two letters of a lane: priority t|b and type s|m; each class has its own tree."""

FINAL_STATES: Final = frozenset({"accepted", "cancelled", "expired", "suppressed", "purged"})
"""States that a message leaves only on evidence that it was sent after all."""


class Keys:
    """The names of one account's keys.

    Scripts take ``prefix`` as ``KEYS[1]``. ``keys("due")`` is the full name of a key.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        self.prefix = f"sluicegate:{{{account}}}:"

    def __call__(self, name: str) -> str:
        return self.prefix + name

    def record(self, id: str) -> str:
        return f"{self.prefix}m:{id}"

    def lane(self, lane: str) -> str:
        return f"{self.prefix}lane:{lane}"

    def campaign(self, name: str) -> str:
        return f"{self.prefix}campaign:{name}"

    def ledger(self, campaign: str) -> str:
        return f"{self.prefix}ledger:{campaign}"

    def day_costs(self, day: int) -> str:
        return f"{self.prefix}day_costs:{day}"

    def costs(self, campaign: str) -> str:
        return f"{self.prefix}costs:{campaign}"

    def trend(self, span: str, place: int, campaign: str = "") -> str:
        """Minutes of an hour, or hours of a day; ``span`` is minute or hour."""
        return f"{self.prefix}trend_{span}s:{place}{f':{campaign}' if campaign else ''}"

    def members(self, campaign: str, shard: int | str) -> str:
        return f"{self.prefix}members:{campaign}:{shard}"

    def clicked(self, campaign: str, shard: int) -> str:
        return f"{self.prefix}clicked:{campaign}:{shard}"

    def other_lanes(self, campaign: str) -> str:
        return f"{self.prefix}lanes:{campaign}"

    def hours(self, campaign: str) -> str:
        return f"{self.prefix}hours:{campaign}"

    def unsent(self, campaign: str, ended: str) -> str:
        """A list of ``UNSENT``."""
        return f"{self.prefix}unsent:{campaign}:{ended}"


LEFT_OUT: Final = "left_out"
"""Code of a campaign's recipients that a person left out of it: they are cancelled."""

ENDED_BY_LIMITS: Final = ("too_many", "too_soon", "same_text")
"""Codes of messages that a limit on their recipient ended: they are suppressed."""

NAMED_ENDS: Final = (*ENDED_BY_LIMITS, LEFT_OUT)
"""Codes that name the list in which a recipient that was never started ended."""

UNSENT: Final[Mapping[str, str]] = {
    "cancelled": "cancelled",
    "expired": "expired",
    "suppressed": "suppressed",
    LEFT_OUT: "cancelled",
} | dict.fromkeys(ENDED_BY_LIMITS, "suppressed")
"""The lists of a campaign's recipients that ended before they were ever started; their states."""
