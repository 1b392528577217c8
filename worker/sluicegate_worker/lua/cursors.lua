-- Cursors: where each class of lanes is served next.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: refused, has_no_bulk, next_lane, next_ticket, serve, leave, leave_all, set_aside.
-- Keys touched: those of lanes.lua, lane:*, lanes:<n>.
--
-- A cursor stands at the lane that a class serves next: its score, the score of who is next, its
-- tickets, and those of them that go to side lanes (sides.lua). It stays while its score is the
-- least, or for QUANTUM messages; only when it leaves are the scores written and its tickets taken
-- off the lane, so that a long lane costs one look, and ten thousand lanes no more than a few.
local key = part('sluicegate.account').key
local parse_ticket = part('sluicegate.tickets').parse
local leases, optouts = part('sluicegate.leases'), part('sluicegate.optouts')
local lanes, campaigns = part('sluicegate.lanes'), part('sluicegate.campaigns')
local names = part('sluicegate.lane_names')
local admission, shares = part('sluicegate_worker.admission'), part('sluicegate_worker.shares')
local limits, recipients = part('sluicegate.limits'), later('sluicegate.recipients')
local levels_of, has_cap = part('sluicegate.levels').of, admission.has_cap
local account_refusal, bulk_is_owed = admission.account_refusal, shares.bulk_is_owed
local call, max, min = redis.call, math.max, math.min

local QUANTUM = 10 -- messages of one lane that a call takes in a row

local cursors = {} -- by class; false where nothing is ready
local refused = {} -- by class: until when the account's own rate of that type refuses

local function leave(cursor)
  cursors[cursor.class] = nil
  if cursor.served == 0 then return end
  call('LTRIM', key('lane:' .. cursor.lane), cursor.served, -1)
  for side, tickets in pairs(cursor.aside) do
    if cursor.campaign then call('SADD', key('lanes:' .. cursor.campaign), side) end
    call('RPUSH', key('lane:' .. side), unpack(tickets))
    lanes.activate(side)
  end
  local of_app = names.is_app(cursor.top) and cursor.score
  lanes.move_to(cursor.class, cursor.lane, cursor.score - cursor.lead, of_app)
end

local function leave_all()
  for _, class in ipairs(names.CLASSES) do
    if cursors[class] then leave(cursors[class]) end
  end
  cursors = {}
end

-- Take its lane out of the tree.
local function set_aside(cursor)
  cursors[cursor.class] = nil
  lanes.take_out(cursor.class, cursor.lane)
end

-- A cursor at the lane that a class serves next; nil where none is ready.
local function descend(class)
  local zset, bound, node, top, ahead = key('ready:' .. class), math.huge, nil, nil, 0
  local of_app -- where the app's node stands, until it is known how far its head is behind that
  while true do
    local first, score, second, second_score = unpack(call('ZRANGE', zset, 0, 1, 'WITHSCORES'))
    if not first then
      if node then lanes.take_out(class, node) end
      return nil
    end
    if of_app then ahead, of_app = of_app - tonumber(score), nil end
    if second then bound = min(bound, tonumber(second_score) + ahead) end
    if not names.is_node(first) then
      local levels = levels_of(first)
      return {
        class = class, lane = first, campaign = names.campaign_in(first),
        bulk = string.sub(class, 1, 1) == 'b', score = tonumber(score) + ahead, lead = ahead,
        top = top, bound = bound, served = 0, tickets = {}, aside = {}, sides = {},
        paced = levels.account.interval ~= nil, carried = levels.carried, capped = has_cap(first),
      }
    end
    node = first
    top, zset = top or node, lanes.below(class, node)
    if names.is_app(node) then
      of_app = tonumber(score)
    else
      ahead = ahead + lanes.lead(class, node)
    end
  end
end

-- Where the class is served next; none when nothing is ready, or the account's rate for its type
-- refuses.
local function of_class(class, slot)
  local cursor = cursors[class]
  if cursor == nil then
    cursor = descend(class) or false
    cursors[class] = cursor
  end
  if not cursor or not cursor.paced then return cursor end
  local opens = account_refusal(cursor.lane, slot)
  if not opens then return cursor end
  refused[class] = opens
  return nil
end

local function sooner(first, second)
  if not (first and second) then return first or second end
  return second.score < first.score and second or first
end

-- Whether it is known that no bulk is ready.
local function has_no_bulk() return cursors.bs == false and cursors.bm == false end

-- The lane that is served next: transactional first, with a floor for bulk; nil when none is ready.
-- `bulk_slot` is false while bulk must wait.
local function next_lane(bucket, slot, bulk_slot, floor_open)
  local sms, mms = cursors.ts, cursors.tm
  if sms ~= false then sms = of_class('ts', slot) end
  if mms ~= false then mms = of_class('tm', slot) end
  local transactional = sms and mms and sooner(sms, mms) or sms or mms
  local bulk = bulk_slot and sooner(of_class('bs', bulk_slot), of_class('bm', bulk_slot))
  if transactional and bulk and floor_open and bulk_is_owed(bucket) then return bulk end
  return transactional or bulk or nil
end

-- The lane's next ticket, nil where there is none. Tickets are read QUANTUM at a time, and with
-- them what must be known of them.
local function next_ticket(cursor)
  local served, tickets = cursor.served, cursor.tickets
  if not tickets[served + 1] then
    local ids, numbers = {}, {}
    local texts = call('LRANGE', key('lane:' .. cursor.lane), served, served + QUANTUM - 1)
    for i, text in ipairs(texts) do
      local ticket = parse_ticket(text)
      tickets[served + i] = ticket
      if ticket.readable then
        if cursor.campaign then ticket.id = cursor.campaign .. '.' .. ticket.id end
        ids[#ids + 1], numbers[#numbers + 1] = ticket.id, ticket.to
      end
    end
    leases.fetch(ids)
    optouts.fetch_all(numbers)
    if limits.get('recipient') then
      recipients().fetch(cursor, served + 1, served + #texts)
    end
  end
  return tickets[served + 1]
end

-- The lane is served one message. It begins level with what was served last; from there its own
-- messages move it on, and others' time no further than to who is next, however many of its own it
-- is served in a row.
local function serve(cursor)
  local class = cursor.class
  local virtual = lanes.virtual(class)
  if cursor.served == 0 and cursor.score < virtual then
    local by, top = virtual - cursor.score, cursor.top
    if not names.is_app(top) then lanes.set_lead(class, top, lanes.lead(class, top) + by) end
    cursor.score, cursor.lead = virtual, cursor.lead + by
  end
  lanes.advance(class, max(virtual, min(cursor.score, cursor.bound)))
  local weight = cursor.campaign and campaigns.facts(cursor.campaign).weight or 1
  cursor.score, cursor.served = cursor.score + 1 / weight, cursor.served + 1
  if cursor.score >= cursor.bound and cursor.served >= QUANTUM then leave(cursor) end
end

return {
  refused = refused, has_no_bulk = has_no_bulk, next_lane = next_lane, next_ticket = next_ticket,
  serve = serve, leave = leave, leave_all = leave_all, set_aside = set_aside,
}
