-- Tell what became of the webhooks that were taken of one target.
-- KEYS[1] the account's key prefix.
-- ARGV[1] target, [2] the lease, [3] what went wrong, for people ('' for nothing), [4] a random
--   number from 0 to 1, [5] how many are over (passed on, or dropped), [6] 1 where any was taken,
--   then those ids, then the ids of those that failed. Behind a slash an id has its line.
-- Returns: how many wait for that target.
-- Keys touched: relays, relays:<target>, relay:<target>, relay_targets, relay_tries, relay_sums,
--   relay_heads, relay_line:<target>|<line>, granted.
--
-- Where none is taken, the target itself is away: all wait for it together, longer each time. Where
-- others are taken, what failed is at fault by itself, and waits alone.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local now_ms = part('sluicegate.time').server_ms()
local num, whole_ms = texts.num, texts.whole_ms
local call, min, max = redis.call, math.min, math.max

local FIRST_MS, LONGEST_MS = 1000, 300000
local target, lease, why, dice = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local over, any_taken = tonumber(ARGV[5]), ARGV[6] == '1'
local waiting, about = key('relays:' .. target), key('relay:' .. target)

-- What an app has taken of the room; nothing is kept of one that has nothing waiting.
local function give_back(app, bytes)
  local field = 'bytes:' .. app
  if call('HINCRBY', key('relay_sums'), field, -bytes) <= 0 then
    call('HDEL', key('relay_sums'), field)
  end
end

-- The next of its line comes to its place.
local function move_up(id)
  local line = target .. '|' .. string.match(id, '/(.*)$')
  if call('HGET', key('relay_heads'), line) ~= id then return end
  local after = call('LPOP', key('relay_line:' .. line))
  if not after then return call('HDEL', key('relay_heads'), line) end
  call('HSET', key('relay_heads'), line, after)
  call('ZADD', waiting, whole_ms(now_ms), after)
end

local function backoff(times) return min(FIRST_MS * 2 ^ (times - 1), LONGEST_MS) * (0.5 + dice) end

call('ZREM', key('granted'), '') -- a write that frees: a full server is told as well
local kind, app = unpack(call('HMGET', about, 'kind', 'app'))
kind = kind or ''
for i = 7, 6 + over do
  local bytes = call('HSTRLEN', key('relays'), ARGV[i])
  if call('ZREM', waiting, ARGV[i]) == 1 then
    call('HINCRBY', key('relay_sums'), kind, -1)
    call('HINCRBY', key('relay_sums'), kind .. '_bytes', -bytes)
    if app and kind == 'receipt' then give_back(app, bytes) end
  end
  call('HDEL', key('relays'), ARGV[i])
  call('HDEL', key('relay_tries'), ARGV[i])
  if kind == 'event' then move_up(ARGV[i]) end
end

local first = call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
if call('ZSCORE', key('relay_targets'), target) ~= lease then return call('ZCARD', waiting) end
if not first[1] then
  call('ZREM', key('relay_targets'), target)
  call('DEL', about)
  return 0
end

local failed = #ARGV - 6 - over
if failed > 0 and not any_taken then
  local times = call('HINCRBY', about, 'failures', 1)
  call('HSETNX', about, 'since', whole_ms(now_ms))
  call('HSET', about, 'why', why)
  call('ZADD', key('relay_targets'), whole_ms(now_ms + backoff(min(times, 20))), target)
  return call('ZCARD', waiting)
end
for i = 7 + over, #ARGV do
  local times = call('HINCRBY', key('relay_tries'), ARGV[i], 1)
  call('ZADD', waiting, 'XX', whole_ms(now_ms + backoff(min(times, 20))), ARGV[i])
end
call('HDEL', about, 'failures', 'since', 'why')
if failed > 0 then call('HSET', about, 'why', why) end
first = call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
call('ZADD', key('relay_targets'), whole_ms(max(now_ms, num(first[2], now_ms))), target)
return call('ZCARD', waiting)
