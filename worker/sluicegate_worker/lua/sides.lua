-- Side lanes: what a carrier's cap refuses makes way for what it does not concern.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: which, move.
-- Keys touched: lane:*, which it only reads.
--
-- Whatever a cap refuses of a lane goes to the end of that lane's side lane for its carrier, where
-- it waits for the next day. While anything is there, all that the cap would count goes there too,
-- so that no later message of that carrier goes before an earlier one. A rate opens again at once,
-- and all that wait for it wait together and take turns: nothing makes way there.
local key = part('sluicegate.account').key
local side_of, levels = part('sluicegate.lane_names').side_of, part('sluicegate.levels')
local goes_on = part('sluicegate_worker.admission').goes_on
local counted = levels.counted

local function waits_in(cursor, carrier)
  if cursor.sides[carrier] == nil then
    local side = side_of(cursor.lane, carrier)
    cursor.sides[carrier] = redis.call('EXISTS', key('lane:' .. side)) == 1
  end
  return cursor.sides[carrier]
end

-- The carrier whose side lane the cursor's next ticket goes to; nil where it may go out, or no cap
-- lets others go on. `refused_by` is the carrier whose level refuses it, nil where none does.
local function which(now, cursor, next_ticket, refused_by)
  local capped = levels.of(cursor.lane).brand
  if not (capped and goes_on(cursor.lane)) then return nil end
  if refused_by then return refused_by == capped.carrier and refused_by or nil end
  if not waits_in(cursor, capped.carrier) then return nil end
  local ticket = next_ticket(cursor)
  return ticket and counted(now, capped, ticket) > 0 and capped.carrier or nil
end

-- The cursor's next ticket goes to that side lane, once the cursor leaves.
local function move(cursor, ticket, carrier)
  local side = side_of(cursor.lane, carrier)
  local tickets = cursor.aside[side] or {}
  tickets[#tickets + 1] = ticket.text
  cursor.aside[side], cursor.sides[carrier] = tickets, true
  cursor.served = cursor.served + 1
end

return { which = which, move = move }
