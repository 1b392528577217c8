-- Claiming: messages and slots to a worker, all conditions decided together.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines promote() and claim().
-- Keys touched: claim:<token>, due, ready:*, lane:*, m:<id>, leases, granted, started, log, bucket, optouts, halts, totals.

local PROMOTED = 16           -- messages that return from the due set in one call
local SPARE_VISITS = 32       -- tickets looked at beyond those wanted: stale, expired, opted out
local BULK_EVERY = 10         -- while both wait, bulk gets one slot in so many: its floor
local BULK_SHARE = 0.95       -- of the concurrency; the rest is kept for transactional messages
local KEEP_FROM = 20          -- slots in a window from which bulk leaves one
local IDLE_MS, BUSY_MS = 1000, 50

local function promote(c)
  local ids = redis.call('ZRANGEBYSCORE', key('due'), '-inf', ms(c.wall), 'LIMIT', 0, PROMOTED)
  for i = #ids, 1, -1 do -- from the last, so that the first ends up at the head
    local m = key('m:' .. ids[i])
    redis.call('ZREM', key('due'), ids[i])
    local r = redis.call('HMGET', m, 'state', 'lane', 'ticket')
    if r[1] == 'retrying' or r[1] == 'scheduled' then
      redis.call('HSET', m, 'state', 'waiting')
      to_head(r[2], r[3])
    end
  end
end

-- The lane that is served next: transactional first, with a floor for bulk; nil when none is ready.
local function next_lane(b, bulk_open)
  local t = redis.call('ZRANGE', key('ready:t'), 0, 0)[1]
  local u = bulk_open and redis.call('ZRANGE', key('ready:b'), 0, 0)[1]
  local lane = t or u
  if t and u and b.streak >= BULK_EVERY - 1 then lane = u end
  return lane or nil
end

-- Take the next ticket that may still be sent; nil when there is none, false when one was set aside.
local function next_message(c, lane, q)
  local ready = key('ready:' .. string.sub(lane, 1, 1))
  local text = redis.call('LPOP', key('lane:' .. lane))
  if not text then
    redis.call('ZREM', ready, lane)
    return false
  end
  redis.call('ZINCRBY', ready, 1, lane)
  local ticket = read_ticket(text)
  local r = redis.call('HMGET', key('m:' .. ticket.id), 'state', 'attempts', 'maybe', 'age', 'generation',
    'content', 'request')
  -- The record decides; a ticket of a message that was cancelled or is leased already is void.
  if r[1] ~= 'waiting' or redis.call('HEXISTS', key('leases'), ticket.id) == 1 then return false end
  if ended(c, ticket.id, ticket, q.retention_ms, q.token) then return false end
  return { id = ticket.id, text = text, record = r }
end

local function answer(c, message, slot)
  local r = message.record
  return { message.id, ms(slot - c.steady), r[2] or '0', r[3] or '0', r[4] or '0', r[5] or '0', r[6] or '', r[7] or '' }
end

-- A claim repeated after a lost reply gets what it got: the leases that still bear its token.
local function remembered(c, q)
  local ids = redis.call('GET', key('claim:' .. q.token))
  if not ids then return nil end
  local grants = {}
  for id in string.gmatch(ids, '[^,]+') do
    local lease = read_lease(id)
    if lease and lease.token == q.token then
      local r = redis.call('HMGET', key('m:' .. id), 'state', 'attempts', 'maybe', 'age', 'generation', 'content', 'request')
      grants[#grants + 1] = answer(c, { id = id, record = r }, lease.slot)
    end
  end
  return { '0', '', grants }
end

local function refused(c, wait, why) return { ms(wait), why, {} } end

local function when_idle(c)
  local due = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
  local wait = due[2] and math.max(1, math.min(IDLE_MS, tonumber(due[2]) - c.wall)) or IDLE_MS
  return refused(c, wait, 'idle')
end

-- q: token, want, horizon ms, lease_ms, retention_ms, concurrency. Returns wait ms, why, grants.
local function claim(c, b, q)
  local again = remembered(c, q)
  if again then return again end
  local halt = halted(c)
  if halt then return refused(c, IDLE_MS, 'halted') end
  promote(c)
  local busy = redis.call('ZCARD', key('started')) + redis.call('ZCARD', key('granted'))
  local cap = b.heard == 1 and q.concurrency or math.min(PROBES, q.concurrency)
  if busy >= cap then return refused(c, BUSY_MS, b.heard == 1 and 'concurrency' or 'probing') end
  if c.steady < b.block then return refused(c, b.block - c.steady, 'blocked') end
  local r = room(c, b)
  local kept = r.size < KEEP_FROM and 0 or 1
  local bulk_cap = math.max(1, math.floor(cap * BULK_SHARE))
  local want, last = math.min(q.want, cap - busy), c.steady + q.horizon
  local grants, ids, visits, later = {}, {}, 0, nil
  while #grants < want and visits < want + SPARE_VISITS do
    visits = visits + 1
    local slot, bulk_slot = next_slot(c, b, r, 0), next_slot(c, b, r, kept)
    later = slot > last and slot or bulk_slot
    if slot > last then break end
    local lane = next_lane(b, bulk_slot <= last and busy + #grants < bulk_cap)
    if not lane then break end
    local message = next_message(c, lane, q)
    if message then
      local bulk = string.sub(lane, 1, 1) == 'b'
      slot = bulk and bulk_slot or slot
      local seq = take(b, r, slot)
      write_lease(message.id, { token = q.token, slot = slot, seq = seq, lane = lane, ticket = message.text })
      redis.call('ZADD', key('granted'), ms(c.steady + q.lease_ms), message.id)
      grants[#grants + 1] = answer(c, message, slot)
      ids[#ids + 1] = message.id
      b.streak = bulk and 0 or b.streak + 1
    end
  end
  if #grants > 0 then
    redis.call('SET', key('claim:' .. q.token), table.concat(ids, ','), 'PX', q.lease_ms)
    return { '0', '', grants }
  end
  if visits >= want + SPARE_VISITS then return refused(c, 0, 'again') end
  if next_lane(b, true) and later > last then return refused(c, later - last + q.horizon / 2, 'rate') end
  if next_lane(b, true) then return refused(c, BUSY_MS, 'concurrency') end
  return when_idle(c)
end
