-- Pausing: a campaign stops by itself, for what it was told to stop for.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: pause, say.
-- Keys touched: campaign:<n>, running, closed; those of lanes.lua, audit.lua and events.lua; it
--   reads lanes:<n>.
local account, whole_ms = part('sluicegate.account'), part('sluicegate.texts').whole_ms
local campaigns, names = part('sluicegate.campaigns'), part('sluicegate.lane_names')
local lanes, audit = part('sluicegate.lanes'), part('sluicegate.audit')
local limits, events = part('sluicegate.limits'), later('sluicegate.events')
local key, call = account.key, redis.call

-- Write into the audit what was done to a level, and why.
local function say(now, action, level, why)
  local said = '{"who":"sluicegate","action":"' .. action .. '","why":' .. cjson.encode(why)
    .. ',"filter":{"level":' .. cjson.encode(level) .. '}}'
  audit.write(now, said, 1)
end

-- `by` is what stopped it: money, messages, segments, canary, share or approval. One that does not
-- run keeps its state and its reason: its lanes alone are taken out.
local function pause(now, campaign, by, why)
  local name, at = key('campaign:' .. campaign), whole_ms(now.wall)
  local fields = call('HMGET', name, 'state', 'lane')
  local runs, main = fields[1] == 'running', fields[2]
  if runs then
    call('HSET', name, 'state', 'paused', 'paused', at, 'stopped', why, 'stopped_by', by)
    campaigns.facts(campaign).state = 'paused'
    call('SREM', key('running'), campaign)
    call('ZADD', key('closed'), at, campaign)
  end
  lanes.take_out(names.class_of(main), main)
  for _, lane in ipairs(call('SMEMBERS', key('lanes:' .. campaign))) do
    lanes.take_out(names.class_of(lane), lane)
  end
  if runs and limits.get('events') then
    events().tell('campaign', '', 'campaign', campaign, 'state', 'paused', 'reason', why, 'by', by)
  end
  if runs then say(now, 'pause', 'campaign:' .. campaign, why) end
end

return { pause = pause, say = say }
