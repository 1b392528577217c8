-- Admission: what refuses a lane's next message. It only reads.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: level_opens, brand_opens, account_refusal, goes_on, has_cap, refusal.
-- Keys touched: those of levels.lua and halts.lua, none of which it changes.
--
-- A claim decides by these, and whoever tells people what a claim would decide calls them too.
local levels, halts = part('sluicegate.levels'), part('sluicegate.halts')
local limits, names = part('sluicegate.limits'), part('sluicegate.lane_names')
local carrier_day, caps_of = later('sluicegate.carrier_day'), later('sluicegate_worker.caps')
local hours = later('sluicegate.hours')
local used_until, SLACK_MS = levels.used_until, levels.SLACK_MS
local sub = string.sub

local HALTED_MS = 3600000 -- a halt without an end is looked at again so often; who lifts it says so
local BELOW_CARRIERS = { 'sender', 'campaign' }

-- The slot from which on a level's rate lets a message pass.
local function level_opens(level) return used_until(level.name) - SLACK_MS end

-- Until when a brand's day has no room for a ticket at `slot`; nil where it has.
local function brand_opens(now, brand, slot, ticket)
  local wall = now.wall + slot - now.steady
  local used = levels.used_today(brand, carrier_day().of(wall))
  local segments = ticket and levels.counted(now, brand, ticket) or 0
  if segments == 0 or used + segments <= brand.cap then return nil end
  return slot + carrier_day().left(wall)
end

-- Until when the account's own rate of a lane's type refuses, where it does at `slot`.
local function account_refusal(lane, slot)
  local level = levels.of(lane).account
  if not level.interval then return nil end
  local opens = level_opens(level)
  return opens > slot and opens or nil
end

-- Whether a lane's messages that a carrier's cap refuses make way for the others.
local function goes_on(lane)
  local aside = not names.side_in(lane) and limits.get('aside')
  return aside and string.find(aside, sub(lane, 1, 1), 1, true)
end

local function halted(now, halt, level)
  local opens = halt.ends and now.steady + halt.ends - now.wall or now.steady + HALTED_MS
  return level.halt, level.waits, opens
end

local capped = {} -- by lane

-- Whether a cap is on a lane's messages, or on what they cost (caps.lua).
local function has_cap(lane)
  local known = capped[lane]
  if known == nil then
    local campaign = levels.of(lane).campaign
    known = (limits.get('money') or campaign and (campaign.max_cost or campaign.guards)) ~= nil
    capped[lane] = known
  end
  return known
end

-- A carrier's level that refuses a ticket at `slot`, and until when; nil where none does.
local function carrier_refusal(now, of_lane, slot, ticket)
  local brand, registration = of_lane.brand, of_lane.registration
  local opens = brand and brand_opens(now, brand, slot, ticket)
  if opens then return brand, opens end
  opens = registration.interval and level_opens(registration) or -math.huge
  if opens > slot and ticket and levels.counted(now, registration, ticket) > 0 then
    return registration, opens
  end
end

-- Which level refuses a lane's next message at `slot`, the member of the tree that waits for it,
-- until when, and whose level it is where it is a carrier's; nil where none does.
-- `next_ticket(...)` returns that message's ticket, nil where there is none: it is called only
-- where the ticket matters. The account's own rate is `account_refusal`'s.
local function refusal(now, lane, slot, next_ticket, ...)
  local of_lane = levels.of(lane)
  local halt, kind = halts.of(now, lane)
  if halt then return halted(now, halt, of_lane[kind]) end
  local campaign = of_lane.campaign
  if campaign and campaign.has_hours then
    local opens = hours().closed_until(now, lane, slot)
    if opens then return hours().level_of(lane), lane, opens end
  end
  local of_carrier, closed
  if of_lane.carried then
    of_carrier, closed = carrier_refusal(now, of_lane, slot, next_ticket(...))
    -- Where others go on, what refuses all of them is said first. A day's cap is worth going on
    -- without; a rate opens again at once, for all that wait together for their turns.
    if of_carrier and not (of_carrier.cap and goes_on(lane)) then
      local waiting = names.side_in(lane) and lane or of_carrier.waits
      return of_carrier.name, waiting, closed, of_carrier.carrier
    end
  end
  for i = 1, #BELOW_CARRIERS do
    local level = of_lane[BELOW_CARRIERS[i]]
    local opens = level and level_opens(level)
    if opens and opens > slot then return level.name, level.waits, opens end
  end
  if of_carrier then return of_carrier.name, lane, closed, of_carrier.carrier end
  if has_cap(lane) then return caps_of().refusal(now, lane, next_ticket(...)) end
end

return {
  level_opens = level_opens, brand_opens = brand_opens, account_refusal = account_refusal,
  goes_on = goes_on, has_cap = has_cap, refusal = refusal,
}
