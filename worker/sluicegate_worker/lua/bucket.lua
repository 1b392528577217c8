-- The token bucket: paced, holding about two tokens, refilled at limit/window, sized by the provider's headers.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: bucket, log, turns.
--
-- What decides is our own log of granted slots, on one clock: in every stretch of window + jitter
-- there are at most `limit` of them, whatever the provider's window looks like. The headers correct it:
--   limit                       sets the size
--   limit - remaining - ours    what others use, or what we forgot; its peak is held for one to two windows
--   policy                      the window, where the provider names it
--   429                         a margin that halves with time, and a block until retry-after
-- `reset` is not needed, so no clock but the server's is ever read.
local PROBES, load_bucket, save_bucket, room, next_slots, take, save_log, turn, report
do -- what follows stays within: a script has room for 200 names

local min, max, floor, ceil = math.min, math.max, math.floor, math.ceil

local CATCH_UP = 1.02       -- slots come a little faster than refill, to make up for slots that were lost
local MAX_FOREIGN = 0.9     -- however much others seem to use, a tenth of the limit goes on trying
local MAX_MARGIN = 0.25
local MAX_RAISE = 10        -- a limit, and a rate, is believed up to so many times the configured one
local TRIMMED = 200         -- slots that leave the log in one call
local BEFORE = 60000        -- ms for which the log remembers more than a window: late answers ask
local GROUP = 8             -- slots less than so many ms apart come together: one call starts several
local MAX_TURN = 5000       -- ms for which a worker is sent away at most
local PIECE = 50            -- slots of the log that are read together
local OVERDUE = 1000        -- ms for which the turn of a worker that does not come is kept
PROBES = 2            -- POSTs under way at most before the first answer was heard

function load_bucket(c, limit, window)
  local f = redis.call('HMGET', key('bucket'), 'limit', 'configured', 'tat', 'block', 'margin', 'margin_at',
    'rtt', 'rtt_var', 'peak', 'last_peak', 'peak_at', 'seq', 'limit_seq', 'heard', 'gate', 'streak', 'slot',
    'window', 'policy', 'reset')
  local b = {
    limit = num(f[1], limit), window = window, tat = num(f[3], 0), block = num(f[4], 0),
    margin = num(f[5], 0), margin_at = num(f[6], c.steady), rtt = num(f[7], 0), rtt_var = num(f[8], 0),
    peak = num(f[9], 0), last_peak = num(f[10], 0), peak_at = num(f[11], c.steady),
    seq = num(f[12], 0), limit_seq = num(f[13], 0), heard = num(f[14], 0), gate = num(f[15], 0),
    configured = limit, streak = num(f[16], 0), slot = num(f[17], 0), policy = num(f[19], 0), reset = num(f[20], 0),
  }
  -- A changed configuration starts over from its own limit and window; headers go on correcting both.
  if num(f[2], limit) ~= limit or num(f[18], window) ~= window then
    b.limit, b.limit_seq, b.policy, b.reset = limit, b.seq, 0, 0
  end
  b.configured_window = window
  if b.policy > 0 then window, b.window = b.policy, b.policy end
  b.margin = b.margin * 0.5 ^ ((c.steady - b.margin_at) / max(30000, 2 * window))
  b.margin_at = c.steady
  local held = c.steady - b.peak_at
  if held >= window then
    b.last_peak = held < 2 * window and b.peak or 0
    b.peak, b.peak_at = 0, c.steady
  end
  return b
end

function save_bucket(b)
  redis.call('HSET', key('bucket'), 'limit', b.limit, 'configured', b.configured, 'tat', ms(b.tat),
    -- Not in whole microseconds: rounded at each of a thousand calls a second, it would never fade.
    'block', ms(b.block), 'margin', string.format('%.17g', b.margin), 'margin_at', ms(b.margin_at), 'rtt', ms(b.rtt),
    'rtt_var', ms(b.rtt_var), 'peak', b.peak, 'last_peak', b.last_peak, 'peak_at', ms(b.peak_at), 'seq', b.seq,
    'limit_seq', b.limit_seq, 'heard', b.heard, 'gate', ms(b.gate), 'streak', b.streak, 'slot', ms(b.slot),
    'window', b.configured_window, 'policy', b.policy, 'reset', b.reset)
end

-- How much later than planned a request may arrive: two deviations of the time it takes.
local function jitter(b)
  return max(min(50, 0.01 * b.window), min(0.1 * b.window, 2 * math.sqrt(b.rtt_var)))
end

local function budget(b)
  local foreign = min(max(0, b.peak, b.last_peak), MAX_FOREIGN * b.limit)
  return max(b.limit - foreign - b.margin, b.limit / 10, 1)
end

-- The bucket as a claim sees it: how many slots a window may have, the pace, and the log, which it reads in pieces
-- and writes once.
function room(c, b)
  local span = b.window + jitter(b)
  local old = redis.call('ZCOUNT', key('log'), '-inf', '(' .. ms(c.steady - span - BEFORE))
  if old > 0 then redis.call('ZREMRANGEBYRANK', key('log'), 0, min(old, TRIMMED) - 1) end
  local step = b.window / (CATCH_UP * budget(b))
  return {
    span = span, step = step, size = max(1, floor(budget(b))),
    next = max(b.tat, c.steady - min(20, 2 * step)),
    logged = redis.call('ZCARD', key('log')), slots = {}, taken = {},
  }
end

