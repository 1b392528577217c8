-- The token bucket: paced, holding about two tokens, refilled at limit/window, sized by the provider's headers.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: bucket, log.
--
-- What decides is our own log of granted slots, on one clock: in every stretch of window + jitter
-- there are at most `limit` of them, whatever the provider's window looks like. The headers correct it:
--   limit                       sets the size
--   limit - remaining - ours    what others use, or what we forgot; its peak is held for one to two windows
--   429                         a margin that halves with time, and a block until retry-after
-- `reset` is not needed, so no clock but the server's is ever read.

local CATCH_UP = 1.02       -- slots come a little faster than refill, to make up for slots that were lost
local MAX_FOREIGN = 0.9     -- however much others seem to use, a tenth of the limit goes on trying
local MAX_MARGIN = 0.25
local MIN_WAIT_MS, MAX_WAIT_MS = 3, 250
local PROBES = 2            -- POSTs under way at most before the first answer was heard

local function load_bucket(c, limit, window)
  local f = redis.call('HMGET', key('bucket'), 'limit', 'configured', 'tat', 'block', 'margin', 'margin_at',
    'rtt', 'rtt_var', 'peak', 'last_peak', 'peak_at', 'seq', 'limit_seq', 'heard', 'gate', 'streak')
  local b = {
    limit = num(f[1], limit), window = window, tat = num(f[3], 0), block = num(f[4], 0),
    margin = num(f[5], 0), margin_at = num(f[6], c.steady), rtt = num(f[7], 0), rtt_var = num(f[8], 0),
    peak = num(f[9], 0), last_peak = num(f[10], 0), peak_at = num(f[11], c.steady),
    seq = num(f[12], 0), limit_seq = num(f[13], 0), heard = num(f[14], 0), gate = num(f[15], 0),
    configured = limit, streak = num(f[16], 0),
  }
  -- A changed configuration starts over from its own limit; headers go on correcting it.
  if num(f[2], limit) ~= limit then b.limit, b.limit_seq = limit, b.seq end
  b.margin = b.margin * 0.5 ^ ((c.steady - b.margin_at) / math.max(30000, 2 * window))
  b.margin_at = c.steady
  local held = c.steady - b.peak_at
  if held >= window then
    b.last_peak = held < 2 * window and b.peak or 0
    b.peak, b.peak_at = 0, c.steady
  end
  return b
end

local function save_bucket(b)
  redis.call('HSET', key('bucket'), 'limit', b.limit, 'configured', b.configured, 'tat', ms(b.tat),
    'block', ms(b.block), 'margin', ms(b.margin), 'margin_at', ms(b.margin_at), 'rtt', ms(b.rtt),
    'rtt_var', ms(b.rtt_var), 'peak', b.peak, 'last_peak', b.last_peak, 'peak_at', ms(b.peak_at),
    'seq', b.seq, 'limit_seq', b.limit_seq, 'heard', b.heard, 'gate', ms(b.gate), 'streak', b.streak)
end

-- How much later than planned a request may arrive: two deviations of the time it takes.
local function jitter(b)
  return math.max(math.min(50, 0.01 * b.window), math.min(0.1 * b.window, 2 * math.sqrt(b.rtt_var)))
end

local function budget(b)
  local foreign = math.min(math.max(0, b.peak, b.last_peak), MAX_FOREIGN * b.limit)
  return math.max(b.limit - foreign - b.margin, 1)
end

-- The next slots: their first time, the step between them, and how many may be taken now (bulk
-- leaves one for transactional messages). With none: how long to wait, and why.
local function room(c, b, horizon)
  if c.steady < b.block then return { free = 0, wait = b.block - c.steady, why = 'blocked' } end
  local span = b.window + jitter(b)
  redis.call('ZREMRANGEBYSCORE', key('log'), '-inf', '(' .. ms(c.steady - span - 60000))
  local step = b.window / (CATCH_UP * budget(b))
  local first = math.max(b.tat, c.steady - math.min(20, 2 * step))
  local head = math.max(c.steady, first)
  if head - c.steady > horizon then
    return { free = 0, wait = head - c.steady - horizon / 2, why = 'rate' }
  end
  local from = '(' .. ms(head - span)
  local free = math.floor(budget(b) - redis.call('ZCOUNT', key('log'), from, '+inf'))
  if free < 1 then
    local oldest = redis.call('ZRANGEBYSCORE', key('log'), from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local wait = oldest[2] and tonumber(oldest[2]) + span - c.steady or MAX_WAIT_MS
    return { free = 0, wait = math.max(MIN_WAIT_MS, math.min(wait, MAX_WAIT_MS)), why = 'rate' }
  end
  local within = math.floor((c.steady + horizon - first) / step) + 1
  return { free = math.min(free, within), reserve = free - 1, first = first, step = step }
end

-- Take the n-th slot (from 0) of a room; returns its time and its number in the log.
local function take(c, b, r, n)
  local slot = math.max(c.steady, r.first + n * r.step)
  b.seq = b.seq + 1
  b.tat = math.max(slot, r.first + n * r.step) + r.step
  redis.call('ZADD', key('log'), ms(slot), b.seq)
  return slot, b.seq
end

local function throttled(c, b, wait)
  if c.steady >= b.gate then -- one step per burst of refusals, not one per refusal
    b.margin = math.min(MAX_MARGIN * b.limit, b.margin + 1 + 0.003 * b.limit)
    b.gate = c.steady + 2 * b.rtt
  end
  b.block = math.max(b.block, c.steady + math.max(wait, 1))
end

-- What one answer tells: e.limit, e.remaining, e.wait (nil where not said), e.throttled, e.took ms.
local function report(c, b, lease, e)
  b.heard = 1
  local late = lease.started - lease.slot + e.took
  if b.rtt == 0 then b.rtt = late else b.rtt = b.rtt + 0.1 * (late - b.rtt) end
  b.rtt_var = b.rtt_var + 0.05 * ((late - b.rtt) ^ 2 - b.rtt_var)
  local seq = tonumber(lease.seq)
  -- An answer to an older request cannot undo what a newer one said of the limit.
  if e.limit and e.limit > 0 and e.limit ~= b.limit and seq >= b.limit_seq then
    b.limit, b.limit_seq = e.limit, seq
  end
  if e.throttled then throttled(c, b, e.wait or 0) end
  local remaining = e.throttled and 0 or e.remaining
  if e.limit and e.limit > 0 and remaining and remaining >= 0 then
    local ours = redis.call('ZCOUNT', key('log'), '(' .. ms(lease.started - b.window), ms(lease.started))
    b.peak = math.max(b.peak, b.limit - remaining - ours)
  end
end
