-- Claiming: messages and slots to a worker, all conditions decided together.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: grant_again, collect, why_none, opens_in.
-- Keys touched: those of states.lua, cursors.lua, slots.lua and withheld.lua, due, held.
--
-- ask.lua is asked first, and tells whoever may get nothing now.
local key, ms = part('sluicegate.account').key, part('sluicegate.texts').ms
local parse_ticket = part('sluicegate.tickets').parse
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local campaigns, states = part('sluicegate.campaigns'), later('sluicegate.states')
local lanes, levels = part('sluicegate.lanes'), part('sluicegate.levels')
local charge, caps = part('sluicegate.charges').charge, later('sluicegate_worker.caps')
local next_slots = part('sluicegate_worker.bucket').next_slots
local admission, shares = part('sluicegate_worker.admission'), part('sluicegate_worker.shares')
local slots = part('sluicegate_worker.slots')
local sides, spreading = later('sluicegate_worker.sides'), later('sluicegate_worker.spreading')
local cursors, ended = part('sluicegate_worker.cursors'), part('sluicegate_worker.start').ended
local evidence = later('sluicegate_worker.evidence')
local unreadable = later('sluicegate_worker.unreadable')
local optouts, changes = part('sluicegate.optouts'), later('sluicegate.optout_changes')
local limits, recipients = part('sluicegate.limits'), later('sluicegate.recipients')
local withheld = later('sluicegate_worker.withheld')
local next_lane, next_ticket, look = cursors.next_lane, cursors.next_ticket, records.look
local has_no_bulk = cursors.has_no_bulk
local left_out = later('sluicegate_worker.left_out')
local call, max, min, floor, byte = redis.call, math.max, math.min, math.floor, string.byte

local SPARE_VISITS = 32  -- lanes and tickets looked at beyond those wanted: stale, expired, refused
local MOVED_ASIDE = 200  -- tickets that go to side lanes in one call, which are not counted so
local BUSY_MS = 50
local TRACED = 32        -- the space at the end of a content whose record has a trace: enqueue.lua
local NEAR = 50          -- tickets among which somebody else's is looked for

-- What a worker needs to send a message: an app's content, or a recipient's ticket. `fields` are
-- its record's, as NEEDED names them. `tried` are those that only an attempt leaves, beside its
-- history, or whoever sets the message by, beside its lane.
local NEEDED = { 'state', 'content', 'request', 'history', 'lane' }
local TRIED = { 'attempts', 'maybe', 'age', 'generation', 'free' }
local UNTRIED, MAYBE = {}, 2
local limited, got, braked -- recipients.lua, its logs and brakes, where what one gets is limited
local PLACE = 6 -- a message's place in line, where anybody waits in one
local function grant(now, id, slot, ticket, fields, tried, campaign)
  -- In whole us, half the work of a fraction; not by rounded(): no other text of the call is alike.
  local ahead_us = string.format('%d', floor((slot - now.steady) * 1000 + 0.5))
  local _, content, request = unpack(fields)
  local attempts, maybe, age, generation, free = unpack(tried)
  local granted = {
    id, ahead_us, attempts or '0', maybe or '0', age or '0', generation or '0', content or ticket,
    request or '', free or '0', campaign and campaigns.facts(campaign).version,
  }
  if content and byte(content, -1) == TRACED then
    granted[10], granted[11] = granted[10] or '', look(id, 'trace')[1] or ''
  end
  return granted
end

-- The fields of NEEDED and of TRIED. Nearly none was tried, and an absent field costs a command as
-- much as any.
local function read(id)
  local fields = look(id, unpack(NEEDED))
  return fields, (fields[4] or fields[5]) and look(id, unpack(TRIED)) or UNTRIED
end

-- The same grant once more, to a worker that has lost the answer.
local function grant_again(now, id, lease)
  local fields, tried = read(id)
  return grant(now, id, lease.slot, lease.ticket_text, fields, tried, campaigns.of(id))
end

-- A recipient has no record before its first start: then only the first field is asked for.
local function look_at(id, is_recipient)
  if not is_recipient then return read(id) end
  local fields = look(id, 'state')
  if fields[1] then return read(id) end
  return fields, UNTRIED
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
  local fields, tried = look_at(id, cursor.campaign)
  local state = fields[1] or cursor.campaign and 'waiting' -- no record yet
  if state ~= 'waiting' or leases.get(id) then return nil end
  if ended(now, id, ticket, request.retention_ms, request.token) then return nil end
  local guarded = cursor.capped and cursor.campaign and campaigns.facts(cursor.campaign).guards
  local out = guarded and left_out().of(now, cursor.campaign, ticket)
  if out then
    return states().end_waiting(now, id, 'cancelled', ticket.text, request.retention_ms,
      request.token, out)
  end
  if optouts.under_review(ticket.to) then
    return changes().hold(now, id, ticket, states().set_by(id, cursor.lane, ticket))
  end
  if request.trying and evidence().is_suspect(request.trying, ticket.to) then
    return defer(now, id, cursor.lane, ticket)
  end
  local refusal = limited and (got[ticket.got] or braked)
    and limited.refusal(now, cursor, ticket, slot, tried[MAYBE])
  if refusal then
    withheld().withhold(now, id, cursor.lane, ticket, refusal, request.retention_ms, request.token)
    return nil, refusal
  end
  return ticket, fields, tried
