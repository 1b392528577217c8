-- The carrier's day, by its own zone's clocks: a brand's cap lasts until its midnight.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of, left. It only reads.
-- Keys touched: limits.
local limits = part('sluicegate.limits')

local DAY_MS = 86400000

-- How far the zone is ahead of UTC at a wall time, in ms.
local function offset(wall)
  local ahead_then = 0
  for from, ahead in string.gmatch(limits.get('zone') or '', '(%-?%d+) (%-?%d+)') do
    if wall >= tonumber(from) then ahead_then = tonumber(ahead) end
  end
  return ahead_then
end

-- The day of a wall time, as a number.
local function of(wall) return math.floor((wall + offset(wall)) / DAY_MS) end

-- How many ms it still lasts, also where the zone's clocks change before it ends.
local function left(wall)
  local ahead = offset(wall)
  local until_midnight = DAY_MS - (wall + ahead) % DAY_MS
  return until_midnight + ahead - offset(wall + until_midnight)
end

return { of = of, left = left }
