-- Tend campaigns by the clock: end what waits in hours that never open again (hours.lua), share
-- their weights among open lanes, tell whose times must be reckoned on, and which of them start.
-- KEYS[1] the account's key prefix.
-- ARGV[1] retention_ms.
-- Returns: { wall ms, how many ended, 1 where more of them wait, { names of campaigns whose time to
--   start has come }, name, { class, times or, for =class, what it is, ... }, ... of each campaign
--   whose times must be reckoned on }.
-- Keys touched: those of states.lua, unreadable.lua and cancelled.lua, hours_due, scheduled,
--   campaign:<n>, lane:*; it reads lanes:<n>, hours:<n>, leases.
-- The first write frees, so that a full server can still end what is over. A call that is repeated
-- goes on where the first one stopped.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local clock, hours = part('sluicegate.clock'), part('sluicegate.hours')
local campaigns, states = part('sluicegate.campaigns'), part('sluicegate.states')
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local parse_ticket, approval = part('sluicegate.tickets').parse, later('sluicegate.approval')
local unreadable, cancelled = later('sluicegate_worker.unreadable'), later('sluicegate.cancelled')
local call = redis.call

local MOST_ENDED = 300 -- tickets of one call, some 2 ms of the server's time
local LOOKED_AT = 20   -- campaigns of one call
local OVER = { finished = true, cancelled = true }

local retention_ms = tonumber(ARGV[1])
call('ZREM', key('granted'), '')
local now, ended, left = clock.read(), 0, MOST_ENDED

-- The record decides: a ticket of a message that has ended, or is leased already, is void.
local function end_ticket(campaign, lane, ticket)
  if not ticket.readable then return unreadable().set_aside(now, lane, campaign, ticket.text) end
  local state = campaigns.state_of(ticket.id, records.look(ticket.id, 'state')[1])
  if state ~= 'waiting' or leases.get(ticket.id) then return end
  states.end_waiting(now, ticket.id, 'expired', ticket.text, retention_ms)
  ended = ended + 1
end

local function end_some(campaign, lane)
  local waiting, ids, tickets = call('LRANGE', key('lane:' .. lane), 0, left - 1), {}, {}
  call('LTRIM', key('lane:' .. lane), #waiting, -1)
  for i, text in ipairs(waiting) do
    local ticket = parse_ticket(text)
    if ticket.readable then
      ticket.id = campaign .. '.' .. ticket.id
      ids[#ids + 1] = ticket.id
    end
    tickets[i] = ticket
  end
  leases.fetch(ids)
  for _, ticket in ipairs(tickets) do end_ticket(campaign, lane, ticket) end
  left = left - #waiting
end

local function tend(name)
  local state = campaigns.state(name)
  local lanes = call('SMEMBERS', key('lanes:' .. name))
  if state == 'cancelled' and cancelled().set_aside(name, lanes) then return end
  if not state or OVER[state] then return call('ZREM', key('hours_due'), name) end
  if state == 'draft' then return end -- whoever starts it says when it is over
  local open = 0
  for _, lane in ipairs(lanes) do
    if call('EXISTS', key('lane:' .. lane)) == 1 then
      if not hours.is_over(now, lane) then
        open = open + (hours.closed_until(now, lane, now.steady) and 0 or 1)
      elseif left > 0 then
        end_some(name, lane)
      end
    end
  end
  local shared = texts.rounded(math.max(1, open))
  if call('HGET', key('campaign:' .. name), 'hours') ~= shared then
    call('HSET', key('campaign:' .. name), 'hours', shared)
  end
end

for _, name in ipairs(call('ZRANDMEMBER', key('hours_due'), LOOKED_AT)) do tend(name) end
local function due(set)
  return call('ZRANGEBYSCORE', key(set), '-inf', texts.ms(now.wall), 'LIMIT', 0, LOOKED_AT)
end

-- Whoever starts them takes them off the list; what is no longer scheduled never is started.
local function starting()
  local found = {}
  for _, name in ipairs(due('scheduled')) do
    if campaigns.state(name) ~= 'scheduled' then
      call('ZREM', key('scheduled'), name)
    elseif not approval().is_missing(name) then -- else it starts once somebody approves it
      found[#found + 1] = name
    end
  end
  return found
end

local answer = { texts.whole_ms(now.wall), ended, left > 0 and 0 or 1, starting() }
for _, name in ipairs(due('hours_due')) do
  answer[#answer + 1], answer[#answer + 2] = name, call('HGETALL', key('hours:' .. name))
end
return answer
