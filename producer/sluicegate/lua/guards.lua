-- Guards: what pauses a campaign by itself: a canary that fails, and shares of what goes wrong.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of, count, fill, which only reads but for fill; heard, mind_time; at_end writes what was
--   counted.
-- Keys touched: guarded:<campaign>, campaign:<name>; those of pausing.lua and carriers.lua.
--
-- A campaign's field `guards` is JSON (stored/guards.py). What happens to its messages that were
-- accepted since `guarded_since` is counted in guarded:<n>, in fields event|group and, where a
-- share by code is guarded, event:code|group. An event is accepted, dead, delivered, failed,
-- unconfirmed or opted_out; a group is all, c:<carrier> or a:<area>. Each event that is counted may
-- pause the campaign in the same call.
--
-- A canary is that the rest waits until enough of the first messages were delivered: caps.lua
-- holds it back.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local campaigns, parse_bill = part('sluicegate.campaigns'), part('sluicegate.bills').parse
local pausing, areas = part('sluicegate.pausing'), part('sluicegate.areas')
local key, num, whole_ms = account.key, texts.num, texts.whole_ms
local call, match, format, ceil = redis.call, string.match, string.format, math.ceil

local MOST_FIELDS = 10000 -- counted of a campaign; groups beyond count under the name *
local CARRIERS = { t = 'T-Mobile', a = 'AT&T', o = 'other' }

-- Of each share: what it is a share of, and what counts.
local TOLD = { 'delivered', 'failed', 'unconfirmed' }
local SHARES = {
  errors = { of = { 'accepted', 'dead' }, counts = { dead = true }, said = 'sent' },
  failed = { of = TOLD, counts = { failed = true }, said = 'with a final receipt' },
  undelivered = {
    of = TOLD, counts = { failed = true, unconfirmed = true }, said = 'with a final receipt',
  },
  opted_out = { of = { 'accepted' }, counts = { opted_out = true }, said = 'accepted' },
}
local NAMES = { errors = 'refused', failed = 'failed', undelivered = 'not delivered',
  opted_out = 'opted out' }

local guards = {}           -- by campaign; false where it has none
local counts, added = {}, {} -- by campaign and field: what it is now, and how much this call added

local function read(campaign, text)
  local guard, name = cjson.decode(text), key('campaign:' .. campaign)
  local fields = call('HMGET', name, 'guarded_since', 'canary_full', 'canary_passed')
  guard.since, guard.full, guard.passed = num(fields[1], 0), tonumber(fields[2] or nil), fields[3]
  guard.by = { carrier = guard.canary ~= nil }
  for _, rule in ipairs(guard.shares or {}) do
    guard.by[rule.by or ''] = true
    if rule.code then guard.by.code = true end
  end
  guard.counting = guard.canary ~= nil or next(guard.shares or {}) ~= nil
  counts[campaign], added[campaign] = {}, {}
  return guard
end

-- A campaign's guards; nil where it has none.
local function of(campaign)
  if guards[campaign] == nil then
    local text = campaigns.facts(campaign).guards
    guards[campaign] = text and read(campaign, text) or false
  end
  return guards[campaign] or nil
end

-- How many of a field there are, with what this call has counted.
local function count(campaign, field)
  local known = counts[campaign]
  if not known[field] then
    known[field] = num(call('HGET', key('guarded:' .. campaign), field), 0)
  end
  return known[field]
end

local function bump(campaign, field)
  counts[campaign][field] = count(campaign, field) + 1
  added[campaign][field] = (added[campaign][field] or 0) + 1
end

local function sum(campaign, events, rest)
  local all = 0
  for _, event in ipairs(events) do all = all + count(campaign, event .. rest) end
  return all
end

local function carrier_of(bill)
  local name = match(bill or '', '([^|]*)$')
  return name ~= '' and name or CARRIERS[parse_bill(bill).carrier] or 'unknown'
end

-- A group that would be one too many counts with the others of its kind.
local function bounded(campaign, event, group)
  if count(campaign, event .. '|' .. group) > 0 then return group end
  local full = call('HLEN', key('guarded:' .. campaign)) >= MOST_FIELDS
  return full and string.sub(group, 1, 2) .. '*' or group
end

