-- The levels that a message passes, with what each has used: account, sender, registration, brand,
-- campaign.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: SLACK_MS, of, brand_named, usage, used_until, used_today, counted, which only read; use,
--   which at_end writes.
-- Keys touched: limits, campaign:<name>, levels; those of carriers.lua.
--
-- A rate is so many milliseconds a segment. A level keeps the time up to which it is used up: a
-- message may go at a slot no earlier than that, less SLACK_MS, and moves it on by its segments. So
-- in any time T a level lets pass T / ms-per-segment segments, and those of one message and of
-- SLACK_MS more. A brand has a cap a day instead, which ends at the carrier's midnight.
--
-- A registration's rate is AT&T's, and a brand's cap is T-Mobile's: only what goes to that
-- carrier's numbers counts. A number whose carrier is not known counts as the share that is
-- expected of such numbers, which is all of it unless configured; the answer corrects it
-- (charges.lua).
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local limits, names, campaigns =
  part('sluicegate.limits'), part('sluicegate.lane_names'), part('sluicegate.campaigns')
local key, num, ms, whole_us = account.key, texts.num, texts.ms, limits.whole_us
local carriers = later('sluicegate.carriers')
local call, sub, match = redis.call, string.sub, string.match

local SLACK_MS = 50 -- as much as a slot may be late: what comes late does not cost rate
local TYPES = { s = 'sms', m = 'mms' }

local used, unsaved = {}, {} -- by level: a text or a time; read once a call, and written once

-- What a level has used; nil where nothing.
local function usage(level)
  if used[level] == nil then used[level] = call('HGET', key('levels'), level) end
  return used[level] or nil
end

local function use(level, usage_now)
  used[level], unsaved[level] = usage_now, true
end

local function at_end()
  for level in pairs(unsaved) do
    local usage_now = used[level]
    local text = type(usage_now) == 'number' and ms(usage_now) or usage_now
    call('HSET', key('levels'), level, text)
  end
end

-- The steady time up to which a level's rate is used up.
local function used_until(level)
  local until_ms = used[level]
  if until_ms == nil then until_ms = usage(level) end
  return until_ms and tonumber(until_ms) or 0
end

-- A limit's two rates and what it belongs to (a rate is empty where there is none).
local function limit_of(level)
  return match(limits.get(level) or '||', '^([^|]*)|([^|]*)|(.*)$')
end

local function brand_level(brand, waits)
  local cap, share = match(limits.get('brand:' .. brand) or '', '^([^|]*)|(.*)$')
  if not cap then return nil end
  local level = 'brand:' .. brand
  return {
    name = level, halt = level, waits = waits, cap = tonumber(cap), share = tonumber(share),
    carrier = 't',
  }
end

local by_lane = {}

-- The levels of a lane, by kind. Each has name, halt (the name it is halted under), waits (the
-- member of the tree that waits for it) and interval (ms a segment, nil for no rate); a brand has
-- cap instead of the last. A carrier's level has carrier and share; `carried` is the registration
-- where there is one. `mms` is the sender's MMS, which can only be halted.
local function of(lane)
  if by_lane[lane] then return by_lane[lane] end
  local kind, campaign = sub(lane, 2, 2), names.campaign_in(lane)
  local type_name = TYPES[kind]
  local function interval(sms, mms) return whole_us(tonumber(kind == 's' and sms or mms)) end
  local sender, scope = names.sender_of(lane), names.scope_of(lane)
  local level = 'sender:' .. sender
  local sms, mms, registration = limit_of(level)
  local levels = {
    account = {
      name = 'account:' .. type_name, halt = 'account',
      interval = whole_us(tonumber(limits.get(type_name))),
    },
    sender = {
      name = level, halt = level, waits = 's|' .. sender .. scope, interval = interval(sms, mms),
    },
  }
  if registration ~= '' then
    local brand
    level = 'registration:' .. registration
    sms, mms, brand = limit_of(level)
    local waits, each = 'r|' .. registration .. scope, limits.get('number:' .. sender)
    local name, node = level .. ':' .. type_name, waits
    if each then -- AT&T's rate is each number's own
      local own
      sms, mms, own = match(each, '^([^|]*)|([^|]*)|(.*)$')
      levels.sender.interval = whole_us(tonumber(own))
      name, node = name .. ':' .. sender, levels.sender.waits
    end
    levels.registration = {
      name = name, halt = level, waits = node, interval = interval(sms, mms), carrier = 'a',
      share = num(limits.get('att_share:' .. registration), 1),
    }
    levels.brand = brand_level(brand, waits)
    local asks = levels.brand or levels.registration.interval
    levels.carried = asks and levels.registration or nil
  end
  if kind == 'm' then
    levels.mms = { name = 'mms:' .. sender, halt = 'mms:' .. sender, waits = levels.sender.waits }
  end
  if campaign then
    level = 'campaign:' .. campaign
    local facts = campaigns.facts(campaign)
    levels.campaign = {
      name = level, halt = level, waits = lane, interval = facts.interval,
      max_cost = facts.max_cost, has_hours = facts.has_hours, guards = facts.guards,
    }
  end
  if scope ~= '' then -- an app's own: it can be halted
    level = 'app:' .. sub(scope, 2)
    levels.app = { name = level, halt = level, waits = levels.sender.waits }
  end
  by_lane[lane] = levels
  return levels
end

-- What of a brand's cap is used on a carrier's day.
local function used_today(brand, day)
  local last, amount = match(usage(brand.name) or '', '^(%S+) (%S+)$')
  last = tonumber(last)
  if last and last > day then return math.huge end -- a slot after midnight was granted before this
  return last == day and tonumber(amount) or 0
end

local function brand_named(brand) return brand_level(brand, '') end

-- How many segments a message counts as at a level; at a carrier's, if the number is `carrier`'s
-- ('' where that is not known; nil to look it up). Only numbers of +1 are such carriers'.
local function counted(now, level, ticket, carrier)
  if not level.carrier then return ticket.segments end
  if sub(ticket.to, 1, 2) ~= '+1' then return 0 end
  carrier = carrier or carriers().of(now, ticket.to)
  if carrier == '' then return ticket.segments * level.share end
  return carrier == level.carrier and ticket.segments or 0
end

return {
  SLACK_MS = SLACK_MS, of = of, brand_named = brand_named, usage = usage, used_until = used_until,
  used_today = used_today, counted = counted, use = use, at_end = at_end,
}
