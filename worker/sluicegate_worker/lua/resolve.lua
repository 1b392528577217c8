-- Resolve one message in doubt, by a person's word.
-- KEYS[1] the account's key prefix.
-- ARGV[1] id, [2] accepted | resend | drop, [3] token of this call, [4] retention_ms, [5]
--   provider_id or '', [6] reason, [7] the audit's entry (audit.lua).
-- Returns: resolved | unknown | the state that it is in instead; or why it must not be resent:
--   cancelled | in a cancelled campaign | opted out.
-- Keys touched: those of states.lua, costs.lua and audit.lua, clock, doubts, dead, wake.
local account, records = part('sluicegate.account'), part('sluicegate.records')
local states, audit = part('sluicegate.states'), part('sluicegate.audit')
local whole_ms, count = part('sluicegate.texts').whole_ms, part('sluicegate.counts').count
local key = account.key

local id, verdict, token, retention_ms, provider_id, reason, said = unpack(ARGV)
local record = records.get(id)
if not record.state then return 'unknown' end
if record.token == token then return 'resolved' end
if record.state ~= 'in_doubt' then return record.state end
local now = part('sluicegate.clock').read()

local stopped = states.stopped(id, record)
if verdict == 'resend' and stopped then return stopped end
if verdict == 'resend' and part('sluicegate.optouts').has(record.to) then return 'opted out' end
redis.call('ZREM', key('doubts'), id)
count('resolved')
audit.write(now, said, 1)
if verdict == 'accepted' then
  if provider_id ~= '' then record.provider_id = provider_id end
  local lane, proof = record.lane, { id = id, provider_id = record.provider_id }
  record.reason = reason
  states.know(id, states.maybe_sent(record))
  states.finish(now, id, 'accepted', retention_ms, token)
  part('sluicegate.costs').take(now, record, proof, true, lane)
elseif verdict == 'resend' then
  states.become(id, 'waiting')
  record.token = token
  states.put_back(now, id, record.lane, record.ticket)
  account.wake()
elseif stopped then -- nobody wants it replayed
  record.reason = reason
  states.finish(now, id, 'cancelled', retention_ms, token)
else
  states.become(id, 'dead')
  record.token, record.at = token, whole_ms(now.wall)
  record.code, record.reason = 'in_doubt', reason
  redis.call('ZADD', key('dead'), whole_ms(now.wall), id)
  count('dead')
end
return 'resolved'
