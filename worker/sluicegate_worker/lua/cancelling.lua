-- Those who waited in a campaign when it was cancelled: apps are told of them one by one.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: tell_some.
-- Keys touched: cancelling, lane:*, unsent:<n>:cancelled, those of events.lua and cancelled.lua. It
--   reads lanes:<n>, campaign:<n>, m:*, leases.
--
-- They are counted as cancelled already. Their tickets stay in their lanes, which nobody claims
-- from, until a sweep has told of them: so each is told once, whatever is killed. Of what is kept
-- of the account's events they push out no more in KEPT_MS than the whole of it.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local campaigns, limits = part('sluicegate.campaigns'), part('sluicegate.limits')
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local parse_ticket, cancelled = part('sluicegate.tickets').parse, part('sluicegate.cancelled')
local events = later('sluicegate.events')
local call, ms = redis.call, texts.ms

local MOST, KEPT_MS = 100, 600000 -- tickets of a sweep, some 1 ms of the server's time

-- One that has a record that says otherwise, or a lease, ends elsewhere: its ticket is void.
local function tell(name, text)
  local ticket = parse_ticket(text)
  if not ticket.readable then return end
  local id = name .. '.' .. ticket.id
  local state = campaigns.state_of(id, records.look(id, 'state')[1])
  if state ~= 'waiting' or leases.get(id) then return end
  events().of_unsent(id, 'cancelled', text, { code = '', why = 'its campaign was cancelled' })
end

local function lanes_of(name)
  local lanes = call('SMEMBERS', key('lanes:' .. name))
  lanes[#lanes + 1] = call('HGET', key('campaign:' .. name), 'lane') or nil
  return lanes
end

-- Returns how many tickets more it may take.
local function tell_lane(name, lane, left)
  local tickets = call('LRANGE', key('lane:' .. lane), 0, left - 1)
  if #tickets == 0 then return left end
  call('LTRIM', key('lane:' .. lane), #tickets, -1)
  call('RPUSH', key('unsent:' .. name .. ':cancelled'), unpack(tickets))
  for _, text in ipairs(tickets) do tell(name, text) end
  return left - #tickets
end

local function tell_some(now)
  local name = call('ZRANGEBYSCORE', key('cancelling'), '-inf', ms(now.wall), 'LIMIT', 0, 1)[1]
  if not name then return end
  local left, kept = MOST, limits.get('events') and events().kept
  if campaigns.state(name) ~= 'cancelled' then return call('ZREM', key('cancelling'), name) end
  if not kept then -- nobody wants to be told any more
    call('ZREM', key('cancelling'), name)
    if cancelled.set_aside(name, lanes_of(name)) then call('ZADD', key('cancelling'), 0, name) end
    return
  end
  for _, lane in ipairs(lanes_of(name)) do
    if left > 0 then left = tell_lane(name, lane, left) end
  end
  if left > 0 then return call('ZREM', key('cancelling'), name) end
  call('ZADD', key('cancelling'), ms(now.wall + MOST * KEPT_MS / kept), name)
end

return { tell_some = tell_some }
