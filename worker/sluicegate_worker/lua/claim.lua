-- Claiming: messages and slots to a worker, all conditions decided together.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines claim().
-- Keys touched: those of books.lua, claim:<token>, due, log, bucket, turns.
local claim
do -- what follows stays within: a script has room for 200 names

local PROMOTED = 16           -- messages that return from the due set, and members from the parked, in one call
local SPARE_VISITS = 32       -- lanes and tickets looked at beyond those wanted: stale, expired, refused by a level
local BULK_EVERY = 10         -- while both wait, bulk gets one slot in so many: its floor
local BULK_SHARE = 0.95       -- of the concurrency; the rest is kept for transactional messages
local BULK_AHEAD = 0.7        -- of the horizon: what bulk was granted, a transactional message waits for
local KEEP_FROM = 20          -- slots in a window from which bulk leaves one
local IDLE_MS, BUSY_MS = 1000, 50
local LONG_MS = 5000          -- a level that refuses for longer leaves nothing to do now
local HALTED_MS = 3600000     -- a halt without an end is looked at again so often; who lifts it says so at once
local QUANTUM = 10            -- messages of one lane that a call takes in a row, however many others wait
local TAG = 4                 -- characters of a token that name its worker

-- Bring back whose time has come: a retry to the head of its lane, a scheduled message to the end
-- of it, as if it were enqueued now, so that many that are due at once keep their order.
local function promote(c)
  local ids = redis.call('ZRANGEBYSCORE', key('due'), '-inf', ms(c.wall), 'LIMIT', 0, PROMOTED)
  local scheduled = {}
  for i = #ids, 1, -1 do -- from the last, so that the first ends up at the head
    local m = record(ids[i])
    local retried = m.state == 'retrying'
    redis.call('ZREM', key('due'), ids[i])
    become(ids[i], 'waiting')
    if retried then put_back(c, ids[i], m.lane, m.ticket) else table.insert(scheduled, 1, m) end
  end
  for _, m in ipairs(scheduled) do to_tail(m.lane, m.ticket) end
  return #ids > 0
end

-- Bring back into the tree what a level allows at `slot` again.
local function unpark_due(slot)
  local moved = false
  for _, zset in ipairs({ 'parked:t', 'parked:b' }) do
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', key(zset), '-inf', ms(slot), 'LIMIT', 0, PROMOTED)) do
      unpark(name)
      moved = true
    end
  end
  return moved
end

-- A cursor stands at the lane that a class serves next: its score, the score of who is next, and its tickets. It
-- stays while its score is the least, or for QUANTUM messages; only when it leaves are the scores written and its
-- tickets taken off the lane, so that a long lane costs one look, and ten thousand lanes no more than a few.
local cursors, closed = {}, {} -- by class; closed: until when the account's own rate of that type refuses

local function leave(at)
  cursors[at.class] = nil
  if at.served == 0 then return end
  redis.call('LTRIM', key('lane:' .. at.lane), at.served, -1)
  redis.call('ZADD', below(at.class, above(at.class, at.lane)), 'XX', score(at.score - at.lead), at.lane)
  tidy(at.class, at.lane)
end

local function leave_all()
  for _, class in ipairs(CLASSES) do
    if cursors[class] then leave(cursors[class]) end
  end
  cursors = {}
end

local function descend(class)
  local zset, bound, node, top, ahead = key('ready:' .. class), math.huge, nil, nil, 0
  while true do
    local two = redis.call('ZRANGE', zset, 0, 1, 'WITHSCORES')
    if not two[1] then
      if node then take_out(class, node) end
      return nil
    end
    if two[4] then bound = math.min(bound, tonumber(two[4]) + ahead) end
    if not is_node(two[1]) then
      local lane = two[1]
      return {
        class = class, priority = string.sub(class, 1, 1), lane = lane, campaign = campaign_in(lane),
        levels = levels_of(lane), score = tonumber(two[2]) + ahead, lead = ahead, top = top, bound = bound,
        served = 0, tickets = {},
      }
    end
    node = two[1]
    top, ahead = top or node, ahead + lead(class, node)
    zset = below(class, node)
  end
end

-- Where the class is served next; nil when nothing is ready, or the account's rate for its type refuses.
local function cursor(class, slot)
  if cursors[class] == nil then cursors[class] = descend(class) or false end
  local at = cursors[class]
  if not at then return nil end
  local account = at.levels.account
  if account.interval and used_until(account.name) - SLACK_MS > slot then
    closed[class] = used_until(account.name) - SLACK_MS
    return nil
  end
  return at
end

local function sooner(a, b)
  if not a or not b then return a or b end
  return b.score < a.score and b or a
end