-- The slot taken `n` before the next one, nil where the log is shorter.
local function slot_before(r, n)
  local own = #r.taken - n + 1
  if own > 0 then return r.taken[own].slot end
  local rank = r.logged - 1 + own
  if rank < 0 then return nil end
  if not r.slots[rank] then
    local piece = redis.call('ZRANGE', key('log'), rank, rank + PIECE - 1, 'WITHSCORES')
    for i = 2, #piece, 2 do r.slots[rank + i / 2 - 1] = tonumber(piece[i]) end
  end
  return r.slots[rank]
end

local function slot_after(b, r, slot, leaving)
  if leaving then slot = max(slot, leaving + r.span) end
  -- Where nothing went lately there is nobody to come together with.
  if r.step < GROUP and slot < b.slot + GROUP then slot = ceil(slot / GROUP) * GROUP end
  slot = max(slot, b.slot + 0.001)
  return floor(slot * 1000 + 0.5) / 1000 -- as a lease stores it: a claim that is repeated answers to the digit
end

-- When the next slot would be: paced, after the last, and not before the slot that came `size` earlier has left the
-- window. The second is when it would be for bulk, which leaves `kept` slots of a window free, so that a transactional
-- message never waits for one.
function next_slots(c, b, r, kept)
  local paced = max(c.steady, r.next)
  local leaving, leaving_kept = slot_before(r, r.size), kept > 0 and slot_before(r, max(1, r.size - kept))
  local slot = slot_after(b, r, paced, leaving)
  if not leaving_kept then return slot, slot end
  return slot, slot_after(b, r, paced, leaving_kept)
end

-- Take the slot that `next_slots` named; returns its number in the log.
function take(b, r, slot)
  b.seq, b.slot = b.seq + 1, slot
  r.next = max(r.next, slot - max(GROUP, min(20, 2 * r.step))) + r.step
  b.tat = r.next
  r.taken[#r.taken + 1] = { slot = slot, seq = b.seq }
  return b.seq
end

function save_log(r)
  local command = { 'ZADD', key('log') }
  for _, one in ipairs(r.taken) do command[#command + 1], command[#command + 2] = ms(one.slot), one.seq end
  run(command)
end

-- When the slot is for which a worker that came too early comes again. Workers take turns, lest all
-- of them come for one slot: each is told a later one than the last, and keeps it until it is granted
-- one, whatever wakes it meanwhile. `free` is when the next slot is.
function turn(c, r, worker, free, horizon)
  redis.call('ZREMRANGEBYSCORE', key('turns'), '-inf', '(' .. ms(c.steady - OVERDUE))
  local mine = num(redis.call('ZSCORE', key('turns'), worker))
  if mine and mine <= free + MAX_TURN then return max(mine, free) end
  local last = num(redis.call('ZRANGE', key('turns'), -1, -1, 'WITHSCORES')[2], 0)
  local at = max(free, last + max(r.step, horizon / 2))
  if at > free + MAX_TURN then at = free end
  redis.call('ZADD', key('turns'), ms(at), worker)
  return tonumber(ms(at))
end

local function throttled(c, b, wait)
  if c.steady >= b.gate then -- one step per burst of refusals, not one per refusal
    b.margin = min(MAX_MARGIN * b.limit, b.margin + 1 + 0.003 * b.limit)
    b.gate = c.steady + 2 * b.rtt
  end
  b.block = max(b.block, c.steady + max(wait, 1))
end

-- How many slots of ours the provider may have counted when it answered a request begun then. A call starts many
-- at once, so it is asked once for all of them.
local counted, counted_for = {}, nil -- by the start; for which window
local function ours_before(b, started)
  if counted_for ~= b.window then counted, counted_for = {}, b.window end
  if not counted[started] then
    -- Requests overtake each other: those of ours that may have been counted are not foreign.
    local slack = jitter(b) / 2
    counted[started] = redis.call('ZCOUNT', key('log'), '(' .. ms(started - b.window - slack), ms(started + slack))
  end
  return counted[started]
end

-- What one answer tells: e.limit, e.remaining, e.wait, e.window, e.reset (negative where not said), e.throttled,
-- e.took ms.
function report(c, b, lease, e)
  b.heard = 1
  local late = lease.started - lease.slot + e.took
  if b.rtt == 0 then b.rtt = late else b.rtt = b.rtt + 0.1 * (late - b.rtt) end
  b.rtt_var = b.rtt_var + max(0.01, 1 / b.seq) * ((late - b.rtt) ^ 2 - b.rtt_var)
  local seq = tonumber(lease.seq)
  -- An answer to an older request cannot undo what a newer one said of the limit.
  if e.limit > 0 and seq >= b.limit_seq then
    local most = MAX_RAISE * b.configured / b.configured_window
    if e.window <= 0 then
      b.limit, b.limit_seq = min(e.limit, most * b.window), seq
    elseif e.limit / e.window <= most then -- the two belong together
      b.limit, b.limit_seq, b.policy, b.window = e.limit, seq, e.window, e.window
    end
  end
  b.reset = max(b.reset, e.reset) -- the longest: shown where it says that the window is longer
  if e.throttled then throttled(c, b, e.wait) end
  local remaining = e.throttled and 0 or e.remaining
  if e.limit > 0 and remaining >= 0 then
    -- Of its own limit: one that a newer answer has changed would show as others' use.
    b.peak = max(b.peak, e.limit - remaining - ours_before(b, lease.started))
  end
end

end
