-- Side lanes: what a carrier's level refuses makes way for what it does not concern.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: which, move.
-- Keys touched: those of lanes.lua, which it only reads.
--
-- Whatever a level refuses of a lane goes to the end of that lane's side lane for its carrier,
-- where it waits for the level. While anything is there, all that the level would count goes there
-- too, so that no later message of that carrier goes before an earlier one.
local key = part('sluicegate.account').key
local lanes, levels = part('sluicegate.lanes'), part('sluicegate.levels')
local goes_on = part('sluicegate_worker.admission').goes_on
local counted = levels.counted

local function waits_in(cursor, carrier)
  if cursor.sides[carrier] == nil then
    local side = lanes.side_of(cursor.lane, carrier)
    cursor.sides[carrier] = redis.call('EXISTS', key('lane:' .. side)) == 1
  end
  return cursor.sides[carrier]
end

-- The carrier whose side lane the cursor's next ticket goes to; nil where it may go out, or no
-- level lets others go on. `refused_by` is the carrier whose level refuses it, nil where none does.
local function which(now, cursor, next_ticket, refused_by)
  local of_lane = levels.of(cursor.lane)
  if not (of_lane.carried and goes_on(cursor.lane)) then return nil end
  if refused_by then return refused_by end
  local ticket = next_ticket(cursor)
  for _, level in ipairs({ of_lane.brand or of_lane.registration, of_lane.registration }) do
    local counts = ticket and (level.cap or level.interval)
    if counts and waits_in(cursor, level.carrier) and counted(now, level, ticket) > 0 then
      return level.carrier
    end
  end
end

-- The cursor's next ticket goes to that side lane, once the cursor leaves.
local function move(cursor, ticket, carrier)
  local side = lanes.side_of(cursor.lane, carrier)
  local tickets = cursor.aside[side] or {}
  tickets[#tickets + 1] = ticket.text
  cursor.aside[side], cursor.sides[carrier] = tickets, true
  cursor.served = cursor.served + 1
end

return { which = which, move = move }
