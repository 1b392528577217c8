-- What is used of carriers' levels: of brands' days, and of registrations' rates. It only reads.
-- KEYS[1] the account's key prefix.
-- ARGV any number of levels, as they are stored: brand:<name>, or a registration's
--   registration:<name>:<type>, with :<sender> where the rate is each number's own.
-- Returns: for a brand { used, midnight }, by the day of a message that is sent now; for a
--   registration the time from which its next segment may pass. Times are wall ms.
-- Keys touched: those of levels.lua and carrier_day.lua.
local levels, carrier_day = part('sluicegate.levels'), part('sluicegate.carrier_day')
local ms = part('sluicegate.texts').ms
local now = part('sluicegate.clock').read()
local sub = string.sub

-- A slot of the next day may have been granted already: then that is the day that is counted.
local function brand(name)
  local level, day = levels.brand_named(name), carrier_day.of(now.wall)
  local used, left = levels.used_today(level, day), carrier_day.left(now.wall)
  if used == math.huge then
    used, left = levels.used_today(level, day + 1), left + carrier_day.left(now.wall + left)
  end
  return { ms(used), ms(now.wall + left) }
end

local answer = {}
for i, level in ipairs(ARGV) do
  if sub(level, 1, 6) == 'brand:' then
    answer[i] = brand(sub(level, 7))
  else
    answer[i] = ms(tonumber(levels.usage(level) or 0) - now.steady + now.wall)
  end
end
return answer
