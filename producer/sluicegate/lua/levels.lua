-- The levels that a message passes, with what each has used: account, sender, registration, brand, campaign.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: those of records.lua, limits, levels, campaign:*, halts, log.
--
-- A rate is so many milliseconds a segment. A level keeps the time up to which it is used up: a message
-- may go at a slot no earlier than that, less SLACK_MS, and moves it on by its segments. So in any time T
-- a level lets T / ms-per-segment segments pass, and those of one message and of SLACK_MS more.
-- A brand has a cap a day instead, which ends at the carrier's midnight.

local SLACK_MS = 50 -- as much as a slot may be late: what comes late does not cost rate
local DAY_MS = 86400000
local TYPES = { s = 'sms', m = 'mms' }

local used, unsaved = {}, {} -- by level: a text or a time, read once a call and written once
local function usage(level)
  if used[level] == nil then used[level] = redis.call('HGET', key('levels'), level) end
  return used[level] or nil
end

local function use(level, usage_now)
  used[level], unsaved[level] = usage_now, true
end

local function save_levels()
  for level in pairs(unsaved) do
    local now = used[level]
    redis.call('HSET', key('levels'), level, type(now) == 'number' and ms(now) or now)
  end
end

local function used_until(level) return num(usage(level), 0) end

-- In whole microseconds, as levels are stored, and rounded up: what was cut off each time would be a higher rate.
local function whole_us(interval) return interval and math.ceil(interval * 1000 - 0.001) / 1000 end

local campaigns = {} -- by name, read once a call
local function campaign_facts(name)
  if not campaigns[name] then
    local r = redis.call('HMGET', key('campaign:' .. name), 'state', 'per_second', 'weight')
    local rate = num(r[2], 0)
    campaigns[name] = { state = r[1], interval = whole_us(rate > 0 and 1000 / rate or nil), weight = num(r[3], 1) }
  end
  return campaigns[name]
end

-- The levels of a lane, by kind: each { name, halt (the name it is halted under), waits (the member that waits
-- for it), interval in ms a segment or nil }, a brand cap and share instead; found once a call.
local found = {}
local function levels_of(lane)
  if found[lane] then return found[lane] end
  local sender, kind, name = sender_of(lane), string.sub(lane, 2, 2), campaign_in(lane)
  local type_name = TYPES[kind]
  local function interval(sms, mms) return whole_us(tonumber(kind == 's' and sms or mms)) end
  local sms, mms, registration = string.match(limits('sender:' .. sender) or '||', '^([^|]*)|([^|]*)|(.*)$')
  local levels = {
    account = { name = 'account:' .. type_name, halt = 'account', interval = whole_us(tonumber(limits(type_name))) },
  }
  local who = 'sender:' .. sender
  levels.sender = { name = who, halt = who, waits = 's|' .. sender, interval = interval(sms, mms) }
  if registration ~= '' then
    local brand
    sms, mms, brand = string.match(limits('registration:' .. registration) or '||', '^([^|]*)|([^|]*)|(.*)$')
    local level = 'registration:' .. registration
    local waits = 'r|' .. registration
    local name_now = level .. ':' .. type_name
    levels.registration = { name = name_now, halt = level, waits = waits, interval = interval(sms, mms) }
    local cap, share = string.match(limits('brand:' .. brand) or '', '^([^|]*)|(.*)$')
    local top = 'brand:' .. brand
    if cap then
      levels.brand = { name = top, halt = top, waits = waits, cap = tonumber(cap), share = tonumber(share) }
    end
  end
  if name then
    local level = 'campaign:' .. name
    levels.campaign = { name = level, halt = level, waits = lane, interval = campaign_facts(name).interval }
  end
  found[lane] = levels
  return levels
end

local function zone_offset(wall)
  local offset = 0
  for from, ahead in string.gmatch(limits('zone') or '', '(%-?%d+) (%-?%d+)') do
    if wall >= tonumber(from) then offset = tonumber(ahead) end
  end
  return offset