-- The lane that is served next: transactional first, with a floor for bulk; nil when none is ready.
local function next_lane(b, slot, bulk_slot, floor_open)
  local t = sooner(cursor('ts', slot), cursor('tm', slot))
  local u = bulk_slot and sooner(cursor('bs', bulk_slot), cursor('bm', bulk_slot))
  if t and u and floor_open and b.streak >= BULK_EVERY - 1 then return u end
  return t or u or nil
end

-- The lane's next ticket, nil where there is none. Tickets are read QUANTUM at a time, and with them what must be
-- known of them.
local function next_ticket(at)
  if not at.tickets[at.served + 1] then
    local ids, numbers = {}, {}
    for i, text in ipairs(redis.call('LRANGE', key('lane:' .. at.lane), at.served, at.served + QUANTUM - 1)) do
      local ticket = read_ticket(text)
      if at.campaign then ticket.id = at.campaign .. '.' .. ticket.id end
      at.tickets[at.served + i], ids[i], numbers[i] = ticket, ticket.id, ticket.to
    end
    fetch_leases(ids)
    fetch_optouts(numbers)
  end
  return at.tickets[at.served + 1]
end

local BELOW_ACCOUNT = { 'registration', 'sender', 'campaign' }

-- Which level refuses the lane's next message at `slot`, the member that waits for it, and until when.
local function refusal(c, at, slot)
  local lane, levels = at.lane, at.levels
  local halt, halted = halt_of(c, lane)
  if halt then
    return levels[halted].halt, levels[halted].waits, halt.ends and c.steady + halt.ends - c.wall or c.steady + HALTED_MS
  end
  local brand = levels.brand
  if brand then
    local ticket = next_ticket(at)
    local wall = c.wall + slot - c.steady
    if ticket and used_today(brand, carrier_day(wall)) + of_cap(brand, ticket) > brand.cap then
      return brand.name, brand.waits, slot + left_of_day(wall)
    end
  end
  for _, kind in ipairs(BELOW_ACCOUNT) do
    local opens = levels[kind] and used_until(levels[kind].name) - SLACK_MS
    if opens and opens > slot then return levels[kind].name, levels[kind].waits, opens end
  end
end

-- What a worker needs to send it: an app's content, or a recipient's ticket. `r`: its record's fields, as NEEDED
-- names them.
local NEEDED = { 'state', 'attempts', 'maybe', 'age', 'generation', 'content', 'request' }
local function grant(c, id, slot, ticket, r)
  local ahead = string.format('%.3f', slot - c.steady) -- not by ms(): no other text of the call is the same
  return { id, ahead, r[2] or '0', r[3] or '0', r[4] or '0', r[5] or '0', r[6] or ticket, r[7] or '' }
end

-- Take the lane's next ticket if it may still be sent, with its record's fields; nil when it was set aside, or there
-- is none.
local function next_message(c, at, q)
  local open = not at.campaign or campaign_state(at.campaign) == 'running'
  local ticket = open and next_ticket(at)
  if not ticket and at.served > 0 then -- found empty once more, it goes: so what it was served counts
    leave(at)
    return nil
  end
  if not ticket then -- where a campaign is not open its tickets stay; who resumes it makes it ready again
    cursors[at.class] = nil
    take_out(at.class, at.lane)
    return nil
  end
  -- It begins level with what was served last; from there its own messages move it on, and others' time no
  -- further than to who is next, however many of its own it is served in a row.
  local now = virtual(at.class)
  if at.served == 0 and at.score < now then
    local by = now - at.score
    set_lead(at.class, at.top, lead(at.class, at.top) + by)
    at.score, at.lead = now, at.lead + by
  end
  clocks[at.priority] = math.max(now, math.min(at.score, at.bound))
  at.score, at.served = at.score + 1 / (at.campaign and campaign_facts(at.campaign).weight or 1), at.served + 1
  if at.score >= at.bound and at.served >= QUANTUM then leave(at) end
  -- The record decides: a ticket of a message that has ended, or is leased already, is void.
  -- A recipient has no record before its first start: then there is nothing more to ask for.
  local r = at.campaign and look(ticket.id, 'state') or look(ticket.id, unpack(NEEDED))
  if at.campaign and r[1] then r = look(ticket.id, unpack(NEEDED)) end
  local void = state_of(ticket.id, r[1]) ~= 'waiting' or read_lease(ticket.id)
  if void or ended(c, ticket.id, ticket, q.retention_ms, q.token) then return nil end
  return ticket, r
end

