-- What waited in a campaign that is cancelled: its tickets become the list of the cancelled.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: set_aside.
-- Keys touched: lane:*, unsent:<n>:cancelled. It reads cancelling.
--
-- The longest lane becomes that list in one step, whatever waits there. The tickets of the others
-- are moved, MOST of them in a call: classes of hours may have dozens of long lanes. Where apps are
-- told of each, a worker's sweep moves them instead (cancelling.lua).
local key = part('sluicegate.account').key
local call = redis.call

local MOVED, MOST = 1000, 8 -- tickets in one command, and commands in one call: some 2 ms

-- Returns whether tickets are left in the lanes.
local function set_aside(name, lanes)
  if call('ZSCORE', key('cancelling'), name) then return false end
  local list, lengths, moves = key('unsent:' .. name .. ':cancelled'), {}, 0
  for _, lane in ipairs(lanes) do lengths[lane] = call('LLEN', key('lane:' .. lane)) end
  table.sort(lanes, function(one, other) return lengths[one] > lengths[other] end)
  for _, lane in ipairs(lanes) do
    local left = lengths[lane]
    if left > 0 and call('EXISTS', list) == 0 then
      call('RENAME', key('lane:' .. lane), list)
      left = 0
    end
    while left > 0 do
      if moves == MOST then return true end
      call('RPUSH', list, unpack(call('LPOP', key('lane:' .. lane), MOVED)))
      left, moves = left - MOVED, moves + 1
    end
  end
  return false
end

return { set_aside = set_aside }
