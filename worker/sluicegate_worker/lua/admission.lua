-- Admission: what refuses a lane's next message, and how many may be under way. It only reads.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: account_refusal, refusal, under_way, caps.
-- Keys touched: those of levels.lua, halts.lua and leases.lua, none of which it changes.
--
-- A claim decides by these, and whoever tells people what a claim would decide calls them too.
local leases, levels, halts =
  part('sluicegate.leases'), part('sluicegate.levels'), part('sluicegate.halts')
local carrier_day = part('sluicegate.carrier_day')
local Breaker = part('sluicegate_worker.breaker')
local used_until, SLACK_MS = levels.used_until, levels.SLACK_MS
local max, min = math.max, math.min

local HALTED_MS = 3600000 -- a halt without an end is looked at again so often; who lifts it says so
local BULK_SHARE = 0.95   -- of the concurrency; the rest is kept for transactional messages
local PROBES = 2          -- POSTs under way at most before the first answer was heard
local BELOW_ACCOUNT = { 'registration', 'sender', 'campaign' }

-- Until when the account's own rate of a lane's type refuses, where it does at `slot`.
local function account_refusal(lane, slot)
  local level = levels.of(lane).account
  if not level.interval then return nil end
  local opens = used_until(level.name) - SLACK_MS
  return opens > slot and opens or nil
end

local function halted(now, lane, of_lane)
  local halt, kind = halts.of(now, lane)
  if not halt then return nil end
  local level = of_lane[kind]
  local opens = halt.ends and now.steady + halt.ends - now.wall or now.steady + HALTED_MS
  return level.halt, level.waits, opens
end

-- Which level refuses a lane's next message at `slot`, the member of the tree that waits for it,
-- and until when; nil where none does. `next_ticket(...)` returns that message's ticket, nil where
-- there is none: it is called only where the ticket matters. The account's own rate is
-- `account_refusal`'s.
local function refusal(now, lane, slot, next_ticket, ...)
  local of_lane = levels.of(lane)
  local level, waits, opens = halted(now, lane, of_lane)
  if level then return level, waits, opens end
  local brand = of_lane.brand
  if brand then
    local ticket, wall = next_ticket(...), now.wall + slot - now.steady
    local used = levels.used_today(brand, carrier_day.of(wall))
    if ticket and used + levels.share_of_cap(brand, ticket) > brand.cap then
      return brand.name, brand.waits, slot + carrier_day.left(wall)
    end
  end
  for _, kind in ipairs(BELOW_ACCOUNT) do
    level = of_lane[kind]
    opens = level and used_until(level.name) - SLACK_MS
    if opens and opens > slot then return level.name, level.waits, opens end
  end
end

-- How many messages are granted or started.
local function under_way() return leases.count('started') + leases.count('granted') end

-- How many may be, of all messages and of bulk, and what a claim beyond that is refused for.
local function caps(now, breaker, bucket, concurrency)
  local heard = bucket.heard == 1
  local cap = Breaker.cap(now, breaker, heard and concurrency or min(PROBES, concurrency))
  return cap, max(1, math.floor(cap * BULK_SHARE)), heard and 'concurrency' or 'probing'
end

return { account_refusal = account_refusal, refusal = refusal, under_way = under_way, caps = caps }
