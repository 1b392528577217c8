-- Hear one reply of a recipient: a STOP, a START, or one that a person must read.
-- KEYS[1] the account's key prefix.
-- ARGV[1] number, [2] stop | start | review, [3] wall ms at which it was written, [4] messaging
--   profile, [5] what is said of it (JSON, stored/optouts.py), [6] the event's id, [7] ms for which
--   that and a START are remembered, [8] 1 where the time of writing is the provider's own, [9]
--   token of this call, [10] the short hash by which campaigns know the number.
-- Returns: heard | review | stale (a START that was written before the last STOP, or a STOP before
--   a START that was heard: webhooks come out of order) | duplicate (the event was heard before).
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of optout_changes.lua and guards.lua, inbound:<event>,
--   opted_in:<number>:<profile>; it reads running.
-- The first write frees, so that a full server still takes a STOP.
local key, num = part('sluicegate.account').key, part('sluicegate.texts').num
local changes, guards = part('sluicegate.optout_changes'), later('sluicegate.guards')
local call = redis.call

local number, verdict, written, profile, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local event, remembered_ms, believed = key('inbound:' .. ARGV[6]), ARGV[7], ARGV[8] == '1'
local token = ARGV[9]
local opted_in = key('opted_in:' .. number .. ':' .. profile)

local before = call('GET', event)
if before then
  local by, answer = string.match(before, '^(%S+) (%S+)$')
  return by == token and answer or 'duplicate'
end
call('ZREM', key('granted'), '')
local now_ms = part('sluicegate.time').server_ms()

-- Running campaigns that have reached the number hear of it, if they mind.
local function tell_campaigns()
  local clock = part('sluicegate.clock').read()
  local campaigns, records = part('sluicegate.campaigns'), part('sluicegate.records')
  for _, name in ipairs(call('SMEMBERS', key('running'))) do
    if campaigns.facts(name).guards then
      local state, at = unpack(records.look(name .. '.' .. ARGV[10], 'state', 'at'))
      local told = { to = number, at = at }
      if state == 'accepted' then guards().heard(clock, name, 'opted_out', told) end
    end
  end
end

local hear = {}

function hear.review() return changes.review(now_ms, number, said) and 'review' or 'heard' end

-- Of a STOP and a START of the same moment the STOP counts.
function hear.stop()
  if num(written, 0) < num(call('GET', opted_in), 0) then
    changes.note(now_ms, number, 'stop before start', said)
    return 'stale'
  end
  local reason = { since = written, source = 'stop', profile = profile, act = 'stop' }
  if changes.add(now_ms, number, reason, said) and (ARGV[10] or '') ~= '' then tell_campaigns() end
  return 'heard'
end

-- A START whose time can't be right keeps no later STOP from counting.
function hear.start()
  if believed and num(written, 0) > num(call('GET', opted_in), 0) then
    call('SET', opted_in, written, 'PX', remembered_ms)
  end
  local lifted, older = changes.lift(now_ms, number, profile, num(written, 0), said)
  return older and not lifted and 'stale' or 'heard'
end

local answer = hear[verdict]()
call('SET', event, token .. ' ' .. answer, 'PX', remembered_ms)
return answer
