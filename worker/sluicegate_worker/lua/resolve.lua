-- Resolve one message in doubt, by a person's word.
-- KEYS[1] the account's key prefix.
-- ARGV[1] id, [2] accepted | resend | drop, [3] token of this call, [4] retention_ms, [5] provider_id or '',
--   [6] reason, [7] the audit's entry (audit.lua).
-- Returns: resolved | unknown | the state that it is in instead.
-- Keys touched: those of books.lua and audit.lua, clock, doubts, dead, wake.
local id, verdict, token, retention_ms, provider_id, reason, said = unpack(ARGV)
local m = key('m:' .. id)
local r = redis.call('HMGET', m, 'state', 'lane', 'ticket', 'token')
if not r[1] then return 'unknown' end
if r[4] == token then return 'resolved' end
if r[1] ~= 'in_doubt' then return r[1] end
local c = clock()
redis.call('ZREM', key('doubts'), id)
count('resolved')
audit(c, said, 1)
if verdict == 'accepted' then
  if provider_id ~= '' then redis.call('HSET', m, 'provider_id', provider_id) end
  redis.call('HSET', m, 'reason', reason)
  finish(c, id, 'accepted', retention_ms, token)
elseif verdict == 'resend' then
  become(id, 'waiting')
  redis.call('HSET', m, 'token', token)
  put_back(c, id, r[2], r[3])
  wake()
else
  become(id, 'dead')
  redis.call('HSET', m, 'token', token, 'at', whole_ms(c.wall), 'code', 'in_doubt', 'reason', reason)
  redis.call('ZADD', key('dead'), whole_ms(c.wall), id)
  count('dead')
end
return 'resolved'
