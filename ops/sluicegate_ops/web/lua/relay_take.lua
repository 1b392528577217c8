-- Take the webhooks of one target that are to be passed on now.
-- Nobody else takes that target's until the lease ends, or they are told of.
-- KEYS[1] the account's key prefix.
-- ARGV[1] ms of the lease, [2] how many at most.
-- Returns: {target, the lease, id, webhook, id, webhook, ...}; or, where nothing is due, {'', ms
--   until something is (-1: nothing waits)}.
-- Keys touched: relays, relays:<target>, relay_targets, granted.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local now_ms = part('sluicegate.time').server_ms()
local call, max = redis.call, math.max

call('ZREM', key('granted'), '') -- a write that frees: a full server passes on what would free it

local FARTHEST_MS = 600000
local SKIPPED = 100 -- targets without a webhook, which are no targets

-- A time so far ahead is one of before the clock was set back: nothing waits so long.
local function sane(ms) return ms > now_ms + FARTHEST_MS and now_ms or ms end

local function first_due(target, most)
  local waiting = key('relays:' .. target)
  local first = call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  if not first[2] then return nil end
  local due = tonumber(first[2])
  if sane(due) == due then return due end
  for _, id in ipairs(call('ZRANGE', waiting, 0, most - 1)) do
    call('ZADD', waiting, texts.whole_ms(now_ms), id)
  end
  return now_ms
end

for _ = 1, SKIPPED do
  local next_target = call('ZRANGE', key('relay_targets'), 0, 0, 'WITHSCORES')
  local target = next_target[1]
  if not target then
    -- Nothing waits; unless the targets were lost, and what came in must not be lost with them.
    if call('EXISTS', key('relays:inbound')) == 0 then return { '', '-1' } end
    next_target = { 'inbound', texts.whole_ms(now_ms) }
    target = next_target[1]
  end
  local wait = sane(tonumber(next_target[2])) - now_ms
  if wait > 0 then return { '', texts.ms(wait) } end
  local due = first_due(target, tonumber(ARGV[2]))
  if not due then
    call('ZREM', key('relay_targets'), target)
  elseif due > now_ms then
    call('ZADD', key('relay_targets'), texts.whole_ms(due), target)
  else
    -- With a fraction that no two takes share, the end of the lease also tells whose it is.
    local lease = texts.ms(now_ms + max(1, tonumber(ARGV[1])))
    call('ZADD', key('relay_targets'), lease, target)
    local answer = { target, call('ZSCORE', key('relay_targets'), target) }
    local ids = call('ZRANGEBYSCORE', key('relays:' .. target), '-inf', texts.ms(now_ms + 1),
      'LIMIT', 0, tonumber(ARGV[2]))
    for i, webhook in ipairs(call('HMGET', key('relays'), unpack(ids))) do
      answer[#answer + 1] = ids[i]
      answer[#answer + 1] = webhook or ''
    end
    return answer
  end
end
return { '', '0' }
