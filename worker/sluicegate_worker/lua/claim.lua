-- Claiming: messages and slots to a worker, all conditions decided together.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: claim.
-- Keys touched: those of states.lua, cursors.lua, slots.lua and withheld.lua, claim:<token>, due,
--   full, held.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local parse_ticket = part('sluicegate.tickets').parse
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local campaigns, states = part('sluicegate.campaigns'), later('sluicegate.states')
local tree, levels, halts =
  later('sluicegate.lanes'), part('sluicegate.levels'), part('sluicegate.halts')
local lane_names, money = part('sluicegate.lane_names'), later('sluicegate_worker.money')
local charge = part('sluicegate.charges').charge
local Bucket, Breaker = part('sluicegate_worker.bucket'), part('sluicegate_worker.breaker')
local admission, slots = part('sluicegate_worker.admission'), part('sluicegate_worker.slots')
local sides = later('sluicegate_worker.sides')
local cursors, ended = part('sluicegate_worker.cursors'), part('sluicegate_worker.start').ended
local standstill = part('sluicegate_worker.standstill')
local evidence, due = later('sluicegate_worker.evidence'), later('sluicegate_worker.due')
local unreadable = later('sluicegate_worker.unreadable')
local optouts, changes = part('sluicegate.optouts'), later('sluicegate.optout_changes')
local limits, recipients = part('sluicegate.limits'), later('sluicegate.recipients')
local withheld = later('sluicegate_worker.withheld')
local ms, look = texts.ms, records.look
local next_slots, next_lane, next_ticket = Bucket.next_slots, cursors.next_lane, cursors.next_ticket
local call, max, min, sub = redis.call, math.max, math.min, string.sub

local PROMOTED = 16      -- messages that return from the due set, and members from the parked
local SPARE_VISITS = 32  -- lanes and tickets looked at beyond those wanted: stale, expired, refused
local MOVED_ASIDE = 200  -- tickets that go to side lanes in one call, which are not counted so
local IDLE_MS, BUSY_MS = 1000, 50
local NEAR = 50          -- tickets among which somebody else's is looked for
local LONG_MS = 5000     -- a level that refuses for longer leaves nothing to do now

-- Bring back what is due. Returns whether anything was.
local function promote_due(now)
  local ids = call('ZRANGEBYSCORE', key('due'), '-inf', ms(now.wall), 'LIMIT', 0, PROMOTED)
  if #ids > 0 then due().promote(now, ids, PROMOTED) end
  return #ids > 0
end

-- Bring back into the tree what a level allows at `slot` again.
local function unpark_due(slot)
  local moved = false
  for _, set in ipairs({ 'parked:t', 'parked:b' }) do
    local names = call('ZRANGEBYSCORE', key(set), '-inf', ms(slot), 'LIMIT', 0, PROMOTED)
    for _, name in ipairs(names) do
      tree().unpark(name)
      moved = true
    end
  end
  return moved
end

-- What a worker needs to send a message: an app's content, or a recipient's ticket. `fields` are
-- its record's, as NEEDED names them.
local NEEDED = { 'state', 'attempts', 'maybe', 'age', 'generation', 'content', 'request', 'free' }
local limited -- whether the account limits what a recipient gets; then also:
local PLACE = 9 -- a message's place in line
local function grant(now, id, slot, ticket, fields)
  -- Not by ms(): no other text of the call is the same.
  local ahead = string.format('%.3f', slot - now.steady)
  local _, attempts, maybe, age, generation, content, request, free = unpack(fields)
  return {
    id, ahead, attempts or '0', maybe or '0', age or '0', generation or '0', content or ticket,
    request or '', free or '0',
  }
end

-- The fields of NEEDED. A recipient has no record before its first start: then only the first is
-- asked for.
local function look_at(id, is_recipient)
  if not is_recipient then return look(id, unpack(NEEDED)) end
  local fields = look(id, 'state')
  return fields[1] and look(id, unpack(NEEDED)) or fields
end

-- While one message at a time finds out how the provider is, it is not one to a recipient whose
-- messages failed: they are due again at once, and return when no other is ready.
local function defer(now, id, lane, ticket)
  states().set_by(id, lane, ticket)
  call('ZADD', key('due'), ms(now.wall), id)
end

