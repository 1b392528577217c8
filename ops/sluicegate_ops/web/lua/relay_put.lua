-- Keep one webhook until it is passed on.
-- KEYS[1] the account's key prefix.
-- ARGV[1] its id, [2] inbound | receipt | event, [3] its target, [4] the target's host, for people,
--   [5] the webhook, [6] bytes that all of its kind may take, [7] the app that it is for ('' for
--   none), [8] its line ('' for none): of a line only the first is passed on, the others behind it.
-- Returns: put | known (it waits already) | full (nothing was stored).
-- Keys touched: relays, relays:<target>, relay:<target>, relay_targets, relay_sums, relay_heads,
--   relay_line:<target>|<line>, granted.
-- Receipts of one app take at most as much as is left free beside them: however many it leaves
-- waiting, there is room for the others'.
-- The first write frees: what came in is taken also by a full server, and bounded by itself.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local now_ms = part('sluicegate.time').server_ms()
local call, num = redis.call, texts.num

local id, kind, target, host, webhook = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local most, app, line = tonumber(ARGV[6]), ARGV[7], target .. '|' .. ARGV[8]
local bytes = #webhook
if call('HEXISTS', key('relays'), id) == 1 then return 'known' end
local used = num(call('HGET', key('relay_sums'), kind .. '_bytes'), 0)
local share = kind == 'receipt' and num(call('HGET', key('relay_sums'), 'bytes:' .. app), 0) or 0
if share + bytes > most - used then return 'full' end

call('ZREM', key('granted'), '')
local now = texts.whole_ms(now_ms)
call('HSET', key('relays'), id, webhook)
if ARGV[8] == '' or call('HSETNX', key('relay_heads'), line, id) == 1 then
  call('ZADD', key('relays:' .. target), now, id)
else
  call('RPUSH', key('relay_line:' .. line), id)
end
call('HSET', key('relay:' .. target), 'kind', kind, 'host', host, 'app', app)
call('ZADD', key('relay_targets'), 'NX', now, target)
call('HINCRBY', key('relay_sums'), kind, 1)
call('HINCRBY', key('relay_sums'), kind .. '_bytes', bytes)
if kind == 'receipt' then call('HINCRBY', key('relay_sums'), 'bytes:' .. app, bytes) end
return 'put'