-- A claim repeated after a lost reply is answered as it was, with the leases that still bear its token.
local function remembered(c, q)
  local text = redis.call('GET', key('claim:' .. q.token))
  if not text then return nil end
  local wait, why, ids = string.match(text, '^([^|]*)|([^|]*)|(.*)$')
  local grants = {}
  for id in string.gmatch(ids, '[^,]+') do
    local lease = read_lease(id)
    if lease and lease.token == q.token then
      grants[#grants + 1] = grant(c, id, lease.slot, lease.ticket, look(id, unpack(NEEDED)))
    end
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

-- Nothing is ready: what is next is due, or parked until its level's time, or of a type that the account's own
-- rate refuses: back when that allows several, if it allows many.
local function when_idle(c)
  local function until_first(zset, now)
    local first = redis.call('ZRANGE', key(zset), 0, 0, 'WITHSCORES')
    return first[2] and math.max(1, tonumber(first[2]) - now) or math.huge
  end
  local level = math.min(until_first('parked:t', c.steady), until_first('parked:b', c.steady))
  for _, opens in pairs(closed) do level = math.min(level, math.max(1, opens - c.steady) + SLACK_MS / 2) end
  local wait = math.min(IDLE_MS, until_first('due', c.wall), level)
  return refused(wait, level < LONG_MS and 'level' or 'idle')
end

-- Returns wait ms, why, grants. Sets q.moved where it moved anything: a repeat must not move more.
local function grants_or_why(c, b, br, q)
  if halts_now(c).account then return refused(IDLE_MS, 'halted') end
  local wait = breaker_wait(c, br, q.token)
  if wait then
    q.moved = wait == 0 -- the order is given once
    return refused(wait, wait == 0 and 'probe' or 'breaker')
  end
  q.moved = promote(c)
  local busy = lease_count('started') + lease_count('granted')
  local cap = breaker_cap(c, br, b.heard == 1 and q.concurrency or math.min(PROBES, q.concurrency))
  if busy >= cap then return refused(BUSY_MS, b.heard == 1 and 'concurrency' or 'probing') end
  if c.steady < b.block then return refused(b.block - c.steady, 'blocked') end
  local r = room(c, b)
  local kept = r.size < KEEP_FROM and 0 or 1
  local bulk_cap = math.max(1, math.floor(cap * BULK_SHARE))
  local want, last = math.min(q.want, cap - busy), c.steady + q.horizon
  local bulk_last = c.steady + BULK_AHEAD * q.horizon
  local grants, visits, later, bulk_open = {}, 0, nil, nil
  q.moved = unpark_due((next_slots(c, b, r, kept))) or q.moved
  while #grants < want and visits < want + SPARE_VISITS do
    visits = visits + 1
    local slot, bulk_slot = next_slots(c, b, r, kept)
    later = slot > last and slot or bulk_slot
    if slot > last then break end
    -- The floor takes half the spare visits, lest a cancelled campaign hold up the others.
    local floor_open = visits - #grants <= SPARE_VISITS / 2
    bulk_open = bulk_slot <= (b.streak >= BULK_EVERY - 1 and last or bulk_last) and busy + #grants < bulk_cap
    local at = next_lane(b, slot, bulk_open and bulk_slot, floor_open)
    if not at then break end
    q.moved = true
    local bulk = at.priority == 'b'
    slot = bulk and bulk_slot or slot
    local level, member, opens = refusal(c, at, slot)
    if level then
      leave(at)
      park(at.class, member, opens, level)
    else
      local lane, ticket, found = at.lane, next_message(c, at, q)
      if ticket then
        local lease = { token = q.token, slot = slot, seq = take(b, r, slot), lane = lane, ticket = ticket.text }
        write_lease(ticket.id, lease, c.steady + q.lease_ms)
        charge_levels(c, lane, ticket, slot)
        grants[#grants + 1] = grant(c, ticket.id, slot, ticket.text, found)
        b.streak = bulk and 0 or b.streak + 1
      end
    end
  end
  leave_all()
  save_log(r)
  if q.moved then redis.call('HSET', key('virtual'), 't', score(virtual('t')), 'b', score(virtual('b'))) end
  if #grants > 0 then
    redis.call('ZREM', key('turns'), worker_of(q.token))
    return { '0', '', grants }
  end
  if visits >= want + SPARE_VISITS then return refused(0, 'again') end
  if later > bulk_last and next_lane(b, later, later) then
    return refused(turn(c, r, worker_of(q.token), later, q.horizon) - bulk_last + q.horizon / 2, 'rate')
  end
  if next(closed) or not next_lane(b, later, later) then return when_idle(c) end
  return refused(BUSY_MS, 'concurrency')
end

-- q: token, want, horizon ms, lease_ms, retention_ms, concurrency. Returns wait ms, why, grants.
function claim(c, b, br, q)
  local again = remembered(c, q)
  if again then return again end
  local answer = grants_or_why(c, b, br, q)
  if q.moved then remember(q, answer) end
  return answer
end

end
