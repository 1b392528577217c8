-- Charging a message to its levels.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: charge, rates_of, which only reads; use_cap.
-- Keys touched: those of levels.lua and carriers.lua.
--
-- A lease says what carrier its message was charged for: t, a or o (carriers.lua), u where that was
-- not known, and nothing where no level of the lane asks. corrections.lua gives back.
local levels, carriers = part('sluicegate.levels'), later('sluicegate.carriers')
local carrier_day = later('sluicegate.carrier_day')
local use, used_until, counted = levels.use, levels.used_until, levels.counted
local max, match = math.max, string.match

local RATES = { 'account', 'sender', 'registration', 'campaign' }

local rated = {} -- by lane: its levels that have a rate

local function rates_of(lane)
  if rated[lane] then return rated[lane] end
  local of_lane, rates = levels.of(lane), {}
  for _, kind in ipairs(RATES) do
    local level = of_lane[kind]
    if level and level.interval then rates[#rates + 1] = level end
  end
  rated[lane] = rates
  return rates
end

-- A slot that was granted for the day after midnight begins that day: what is given back of the one
-- before is lost with it, and what is still sent on it counts on the new one.
local function use_cap(brand, day, amount)
  local last = tonumber(match(levels.usage(brand.name) or '', '^(%S+) '))
  if last and last > day then
    if amount < 0 then return end
    day = last
  end
  local used = max(0, levels.used_today(brand, day) + amount)
  use(brand.name, string.format('%.0f %.3f', day, used))
end

-- A message takes its share of all its levels at once, for a slot. Returns the letter of the
-- carrier that it was charged for, nil where no level asks.
local function charge(now, lane, ticket, slot)
  local of_lane, rates = levels.of(lane), rated[lane] or rates_of(lane)
  local carrier = of_lane.carried and carriers().of(now, ticket.to) or nil
  for i = 1, #rates do
    local level = rates[i]
    local segments = counted(now, level, ticket, carrier)
    if segments > 0 then
      use(level.name, max(used_until(level.name), slot) + segments * level.interval)
    end
  end
  local brand = of_lane.brand
  if brand then
    local day = carrier_day().of(now.wall + slot - now.steady)
    use_cap(brand, day, counted(now, brand, ticket, carrier))
  end
  return carrier == '' and 'u' or carrier
end

return { charge = charge, rates_of = rates_of, use_cap = use_cap }
