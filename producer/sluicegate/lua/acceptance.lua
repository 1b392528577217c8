-- Acceptance: the provider has a message, whoever proves it, and whenever.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: accept, accept_late. Both take the proof: id, provider_id, token (of the settle that
--   brings it; nil for a receipt), replayed (whether the provider knew the key).
-- Keys touched: those of states.lua and charges.lua, due, dead, doubts.
local key = part('sluicegate.account').key
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local charges, states = part('sluicegate.charges'), part('sluicegate.states')
local count = part('sluicegate.counts').count

local ENDED = { cancelled = true, expired = true, suppressed = true, purged = true }

local function accept(now, proof, retention_ms, from)
  local record = records.get(proof.id)
  record.reason, record.code, record.answer, record.provider_id = nil, nil, nil, proof.provider_id
  if proof.replayed then count('replayed') end -- the provider had the message already
  states.know(proof.id, states.maybe_sent(record))
  states.finish(now, proof.id, 'accepted', retention_ms, proof.token, from)
end

-- A proof for a message that is accepted already. Returns whether it told anything new.
local function accept_again(record, provider_id)
  if not record.provider_id then -- a person knew that it was sent, but not under which id
    record.provider_id = provider_id
    return true
  elseif record.provider_id ~= provider_id and record.provider_id_2 ~= provider_id then
    record.provider_id_2 = provider_id
    count('sent_twice')
    return true
  end
  return false
end

-- Also from a lease that ended long ago, and for a message that has ended otherwise since. Returns
-- whether it told anything new.
local function accept_late(now, proof, retention_ms)
  local id = proof.id
  local record = records.get(id)
  if record.state == 'accepted' then return accept_again(record, proof.provider_id) end
  local lease = leases.get(id)
  local from = states.current(id, record.state, lease)
  if ENDED[from] then count(from, -1) end
  if lease and lease.started then
    records.add(record, 'attempts', 1) -- its own answer will find it ended, and charge nothing
  elseif lease then
    charges.drop_grant(now, id, lease)
  end
  count('late')
  for _, set in ipairs({ 'due', 'doubts', 'dead' }) do redis.call('ZREM', key(set), id) end
  accept(now, proof, retention_ms, from)
  return true
end

return { accept = accept, accept_late = accept_late }
