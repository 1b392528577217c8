-- Pass on nothing more to an app's URL: what waits there stays among the events, to be replayed.
-- KEYS[1] the account's key prefix.
-- ARGV[1] the app, [2] its target, [3] why.
-- Returns: 1; 0 where that is so already.
-- Keys touched: event_readers, relays, relays:<target>, relay:<target>, relay_targets, relay_tries,
--   relay_sums, relay_heads, relay_line:<target>|<line>.
-- It is to be given again the first that waits, and all behind that.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local call, match = redis.call, string.match

local app, target, off = ARGV[1], ARGV[2], 'off:' .. ARGV[1]
if call('HEXISTS', key('event_readers'), off) == 1 then return 0 end
local first = tonumber(call('HGET', key('event_readers'), app) or 0)

local function forget(id)
  local bytes = call('HSTRLEN', key('relays'), id)
  if call('HDEL', key('relays'), id) == 1 then
    call('HINCRBY', key('relay_sums'), 'event', -1)
    call('HINCRBY', key('relay_sums'), 'event_bytes', -bytes)
  end
  call('HDEL', key('relay_tries'), id)
  first = math.min(first, tonumber(match(id, ':(%d+)/')) - 1)
end

for _, id in ipairs(call('ZRANGE', key('relays:' .. target), 0, -1)) do
  local line = target .. '|' .. match(id, '/(.*)$')
  forget(id)
  for _, behind in ipairs(call('LRANGE', key('relay_line:' .. line), 0, -1)) do forget(behind) end
  call('DEL', key('relay_line:' .. line))
  call('HDEL', key('relay_heads'), line)
end
call('DEL', key('relays:' .. target), key('relay:' .. target))
call('ZREM', key('relay_targets'), target)
local now_ms = texts.whole_ms(part('sluicegate.time').server_ms())
call('HSET', key('event_readers'), app, texts.rounded(first), off, now_ms .. ' ' .. ARGV[3])
return 1
