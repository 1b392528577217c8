-- Claiming: messages and slots to a worker, all conditions decided together.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines promote() and claim().
-- Keys touched: those of books.lua, claim:<token>, due, leases, granted, started, log, bucket, turns, optouts, halts, totals.

local PROMOTED = 16           -- messages that return from the due set in one call
local SPARE_VISITS = 32       -- tickets looked at beyond those wanted: stale, expired, opted out
local BULK_EVERY = 10         -- while both wait, bulk gets one slot in so many: its floor
local BULK_SHARE = 0.95       -- of the concurrency; the rest is kept for transactional messages
local KEEP_FROM = 20          -- slots in a window from which bulk leaves one
local IDLE_MS, BUSY_MS = 1000, 50
local TAG = 4                 -- characters of a token that name its worker

-- Bring back whose time has come: a retry to the head of its lane, a scheduled message to the end
-- of it, as if it were enqueued now, so that many that are due at once keep their order.
local function promote(c)
  local ids = redis.call('ZRANGEBYSCORE', key('due'), '-inf', ms(c.wall), 'LIMIT', 0, PROMOTED)
  local scheduled = {}
  for i = #ids, 1, -1 do -- from the last, so that the first ends up at the head
    local m = key('m:' .. ids[i])
    redis.call('ZREM', key('due'), ids[i])
    local r = redis.call('HMGET', m, 'state', 'lane', 'ticket')
    become(ids[i], 'waiting')
    if r[1] == 'retrying' then put_back(c, ids[i], r[2], r[3]) else table.insert(scheduled, 1, r) end
  end
  for _, r in ipairs(scheduled) do to_tail(r[2], r[3]) end
  return #ids > 0
end

-- The lane that is served next: transactional first, with a floor for bulk; nil when none is ready.
local function next_lane(b, bulk_open, floor_open)
  local t = redis.call('ZRANGE', key('ready:t'), 0, 0)[1]
  local u = bulk_open and redis.call('ZRANGE', key('ready:b'), 0, 0)[1]
  if t and u and floor_open and b.streak >= BULK_EVERY - 1 then return u end
  return t or u or nil
end

-- Take the lane's next ticket if it may still be sent; nil when it was set aside, or there is none.
local function next_message(c, lane, q)
  local ready, name = key('ready:' .. string.sub(lane, 1, 1)), string.match(lane, '#(.*)$')
  if name and campaign_state(name) ~= 'running' then
    redis.call('ZREM', ready, lane) -- its tickets stay; who resumes it makes it ready again
    return nil
  end
  local text = redis.call('LPOP', key('lane:' .. lane))
  if not text then
    redis.call('ZREM', ready, lane)
    return nil
  end
  redis.call('ZINCRBY', ready, 1, lane)
  local ticket = read_ticket(text)
  local id = name and name .. '.' .. ticket.id or ticket.id
  -- The record decides: a ticket of a message that has ended, or is leased already, is void.
  if state_of(id, redis.call('HGET', key('m:' .. id), 'state')) ~= 'waiting' then return nil end
  if redis.call('HEXISTS', key('leases'), id) == 1 then return nil end
  if ended(c, id, ticket, q.retention_ms, q.token) then return nil end
  return { id = id, text = text }
end

-- What a worker needs to send it: an app's content, or a recipient's ticket.
local function grant(c, id, slot, ticket)
  local r = redis.call('HMGET', key('m:' .. id), 'attempts', 'maybe', 'age', 'generation', 'content', 'request')
  return { id, ms(slot - c.steady), r[1] or '0', r[2] or '0', r[3] or '0', r[4] or '0', r[5] or ticket, r[6] or '' }
end

-- A claim repeated after a lost reply is answered as it was, with the leases that still bear its token.
local function remembered(c, q)
  local text = redis.call('GET', key('claim:' .. q.token))
  if not text then return nil end
  local wait, why, ids = string.match(text, '^([^|]*)|([^|]*)|(.*)$')
  local grants = {}
  for id in string.gmatch(ids, '[^,]+') do
    local lease = read_lease(id)
    if lease and lease.token == q.token then grants[#grants + 1] = grant(c, id, lease.slot, lease.ticket) end
  end
  return { wait, why, grants }
end

local function remember(q, answer)
  local ids = {}
  for i, granted in ipairs(answer[3]) do ids[i] = granted[1] end
  local text = answer[1] .. '|' .. answer[2] .. '|' .. table.concat(ids, ',')
  redis.call('SET', key('claim:' .. q.token), text, 'PX', whole_ms(math.ceil(q.lease_ms)))
end

local function worker_of(token) return string.sub(token, 1, TAG) end

local function refused(wait, why) return { ms(wait), why, {} } end

local function when_idle(c)
  local due = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
  local wait = due[2] and math.max(1, math.min(IDLE_MS, tonumber(due[2]) - c.wall)) or IDLE_MS
  return refused(wait, 'idle')
end

-- Returns wait ms, why, grants. Sets q.moved where it moved anything: a repeat must not move more.
local function grants_or_why(c, b, q)
  if halted(c) then return refused(IDLE_MS, 'halted') end
  q.moved = promote(c)
  local busy = redis.call('ZCARD', key('started')) + redis.call('ZCARD', key('granted'))
  local cap = b.heard == 1 and q.concurrency or math.min(PROBES, q.concurrency)
  if busy >= cap then return refused(BUSY_MS, b.heard == 1 and 'concurrency' or 'probing') end
  if c.steady < b.block then return refused(b.block - c.steady, 'blocked') end
  local r = room(c, b)
  local kept = r.size < KEEP_FROM and 0 or 1
  local bulk_cap = math.max(1, math.floor(cap * BULK_SHARE))
  local want, last = math.min(q.want, cap - busy), c.steady + q.horizon
  local grants, visits, later = {}, 0, nil
  while #grants < want and visits < want + SPARE_VISITS do
    visits = visits + 1
    local slot, bulk_slot = next_slot(c, b, r, 0), next_slot(c, b, r, kept)
    later = slot > last and slot or bulk_slot
    if slot > last then break end
    -- The floor takes half the spare visits, lest a cancelled campaign hold up the others.
    local floor_open = visits - #grants <= SPARE_VISITS / 2
    local lane = next_lane(b, bulk_slot <= last and busy + #grants < bulk_cap, floor_open)
    if not lane then break end
    q.moved = true
    local message = next_message(c, lane, q)
    if message then
      local bulk = string.sub(lane, 1, 1) == 'b'
      slot = bulk and bulk_slot or slot
      local seq = take(b, r, slot)
      write_lease(message.id, { token = q.token, slot = slot, seq = seq, lane = lane, ticket = message.text })
      redis.call('ZADD', key('granted'), ms(c.steady + q.lease_ms), message.id)
      grants[#grants + 1] = grant(c, message.id, slot, message.text)
      b.streak = bulk and 0 or b.streak + 1
    end
  end
  if #grants > 0 then
    redis.call('ZREM', key('turns'), worker_of(q.token))
    return { '0', '', grants }
  end
  if visits >= want + SPARE_VISITS then return refused(0, 'again') end
  if not next_lane(b, true) then return when_idle(c) end
  if later > last then
    return refused(turn(c, r, worker_of(q.token), later, q.horizon) - last + q.horizon / 2, 'rate')
  end
  return refused(BUSY_MS, 'concurrency')
end

-- q: token, want, horizon ms, lease_ms, retention_ms, concurrency. Returns wait ms, why, grants.
local function claim(c, b, q)
  local again = remembered(c, q)
  if again then return again end
  local answer = grants_or_why(c, b, q)
  if q.moved then remember(q, answer) end
  return answer
end
