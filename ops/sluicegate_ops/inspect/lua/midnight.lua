-- The carrier's midnight: when the day ends that is so many days after today. It only reads.
-- KEYS[1] the account's key prefix.
-- ARGV[1] how many days after today: 0 is the midnight that comes next.
-- Returns: wall ms, as a text.
-- Keys touched: those of clock.lua, limits.
local carrier_day = part('sluicegate.carrier_day')

local wall = part('sluicegate.clock').read().wall
for _ = 0, tonumber(ARGV[1]) do wall = wall + carrier_day.left(wall) end
return string.format('%.3f', wall)
