-- Delete a campaign that is over: a page of what is stored of it at each call.
-- KEYS[1] the account's key prefix.
-- ARGV[1] campaign, [2] what: records | members | rest, [3] where to go on: a cursor ('0' to begin)
--   or the first set of members, [4] keys in a page, [5] the audit's entry (audit.lua), for the
--   rest.
-- Returns: where to go on, '0' after the last; or what forbids it, 'unknown' where there is no such
--   campaign: draft | running | paused | in doubt | held | under way.
-- Keys touched: m:<id>, dead, lane:*, lanes:<n>, unsent:<n>:*, members:<n>:*, ledger:<n>,
--   costs:<n>, import:<n>, hours:<n>, hours_due, campaign:<n>, campaigns, closed, running, levels,
--   links, clicks:<n>, clicked:<n>:*, trends_due, trend_minutes:*:<n>, trend_hours:*:<n>;
--   those of lanes.lua and audit.lua. It reads holds, leases.
-- Repeating it goes on where it was interrupted.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local lanes, counts = part('sluicegate.lanes'), part('sluicegate.counts')
local campaigns, audit = part('sluicegate.campaigns'), part('sluicegate.audit')
local class_of = part('sluicegate.lane_names').class_of
local key, call, num = account.key, redis.call, texts.num

local LISTS = {
  'cancelled', 'expired', 'suppressed', 'too_many', 'too_soon', 'same_text', 'left_out',
}
local OVER = { finished = true, cancelled = true }
local name, what, from, size = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local campaign = key('campaign:' .. name)

local function obstacle()
  local state = campaigns.state(name)
  if not state then return 'unknown' end
  if not OVER[state] then return state end
  if call('HEXISTS', key('holds'), 'campaign:' .. name) == 1 then return 'held' end
  if counts.in_ledger(name, 'in_doubt') > 0 then return 'in doubt' end
  for _, id in ipairs(call('HKEYS', key('leases'))) do
    if campaigns.of(id) == name then return 'under way' end
  end
  return nil
end

-- Nothing of it waits, so its lanes hold only tickets of messages that have ended.
local function drop_lanes()
  local all = call('SMEMBERS', key('lanes:' .. name))
  all[#all + 1] = call('HGET', campaign, 'lane') or nil
  for _, lane in ipairs(all) do
    if call('DEL', key('lane:' .. lane)) == 1 then lanes.take_out(class_of(lane), lane) end
  end
end

local function records()
  local prefix = key('m:')
  local page = call('SCAN', from, 'MATCH', prefix .. name .. '.*', 'COUNT', size)
  for _, full in ipairs(page[2]) do
    call('ZREM', key('dead'), string.sub(full, #prefix + 1))
    call('DEL', full)
  end
  return page[1]
end

local function members()
  local fields = call('HMGET', campaign, 'keyed_shards', 'shards')
  local shards, first = num(fields[1] or fields[2], 0), tonumber(from)
  for shard = first, math.min(first + size, shards) - 1 do
    call('DEL', key('members:' .. name .. ':' .. texts.rounded(shard)),
      key('clicked:' .. name .. ':' .. texts.rounded(shard)))
  end
  return first + size < shards and texts.rounded(first + size) or '0'
end

-- All whose time is not up: of three hours and 32 days, and of one more if the clock was set back.
local function drop_trends(now)
  local hour, day = math.floor(now.wall / 3600000), math.floor(now.wall / 86400000)
  for back = -1, 4 do
    call('DEL', key('trend_minutes:' .. texts.rounded(hour - back) .. ':' .. name))
  end
  for back = -1, 33 do
    call('DEL', key('trend_hours:' .. texts.rounded(day - back) .. ':' .. name))
  end
  call('ZREM', key('trends_due'), 'campaign:' .. name)
end

-- Its short links lead nowhere any more.
local function drop_links()
  for _, field in ipairs(call('HKEYS', key('clicks:' .. name))) do
    local code = string.match(field, '^(.+):address$')
    if code then call('HDEL', key('links'), code) end
  end
end

local function rest()
  local now = part('sluicegate.clock').read()
  for _, ended in ipairs(LISTS) do
    call('DEL', key('unsent:' .. name .. ':' .. ended))
  end
  drop_links()
  call('HDEL', key('levels'), 'campaign:' .. name)
  call('ZREM', key('campaigns'), name)
  call('ZREM', key('closed'), name)
  call('SREM', key('running'), name)
  call('DEL', key('ledger:' .. name), key('costs:' .. name), key('lanes:' .. name),
    key('guarded:' .. name), key('clicks:' .. name), key('import:' .. name),
    key('hours:' .. name), campaign)
  call('ZREM', key('hours_due'), name)
  drop_trends(now)
  audit.write(now, ARGV[5], 1)
  return '0'
end

local refused = obstacle()
if refused then return refused end
call('ZREM', key('granted'), '')
if what == 'records' then
  if from == '0' then drop_lanes() end
  return records()
end
return what == 'members' and members() or rest()
