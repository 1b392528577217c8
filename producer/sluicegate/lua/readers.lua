-- The apps that events are passed on to: up to which number each has been given them.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: begin.
-- Keys touched: event_readers. It reads event_number.
local key = part('sluicegate.account').key
local call = redis.call

-- These apps want events, and no others: a new one is told of what happens from now on.
local function begin(wanted)
  local number, known = call('GET', key('event_number')) or '0', {}
  for app in string.gmatch(wanted, '[^|*]+') do
    known[app], known['off:' .. app] = true, true
    call('HSETNX', key('event_readers'), app, number)
  end
  for _, field in ipairs(call('HKEYS', key('event_readers'))) do
    if not known[field] then call('HDEL', key('event_readers'), field) end
  end
end

return { begin = begin }
