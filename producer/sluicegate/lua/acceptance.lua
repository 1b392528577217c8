-- Acceptance: the provider has a message, whoever proves it, and whenever.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: accept, accept_late, is_second, note_doubts. Each takes the proof: id, provider_id,
--   token (of the settle that brings it; nil for a receipt), replayed (whether the provider knew
--   the key), bill (what the provider said of the message; bills.lua).
-- Keys touched: those of states.lua and corrections.lua, due, dead, doubts,
--   twice.
local key = part('sluicegate.account').key
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local corrections, states = part('sluicegate.corrections'), part('sluicegate.states')
local count, texts = part('sluicegate.counts').count, part('sluicegate.texts')
local num, whole_ms = texts.num, texts.whole_ms
local campaigns, guards = part('sluicegate.campaigns'), later('sluicegate.guards')

local take = part('sluicegate.costs').take

local MOST_TWICE = 10000 -- so many are kept for a person; the rest are only counted

local ENDED = { cancelled = true, expired = true, suppressed = true, purged = true }

-- What a proof says of the message's carrier and parts corrects what it counts there.
local function hear(now, record, proof)
  local bill = proof.bill or ''
  if bill == '' or proof.provider_id ~= record.provider_id then return end
  corrections.hear(now, record, record.bill or bill)
end

-- Accepted although an attempt before may have been (`maybe` of the record): where the provider did
-- not know the key, that had not reached it.
local function note_doubts(proof, maybe)
  if num(maybe, 0) > 0 and not proof.replayed then count('accepted_anew') end
end

-- `lane` is where the message comes from, nil where the record has it; `from` the state that it
-- was in, where that is not the record's.
local function accept(now, proof, retention_ms, lane, from)
  local record = records.get(proof.id)
  lane = lane or record.lane
  record.reason, record.code, record.answer, record.provider_id = nil, nil, nil, proof.provider_id
  if proof.replayed then count('replayed') end -- the provider had the message already
  states.know(proof.id, states.maybe_sent(record))
  local campaign = campaigns.of(proof.id)
  states.finish(now, proof.id, 'accepted', retention_ms, proof.token, from)
  take(now, record, proof, true, lane)
  if campaign and campaigns.facts(campaign).guards then
    guards().heard(now, campaign, 'accepted', { to = record.to, bill = record.bill })
  end
  hear(now, record, proof)
end

-- The provider has the message twice, under two ids: a person should know which one.
local function keep_second(now, id, record)
  count('sent_twice')
  if redis.call('HLEN', key('twice')) >= MOST_TWICE then return end
  local text = table.concat(
    { whole_ms(now.wall), record.to or '', record.provider_id, record.provider_id_2 }, '|')
  redis.call('HSET', key('twice'), id, text)
end

-- Whether this proof is the second of a message that the provider has twice.
local function is_second(proof) return records.get(proof.id).provider_id_2 == proof.provider_id end

-- A proof for a message that is accepted already. Returns whether it told anything new.
local function accept_again(now, id, record, provider_id)
  if not record.provider_id then -- a person knew that it was sent, but not under which id
    record.provider_id = provider_id
    return true
  elseif record.provider_id ~= provider_id and record.provider_id_2 ~= provider_id then
    record.provider_id_2 = provider_id
    keep_second(now, id, record)
    return true
  end
  return false
end

-- Also from a lease that ended long ago, and for a message that has ended otherwise since. Returns
-- whether it told anything new, and whether a cost.
local function accept_late(now, proof, retention_ms)
  local id = proof.id
  local record = records.get(id)
  if record.state == 'accepted' then
    local new = accept_again(now, id, record, proof.provider_id)
    local told = take(now, record, proof, false)
    hear(now, record, proof)
    return new, told
  end
  local lease = leases.get(id)
  local from = states.current(id, record.state, lease)
  record.ticket = record.ticket or lease and lease.ticket_text
  if ENDED[from] then
    count(from, -1)
    part('sluicegate.app_counts').tally(id, from, -1)
  end
  if lease and lease.started then
    records.add(record, 'attempts', 1) -- its own answer will find it ended, and charge nothing
  elseif lease then
    corrections.drop_grant(now, id, lease)
  end
  count('late')
  for _, set in ipairs({ 'due', 'doubts', 'dead' }) do redis.call('ZREM', key(set), id) end
  accept(now, proof, retention_ms, lease and lease.lane, from)
  return true, true
end

return {
  accept = accept, accept_late = accept_late, is_second = is_second, note_doubts = note_doubts,
}