-- The lane's next ticket; where that is to the recipient that others go before, the first of theirs
-- that is near changes places with it.
local function next_but(cursor, recipient)
  local ticket = next_ticket(cursor)
  if not recipient or not ticket or ticket.to ~= recipient then return ticket end
  local name, at = key('lane:' .. cursor.lane), cursor.served
  local near = call('LRANGE', name, at + 1, at + NEAR)
  for i, text in ipairs(near) do
    if parse_ticket(text).to ~= recipient then
      call('LSET', name, at, text)
      call('LSET', name, at + i, ticket.text)
      cursor.tickets = {} -- read them anew
      return next_ticket(cursor)
    end
  end
  return ticket
end

local function nothing_is_ready()
  local sets = {}
  for i, class in ipairs(lane_names.CLASSES) do sets[i] = key('ready:' .. class) end
  return call('EXISTS', unpack(sets)) == 0
end

-- Take the lane's next ticket if it may still be sent, with its record's fields; nil when it was
-- set aside, or there is none; then a limit on its recipient, where that was why.
local function next_message(now, cursor, request, slot)
  local open = not cursor.campaign or campaigns.state(cursor.campaign) == 'running'
  local ticket = open and next_but(cursor, request.passed_over)
  if not ticket and cursor.served > 0 then -- it goes once more, so that what it was served counts
    cursors.leave(cursor)
    return nil
  end
  -- The tickets of a campaign that is not open stay: whoever resumes it makes it ready again.
  if not ticket then
    cursors.set_aside(cursor)
    return nil
  end
  cursors.serve(cursor)
  if not ticket.readable then
    unreadable().set_aside(now, cursor.lane, cursor.campaign, ticket.text)
    return nil
  end
  -- The record decides: a ticket of a message that has ended, or is leased already, is void.
  local id = ticket.id
  local fields = look_at(id, cursor.campaign)
  if campaigns.state_of(id, fields[1]) ~= 'waiting' or leases.get(id) then return nil end
  if ended(now, id, ticket, request.retention_ms, request.token) then return nil end
  if optouts.under_review(ticket.to) then
    return changes().hold(now, id, ticket, states().set_by(id, cursor.lane, ticket))
  end
  if request.trying and evidence().is_suspect(request.trying, ticket.to) then
    return defer(now, id, cursor.lane, ticket)
  end
  local refusal = limited and recipients().refusal(now, cursor.lane, ticket.to, slot, fields[3])
  if refusal then
    withheld().withhold(now, id, cursor.lane, ticket, refusal, request.retention_ms, request.token)
    return nil, refusal
  end
  return ticket, fields
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
      local fields = look(id, unpack(NEEDED))
      grants[#grants + 1] = grant(now, id, lease.slot, lease.ticket_text, fields)
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
-- account's own rate refuses: back when that allows several, if it allows many.
local function when_idle(now)
  local function until_first(set, since)
    local first = call('ZRANGE', key(set), 0, 0, 'WITHSCORES')
    return first[2] and max(1, tonumber(first[2]) - since) or math.huge
  end
  local level = min(until_first('parked:t', now.steady), until_first('parked:b', now.steady))
  for _, opens in pairs(cursors.refused) do
    level = min(level, max(1, opens - now.steady) + levels.SLACK_MS / 2)
  end
  local wait = min(IDLE_MS, until_first('due', now.wall), level)
  return refused(wait, level < LONG_MS and 'level' or 'idle')
end

-- Lease one message to the worker at a slot; returns the grant.
local function grant_slot(now, bucket, room, request, slot, lane, ticket, fields)
  local lease = {
    token = request.token, slot = slot, seq = slots.take(bucket, room, slot), lane = lane,
    ticket_text = ticket.text, ticket = ticket,
  }
  leases.write(ticket.id, lease, now.steady + request.lease_ms)
  lease.charged_for = charge(now, lane, ticket, slot)
  if limited then
    recipients().charge(now, ticket.id, lane, ticket.to, slot, fields[3], fields[PLACE])
  end
  if admission.has_cap(lane) then money().charge(now, lane, ticket) end
  return grant(now, ticket.id, slot, ticket.text, fields)
end

-- Grant what may go before the horizon's end, at most `want`. Returns the grants, why there are no
-- more (`again`: it looked at too many) and the slot that was not granted.
local function collect(now, bucket, room, request, want, bulk_want)
  local grants, visits, aside, beyond, capped = {}, 0, 0, nil, false
  while #grants < want and visits < want + SPARE_VISITS do
    visits = visits + 1
    local slot, bulk_slot = next_slots(now, bucket, room)
    local last, bulk_until = admission.last_slots(now, bucket, request.horizon)
    beyond = slot > last and slot or bulk_slot
    if slot > last then break end
    -- The floor takes half the spare visits, lest a cancelled campaign hold up the others.
    local floor_open = visits - #grants <= SPARE_VISITS / 2
    local bulk_open = bulk_slot <= bulk_until and #grants < bulk_want
    local cursor = next_lane(bucket, slot, bulk_open and bulk_slot, floor_open)
    if not cursor then break end
    request.moved = true
    local lane, bulk = cursor.lane, cursor.bulk
    slot = bulk and bulk_slot or slot
    local level, member, opens, of_carrier =
      admission.refusal(now, lane, slot, next_ticket, cursor)
    capped = capped or admission.has_cap(lane)
    local side = levels.of(lane).carried and (of_carrier or not level)
      and sides().which(now, cursor, next_ticket, of_carrier)
    if side then
      sides().move(cursor, next_ticket(cursor), side)
      aside = aside + 1
      if aside <= MOVED_ASIDE then visits = visits - 1 end
    elseif level then
      cursors.leave(cursor)
      local stopped = sub(level, 1, 6) == 'money:' and money().stop(now, level)
      if not stopped then tree().park(cursor.class, member, opens, level) end
      if of_carrier then tree().wait_for(now, level, cursor.class .. '/' .. member) end
    else
      local ticket, fields = next_message(now, cursor, request, slot)
      if ticket then
        grants[#grants + 1] =
          grant_slot(now, bucket, room, request, slot, lane, ticket, fields)
        bucket.streak = bulk and 0 or bucket.streak + 1
      elseif fields and not bulk then -- however many are held up, bulk has its turn
        bucket.streak = bucket.streak + 1
      end
    end
  end
  if capped then money().note(now) end
  return grants, visits >= want + SPARE_VISITS, beyond
end

-- Why nothing was granted, where nothing but slots and levels was in the way. `beyond` is the slot
-- that was next.
local function why_none(now, bucket, room, request, beyond)
  local _, _, bulk_last = admission.last_slots(now, bucket, request.horizon)
  if beyond > bulk_last and next_lane(bucket, beyond, beyond) then
    local turn = slots.turn(now, room, request.token, beyond, request.horizon)
    return refused(turn - bulk_last + request.horizon / 2, 'rate')
  end
  if next(cursors.refused) or not next_lane(bucket, beyond, beyond) then return when_idle(now) end
  return refused(BUSY_MS, 'concurrency')
end

-- Why nothing may be granted now, whatever waits; nil where something may. Sets request.moved.
local function closed(now, breaker, request)
  halts.clear_ended(now)
  if halts.in_force(now).account then return refused(IDLE_MS, 'halted') end
  if standstill.is_full() then return refused(IDLE_MS, 'memory') end
  local wait = Breaker.wait(now, breaker)
  if not wait then return nil end
  if wait > 0 then return refused(wait, 'breaker') end
  Breaker.order_probe(now, breaker, request.token)
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
  local busy = admission.under_way()
  local cap, bulk_cap, full = admission.caps(now, breaker, bucket, request.concurrency)
  if busy >= cap then return refused(BUSY_MS, full) end
  if now.steady < bucket.block then return refused(bucket.block - now.steady, 'blocked') end
  slots.forget_old(now, bucket)
  local room = Bucket.look(now, bucket)
  request.moved = unpark_due((next_slots(now, bucket, room))) or request.moved
  local want = min(request.want, cap - busy)
  limited = limits.get('recipient')
  if limited then
    NEEDED[PLACE] = 'line'
    recipients().open(now)
  end
  local grants, tired, beyond = collect(now, bucket, room, request, want, bulk_cap - busy)
  cursors.leave_all()
  slots.save_log(room)
  if request.moved then tree().save_clocks() end
  if #grants > 0 then
    slots.end_turn(request.token)
    return { '0', '', grants }
  end
  if tired then return refused(0, 'again') end
  return why_none(now, bucket, room, request, beyond)
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
