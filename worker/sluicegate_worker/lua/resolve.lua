-- Resolve one message in doubt, by a person's word.
-- KEYS[1] the account's key prefix.
-- ARGV[1] id, [2] accepted | resend | drop, [3] token of this call, [4] retention_ms, [5] provider_id or '',
--   [6] reason, [7] the audit's entry (audit.lua).
-- Returns: resolved | unknown | the state that it is in instead.
-- Keys touched: those of books.lua and audit.lua, clock, doubts, dead, wake.
local id, verdict, token, retention_ms, provider_id, reason, said = unpack(ARGV)
local m = record(id)
if not m.state then return 'unknown' end
if m.token == token then return 'resolved' end
if m.state ~= 'in_doubt' then return m.state end
local c = clock()
redis.call('ZREM', key('doubts'), id)
count('resolved')
audit(c, said, 1)
if verdict == 'accepted' then
  if provider_id ~= '' then m.provider_id = provider_id end
  m.reason = reason
  finish(c, id, 'accepted', retention_ms, token)
elseif verdict == 'resend' then
  become(id, 'waiting')
  m.token = token
  put_back(c, id, m.lane, m.ticket)
  wake()
else
  become(id, 'dead')
  m.token, m.at, m.code, m.reason = token, whole_ms(c.wall), 'in_doubt', reason
  redis.call('ZADD', key('dead'), whole_ms(c.wall), id)
  count('dead')
end
return 'resolved'