end

-- Lease one message to the worker at a slot; returns the grant.
local function grant_slot(now, bucket, room, request, slot, cursor, ticket, fields, tried)
  local lane = cursor.lane
  local lease = {
    token = request.token, slot = slot, seq = slots.take(bucket, room, slot, cursor.bulk),
    lane = lane, ticket_text = ticket.text, ticket = ticket,
  }
  leases.write(ticket.id, lease, now.steady + request.lease_ms)
  lease.charged_for = charge(now, lane, ticket, slot)
  if limited then limited.charge(now, cursor, ticket, slot, tried[MAYBE], fields[PLACE]) end
  if cursor.capped then caps().charge(now, lane, ticket) end
  return grant(now, ticket.id, slot, ticket.text, fields, tried, cursor.campaign)
end

-- Grant what may go before the horizon's end, at most `want`. Returns the grants, why there are no
-- more (`again`: it looked at too many) and the slot that was not granted.
local function collect(now, bucket, room, request, want, bulk_want)
  local grants, visits, aside, beyond, capped = {}, 0, 0, nil, false
  local last, _, bulk_last = shares.last_slots(now, bucket, request.horizon)
  if limits.get('recipient') then
    limited = recipients()
    got, braked = limited.logs, limited.brakes
    limited.open(now)
    if call('EXISTS', key('in_line')) == 1 then NEEDED[PLACE] = 'line' end
  end
  while #grants < want and visits < want + SPARE_VISITS do
    visits = visits + 1
    local no_bulk = has_no_bulk()
    local slot, bulk_slot = next_slots(now, bucket, room, no_bulk)
    beyond = slot > last and slot or bulk_slot
    if slot > last then break end
    -- The floor takes half the spare visits, lest a cancelled campaign hold up the others.
    local floor_open = visits - #grants <= SPARE_VISITS / 2
    local bulk_open = not no_bulk and #grants < bulk_want
      and (bulk_slot <= bulk_last or bulk_slot <= last and shares.bulk_is_owed(bucket))
    local cursor = next_lane(bucket, slot, bulk_open and bulk_slot, floor_open)
    if not cursor then break end
    request.moved = true
    local lane, bulk = cursor.lane, cursor.bulk
    slot = bulk and bulk_slot or slot
    local level, member, opens, of_carrier =
      admission.refusal(now, lane, slot, next_ticket, cursor)
    capped = capped or cursor.capped
    local side = cursor.carried and (of_carrier or not level)
      and sides().which(now, cursor, next_ticket, of_carrier)
    if side then
      sides().move(cursor, next_ticket(cursor), side)
      aside = aside + 1
      if aside <= MOVED_ASIDE then visits = visits - 1 end
    elseif level then
      cursors.leave(cursor)
      local stopped = cursor.capped and caps().is_cap(level) and caps().stop(now, level)
      if not stopped then lanes.park(cursor.class, member, opens, level) end
      if of_carrier then lanes.wait_for(now, level, cursor.class .. '/' .. member) end
    else
      local ticket, fields, tried = next_message(now, cursor, request, slot)
      if ticket then
        grants[#grants + 1] =
          grant_slot(now, bucket, room, request, slot, cursor, ticket, fields, tried)
        bucket.streak = bulk and 0 or bucket.streak + 1
      elseif fields and not bulk then -- however many are held up, bulk has its turn
        bucket.streak = bucket.streak + 1
      end
    end
  end
  if capped then caps().note(now) end
  cursors.leave_all()
  slots.save_log(bucket, room)
  if request.moved then lanes.save_clocks() end
  return grants, visits >= want + SPARE_VISITS, beyond
end

-- The wait, and why, where nothing was granted, and nothing but slots and levels was in the way;
-- nothing where nothing is ready at all. `beyond` is the slot that was next.
local function why_none(now, bucket, room, request, beyond)
  local _, _, bulk_last = shares.last_slots(now, bucket, request.horizon)
  if beyond > bulk_last and next_lane(bucket, beyond, beyond) then
    local turn = slots.turn(now, room, request.token, beyond, request.horizon)
    local wait = turn - bulk_last + request.horizon / 2
    local soon = bucket.doubt == 1 and not bucket.capped
    if soon then wait = min(wait, spreading().patience(now, bucket)) end
    return wait, 'rate'
  end
  if not next(cursors.refused) and next_lane(bucket, beyond, beyond) then
    return BUSY_MS, 'concurrency'
  end
end

-- In how many ms the account's own rate allows several of a type that it refuses now; huge where
-- it refuses none.
local function opens_in(now)
  local least = math.huge
  for _, opens in pairs(cursors.refused) do
    least = min(least, max(1, opens - now.steady) + levels.SLACK_MS / 2)
  end
  return least
end

return { grant_again = grant_again, collect = collect, why_none = why_none, opens_in = opens_in }
