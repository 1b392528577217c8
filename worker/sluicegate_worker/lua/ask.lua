-- Asking: what a worker that claims is told before any lane is looked at; claim.lua does the rest.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: claim.
-- Keys touched: those of claim.lua, due.lua and standstill.lua, claim:<token>, parked:t, parked:b.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local leases, halts = part('sluicegate.leases'), part('sluicegate.halts')
local CLASSES, tree = part('sluicegate.lane_names').CLASSES, later('sluicegate.lanes')
local Bucket, Breaker = part('sluicegate_worker.bucket'), part('sluicegate_worker.breaker')
local shares, slots = part('sluicegate_worker.shares'), part('sluicegate_worker.slots')
local standstill = part('sluicegate_worker.standstill')
local evidence, due = later('sluicegate_worker.evidence'), later('sluicegate_worker.due')
local claiming, health = later('sluicegate_worker.claim'), later('sluicegate_worker.health')
local ms = texts.ms
local call, max, min = redis.call, math.max, math.min

local PROMOTED = 16      -- messages that return from the due set, and members from the parked
local IDLE_MS, BUSY_MS = 1000, 50
local LONG_MS = 5000     -- a level that refuses for longer leaves nothing to do now

-- Bring back what is due. Returns whether anything was.
local function promote_due(now)
  local ids = call('ZRANGEBYSCORE', key('due'), '-inf', ms(now.wall), 'LIMIT', 0, PROMOTED)
  if #ids > 0 then due().promote(now, ids, PROMOTED) end
  return #ids > 0
end

-- Bring back into the tree what a level allows at the next slot again.
local function unpark_due(now, bucket, room)
  local slot, moved = Bucket.next_slots(now, bucket, room), false
  for _, set in ipairs({ 'parked:t', 'parked:b' }) do
    local names = call('ZRANGEBYSCORE', key(set), '-inf', ms(slot), 'LIMIT', 0, PROMOTED)
    for _, name in ipairs(names) do
      tree().unpark(name)
      moved = true
    end
  end
  return moved
end

local function nothing_is_ready()
  local sets = { 'EXISTS' }
  for i, class in ipairs(CLASSES) do sets[i + 1] = key('ready:' .. class) end
  return call(unpack(sets)) == 0
end

-- A claim repeated after a lost reply is answered as it was, with the leases that still bear its
-- token.
local function remembered(now, request)
  local text = call('GET', key('claim:' .. request.token))
  if not text then return nil end
  local wait, why, ids = string.match(text, '^([^|]*)|([^|]*)|(.*)$')
  local grants = {}
  for id in string.gmatch(ids, '[^,]+') do
    local lease = leases.get(id)
    if lease and lease.token == request.token then
      grants[#grants + 1] = claiming().grant_again(now, id, lease)
    end
  end
  return { wait, why, grants }
end

local function remember(request, answer)
  local wait, why, grants = unpack(answer)
  local ids = {}
  for i, granted in ipairs(grants) do ids[i] = granted[1] end
  local text = wait .. '|' .. why .. '|' .. table.concat(ids, ',')
  local lease_ms = texts.whole_ms(math.ceil(request.lease_ms))
  call('SET', key('claim:' .. request.token), text, 'PX', lease_ms)
end

local function refused(wait, why) return { ms(wait), why, {} } end

-- Nothing is ready: what is next is due, or parked until its level's time, or of a type that the
-- account's own rate refuses for so many ms (`level`).
local function when_idle(now, any_parked, level)
  local function until_first(set, since)
    local first = call('ZRANGE', key(set), 0, 0, 'WITHSCORES')
    return first[2] and max(1, tonumber(first[2]) - since) or math.huge
  end
  if any_parked then
    level = min(level, until_first('parked:t', now.steady), until_first('parked:b', now.steady))
  end
  local wait = min(IDLE_MS, until_first('due', now.wall), level)
  return refused(wait, level < LONG_MS and 'level' or 'idle')
end

-- Why nothing may be granted now, whatever waits; nil where something may. Sets request.moved.
local function closed(now, breaker, request)
  halts.clear_ended(now)
  if halts.in_force(now).account then return refused(IDLE_MS, 'halted') end
  if standstill.is_full() then return refused(IDLE_MS, 'memory') end
  local wait = Breaker.wait(now, breaker)
  if not wait then return nil end
  if wait > 0 then return refused(wait, 'breaker') end
  health().order_probe(now, breaker, request.token)
  request.moved = true -- the order is given once
  return refused(0, 'probe')
end

local function grants_or_why(now, bucket, breaker, request)
  local answer = closed(now, breaker, request)
  if answer then return answer end
  local trying = breaker.state == 'half' and not nothing_is_ready()
  request.trying = trying and breaker or nil -- nobody whose messages failed, if there are others
  request.passed_over = breaker.refused ~= '' and evidence().passed_over(breaker) or nil
  request.moved = not trying and promote_due(now)
  local busy = shares.under_way()
  local cap, bulk_cap, full = shares.caps(now, breaker, bucket, request.concurrency)
  if busy >= cap then return refused(BUSY_MS, full) end
  if now.steady < bucket.block then return refused(bucket.block - now.steady, 'blocked') end
  slots.forget_old(now, bucket)
  local room = Bucket.look(now, bucket)
  local any_parked = call('EXISTS', key('parked:t'), key('parked:b')) > 0
  if any_parked then request.moved = unpark_due(now, bucket, room) or request.moved end
  if nothing_is_ready() then
    if request.moved then tree().save_clocks() end
    return when_idle(now, any_parked, math.huge)
  end
  local want = min(request.want, cap - busy)
  local claims = claiming()
  local grants, tired, beyond = claims.collect(now, bucket, room, request, want, bulk_cap - busy)
  if #grants > 0 then
    slots.end_turn(request.token)
    return { '0', '', grants }
  end
  if tired then return refused(0, 'again') end
  local wait, why = claims.why_none(now, bucket, room, request, beyond)
  if wait then return refused(wait, why) end
  return when_idle(now, true, claims.opens_in(now))
end

-- request: token, want, horizon (ms), lease_ms, retention_ms, concurrency. Returns wait (ms), why,
-- grants; one that moved anything is remembered: a repeat must not move more.
local function claim(now, bucket, breaker, request)
  local again = remembered(now, request)
  local answer = again or grants_or_why(now, bucket, breaker, request)
  if request.moved then remember(request, answer) end
  standstill.note_claim(now, #answer[3])
  return answer
end

return { claim = claim }