end

-- The carrier's day, as a number.
local function carrier_day(wall) return math.floor((wall + zone_offset(wall)) / DAY_MS) end

-- How long it still lasts: also where its clocks are set before it ends.
local function left_of_day(wall)
  local offset = zone_offset(wall)
  local left = DAY_MS - (wall + offset) % DAY_MS
  return left + offset - zone_offset(wall + left)
end

local function used_today(brand, day)
  local last, amount = string.match(usage(brand.name) or '', '^(%S+) (%S+)$')
  return tonumber(last) == day and tonumber(amount) or 0
end

-- What a message takes of a brand's cap: only numbers of +1 are the carrier's.
local function of_cap(brand, ticket)
  return string.sub(ticket.to, 1, 2) == '+1' and ticket.segments * brand.share or 0
end

local function use_cap(brand, day, amount)
  use(brand.name, string.format('%.0f %.3f', day, math.max(0, used_today(brand, day) + amount)))
end

local RATES = { 'account', 'sender', 'registration', 'campaign' }

-- A message takes its share of all its levels at once, for a slot.
local function charge_levels(c, lane, ticket, slot)
  local levels = levels_of(lane)
  for _, kind in ipairs(RATES) do
    local level = levels[kind]
    if level and level.interval then
      use(level.name, math.max(used_until(level.name), slot) + ticket.segments * level.interval)
    end
  end
  if levels.brand then use_cap(levels.brand, carrier_day(c.wall + slot - c.steady), of_cap(levels.brand, ticket)) end
end

-- Who waits for a level that has room again is looked at anew.
local function reopen(level, member)
  for _, class in ipairs(CLASSES) do
    local name = class .. '/' .. member
    if redis.call('HGET', key('parked_by'), name) == level then unpark(name) end
  end
end

-- What was certainly not sent does not count at the carrier.
local function refund_cap(c, lease)
  local brand = levels_of(lease.lane).brand
  if not brand then return end
  local day = carrier_day(c.wall - (c.steady - lease.slot))
  if day ~= carrier_day(c.wall) then return end
  use_cap(brand, day, -of_cap(brand, ticket_of(lease)))
  reopen(brand.name, brand.waits)
end

-- What has gone by since its slot cannot be used any more.
local function refund_levels(c, lease)
  local levels, segments = levels_of(lease.lane), ticket_of(lease).segments
  local gone = math.max(0, c.steady - lease.slot)
  for _, kind in ipairs(RATES) do
    local level = levels[kind]
    local rest = level and level.interval and segments * level.interval - gone or 0
    if rest > 0 and usage(level.name) then
      use(level.name, used_until(level.name) - rest)
      if level.waits then reopen(level.name, level.waits) end
    end
  end
  refund_cap(c, lease)
end

-- A granted slot that nobody used is taken back out of the bucket's log and of each level: it costs nothing.
local function drop_grant(c, id, lease)
  drop_lease(id)
  redis.call('ZREM', key('log'), lease.seq)
  refund_levels(c, lease)
end

local halts -- level -> { ends, why }: those in force, read once a call; a halt with an end clears itself
local function halts_now(c)
  if halts then return halts end
  halts = {}
  local all = redis.call('HGETALL', key('halts'))
  for i = 1, #all, 2 do
    local ends, why = string.match(all[i + 1], '^([^|]*)|(.*)$')
    ends = tonumber(ends)
    if ends and c.wall >= ends then
      redis.call('HDEL', key('halts'), all[i])
    else
      halts[all[i]] = { ends = ends, why = why }
    end
  end
  return halts
end

-- The halt that stops a lane, and which kind of its levels that is; nil where none does.
local function halt_of(c, lane)
  local now = halts_now(c)
  if not next(now) then return nil end
  if now.account then return now.account, 'account' end
  for kind, level in pairs(levels_of(lane)) do
    if now[level.halt] then return now[level.halt], kind end
  end
end
