-- What is due: retries and scheduled messages come back into their lanes.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: promote.
-- Keys touched: those of states.lua, due, held.
local key, ms = part('sluicegate.account').key, part('sluicegate.texts').ms
local records, states = part('sluicegate.records'), part('sluicegate.states')
local lanes, app_of = part('sluicegate.lanes'), part('sluicegate.app_counts').of
local unhold = part('sluicegate.optout_changes').unhold
local call = redis.call

local NEAR = 50 -- due messages among which another app's are looked for

-- `first` is what is due first. Where that is `most` or more, the latest that are of other apps are
-- due as well, so that nobody waits for all that another had scheduled.
local function with_others(now, first, most)
  if #first < most then return first end
  local app, seen = app_of(first[1]), {}
  for _, id in ipairs(first) do seen[id] = true end
  local latest = call('ZREVRANGEBYSCORE', key('due'), ms(now.wall), '-inf', 'LIMIT', 0, NEAR)
  for i = #latest, 1, -1 do
    local id = latest[i]
    if not seen[id] and app_of(id) ~= app then first[#first + 1] = id end
    if #first == 2 * most then break end
  end
  return first
end

-- Bring back what is due: a retry to the head of its lane, a scheduled message to the end of it, as
-- if it were enqueued now, so that many that are due at once keep their order.
local function promote(now, first, most)
  local ids, scheduled = with_others(now, first, most), {}
  for i = #ids, 1, -1 do -- from the last, so that the first ends up at the head
    local id = ids[i]
    local record = records.get(id)
    local retried = record.state == 'retrying'
    call('ZREM', key('due'), id)
    states.become(id, 'waiting')
    unhold(id, record)
    if retried then
      states.put_back(now, id, record.lane, record.ticket)
    else
      table.insert(scheduled, 1, record)
    end
  end
  for _, record in ipairs(scheduled) do lanes.to_tail(record.lane, record.ticket) end
end

return { promote = promote }
