-- Charging a message to its levels, and giving back what a slot that nobody used had taken.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: charge, refund_cap, drop_grant.
-- Keys touched: those of levels.lua, leases.lua and lanes.lua, log.
local key = part('sluicegate.account').key
local lanes, leases, levels =
  part('sluicegate.lanes'), part('sluicegate.leases'), part('sluicegate.levels')
local carrier_day = part('sluicegate.carrier_day')
local limits, recipients = part('sluicegate.limits'), later('sluicegate.recipients')
local use, used_until = levels.use, levels.used_until
local max = math.max

local RATES = { 'account', 'sender', 'registration', 'campaign' }

local function use_cap(brand, day, amount)
  local used = max(0, levels.used_today(brand, day) + amount)
  use(brand.name, string.format('%.0f %.3f', day, used))
end

-- A message takes its share of all its levels at once, for a slot.
local function charge(now, lane, ticket, slot)
  local of_lane = levels.of(lane)
  for _, kind in ipairs(RATES) do
    local level = of_lane[kind]
    if level and level.interval then
      use(level.name, max(used_until(level.name), slot) + ticket.segments * level.interval)
    end
  end
  local brand = of_lane.brand
  if brand then
    use_cap(brand, carrier_day.of(now.wall + slot - now.steady), levels.share_of_cap(brand, ticket))
  end
end

-- What waits for a level that has room again is looked at anew.
local function reopen(level, member)
  for _, class in ipairs(lanes.CLASSES) do
    local name = class .. '/' .. member
    if redis.call('HGET', key('parked_by'), name) == level then lanes.unpark(name) end
  end
end

-- What was certainly not sent does not count at the carrier.
local function refund_cap(now, lease)
  local brand = levels.of(lease.lane).brand
  if not brand then return end
  local day = carrier_day.of(now.wall - (now.steady - lease.slot))
  if day ~= carrier_day.of(now.wall) then return end
  use_cap(brand, day, -levels.share_of_cap(brand, leases.ticket(lease)))
  reopen(brand.name, brand.waits)
end

-- Rate that has gone by since the slot cannot be used any more.
local function refund(now, lease)
  local of_lane, segments = levels.of(lease.lane), leases.ticket(lease).segments
  local gone = max(0, now.steady - lease.slot)
  for _, kind in ipairs(RATES) do
    local level = of_lane[kind]
    local rest = level and level.interval and segments * level.interval - gone or 0
    if rest > 0 and levels.usage(level.name) then
      use(level.name, used_until(level.name) - rest)
      if level.waits then reopen(level.name, level.waits) end
    end
  end
  refund_cap(now, lease)
end

-- A granted slot that nobody used is taken back out of the bucket's log and of each level: it costs
-- nothing.
local function drop_grant(now, id, lease)
  leases.drop(id)
  redis.call('ZREM', key('log'), lease.seq)
  refund(now, lease)
  if limits.get('recipient') then recipients().release(now, id, lease) end
end

return { charge = charge, refund_cap = refund_cap, drop_grant = drop_grant }
