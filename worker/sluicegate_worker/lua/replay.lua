-- Replay one dead letter: the same message, its next generation, at the end of its lane.
-- KEYS[1] the account's key prefix. ARGV[1] id, ARGV[2] token of this call.
-- Returns: replayed | unknown | the state that it is in instead.
-- Keys touched: those of books.lua, clock, dead, running, wake.
-- The new generation gives it a new idempotency key: the provider will not know it again.
local id, token = ARGV[1], ARGV[2]
local m = key('m:' .. id)
local r = redis.call('HMGET', m, 'state', 'lane', 'ticket', 'token')
if not r[1] then return 'unknown' end
if r[4] == token then return 'replayed' end
if r[1] ~= 'dead' then return r[1] end
local name = campaign_of(id)
if name and campaign_state(name) == 'cancelled' then return 'in a cancelled campaign' end
local c = clock()
redis.call('ZREM', key('dead'), id)
redis.call('HDEL', m, 'attempts', 'maybe', 'age', 'request', 'key_at', 'code', 'reason', 'answer')
redis.call('HINCRBY', m, 'generation', 1)
become(id, 'waiting')
redis.call('HSET', m, 'token', token, 'at', whole_ms(c.wall))
to_tail(r[2], r[3])
if name and campaign_state(name) == 'finished' then run_again(name) end
count('dead_replayed')
wake()
return 'replayed'