local function groups_of(campaign, guard, event, told)
  local groups = { 'all' }
  if guard.by.carrier then
    groups[#groups + 1] = bounded(campaign, event, 'c:' .. carrier_of(told.bill))
  end
  if guard.by.area then
    groups[#groups + 1] = bounded(campaign, event, 'a:' .. areas.of(told.to or ''))
  end
  return groups
end

local function percent(part_of, all) return format('%.1f%%', 100 * part_of / all) end

-- At which carrier the largest share was not delivered, for whoever reads why a canary failed; ''
-- where none stands out.
local function worst_carrier(campaign)
  local fields, names = call('HGETALL', key('guarded:' .. campaign)), {}
  for field in pairs(counts[campaign]) do names[field] = true end
  for i = 1, #fields, 2 do names[fields[i]] = true end
  local carrier, lost, all = '', 0, 0
  for field in pairs(names) do
    local one = match(field, '^%l+|c:(.*)$')
    if one then
      local rest = '|c:' .. one
      local its_lost = sum(campaign, { 'failed', 'unconfirmed' }, rest)
      local its_all = its_lost + count(campaign, 'delivered' .. rest)
      local share, most = its_lost / its_all, all > 0 and lost / all or 0
      -- Of equal ones always the same.
      if its_all > 0 and (share > most or its_lost > 0 and share == most and one < carrier) then
        carrier, lost, all = one, its_lost, its_all
      end
    end
  end
  if carrier == '' then return '' end
  return format('; most of all at carrier %s, %d of %d (%s)', carrier, lost, all,
    percent(lost, all))
end

local function canary_failed(now, campaign, canary, why)
  local counted = {}
  for _, event in ipairs({ 'delivered', 'failed', 'unconfirmed', 'dead' }) do
    counted[#counted + 1] = count(campaign, event .. '|all')
  end
  local text = format('its canary of %d failed: %s; %d delivered, %d failed, %d unconfirmed, '
    .. '%d refused%s', canary.size, why, counted[1], counted[2], counted[3], counted[4],
    worst_carrier(campaign))
  pausing.pause(now, campaign, 'canary', text)
end

-- The canary has succeeded, can't any more, or has had its time.
local function judge_canary(now, campaign, guard)
  local canary = guard.canary
  if not canary or guard.passed then return end
  local need = ceil(canary.size * canary.share - 1e-9)
  local lost = sum(campaign, { 'failed', 'unconfirmed', 'dead' }, '|all')
  if count(campaign, 'delivered|all') >= need then
    guard.passed = whole_ms(now.wall)
    call('HSET', key('campaign:' .. campaign), 'canary_passed', guard.passed)
    account.wake()
  elseif canary.size - lost < need then
    canary_failed(now, campaign, canary, format('fewer than %d can still be delivered', need))
  elseif guard.full and now.wall >= guard.full + canary.within_ms then
    local why = format('not %d delivered within %g s', need, canary.within_ms / 1000)
    canary_failed(now, campaign, canary, why)
  end
end

-- Whether an event has made a share in a group too large; then why, in words.
local function exceeded(campaign, rule, told, group)
  local share, rest = SHARES[rule.kind], '|' .. group
  local all = sum(campaign, share.of, rest)
  if all < rule.least then return nil end
  local code = rule.code or rule.by == 'code' and told.code or nil
  if rule.by == 'code' and (code or '') == '' then return nil end
  local counted = 0
  for event in pairs(share.counts) do
    counted = counted + count(campaign, event .. (code and ':' .. code or '') .. rest)
  end
  if counted <= rule.share * all then return nil end
  local where = group == 'all' and '' or (rule.by == 'area' and ' in ' or ' at carrier ')
    .. string.sub(group, 3)
  return format('%s%s: %d of %d %s%s (%s), more than %g%%', NAMES[rule.kind],
    code and ' with code ' .. code or '', counted, all, share.said, where, percent(counted, all),
    100 * rule.share)
end

local KINDS_OF_GROUP = { carrier = 'c:', area = 'a:' }

local function judge_shares(now, campaign, guard, told, groups)
  for _, rule in ipairs(guard.shares or {}) do
    local kind = KINDS_OF_GROUP[rule.by or '']
    for _, group in ipairs(groups) do
      local asked = kind and string.sub(group, 1, 2) == kind or not kind and group == 'all'
      local why = asked and exceeded(campaign, rule, told, group)
      if why then return pausing.pause(now, campaign, 'share', why) end
    end
  end
end

-- Something happened to a message of a campaign: told has to, code, bill and at (wall ms at which
-- it was accepted; nil for now).
local function heard(now, campaign, event, told)
  local guard = of(campaign)
  if not guard or not guard.counting or num(told.at, now.wall) < guard.since then return end
  local groups, code = groups_of(campaign, guard, event, told), told.code or ''
  for _, group in ipairs(groups) do
    bump(campaign, event .. '|' .. group)
    if guard.by.code and code ~= '' then bump(campaign, event .. ':' .. code .. '|' .. group) end
  end
  if campaigns.state(campaign) ~= 'running' then return end
  judge_canary(now, campaign, guard)
  if campaigns.state(campaign) ~= 'running' then return end
  judge_shares(now, campaign, guard, told, groups)
end

-- All of a canary are on their way or beyond: its time begins.
local function fill(now, campaign)
  local guard = of(campaign)
  if guard.full then return end
  guard.full = now.wall
  call('HSET', key('campaign:' .. campaign), 'canary_full', whole_ms(now.wall))
end

-- Time has passed for a running campaign.
local function mind_time(now, campaign)
  local guard = of(campaign)
  if guard then judge_canary(now, campaign, guard) end
end

local function at_end()
  for campaign, fields in pairs(added) do
    for field, by in pairs(fields) do
      call('HINCRBY', key('guarded:' .. campaign), field, by)
    end
  end
end

return {
  of = of, count = count, fill = fill, heard = heard, mind_time = mind_time, at_end = at_end,
}
