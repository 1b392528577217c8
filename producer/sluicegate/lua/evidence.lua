-- Evidence that the provider accepted a message: it counts whoever brings it, and whenever.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines accept() and accept_late().
-- Keys touched: those of books.lua, due, dead, doubts.
-- e: id, provider_id, token (of the settle that brings it; nil for a receipt), replayed.

local ENDED = { cancelled = true, expired = true, suppressed = true, purged = true }

local function accept(c, e, retention_ms, from)
  local m = record(e.id)
  m.reason, m.code, m.answer, m.provider_id = nil, nil, nil, e.provider_id
  if e.replayed then count('replayed') end -- the provider knew the key: it had the message already
  finish(c, e.id, 'accepted', retention_ms, e.token, from)
end

-- Also from a lease that ended long ago, and for a message that has ended otherwise since. Returns whether
-- it told anything new.
local function accept_late(c, e, retention_ms)
  local m = record(e.id)
  if m.state == 'accepted' then
    if not m.provider_id then -- a person knew that it was sent, and not as what
      m.provider_id = e.provider_id
      return true
    elseif m.provider_id ~= e.provider_id and m.provider_id_2 ~= e.provider_id then
      m.provider_id_2 = e.provider_id
      count('sent_twice')
      return true
    end
    return false
  end
  local lease = read_lease(e.id)
  local from = state_now(e.id, m.state, lease)
  if ENDED[from] then count(from, -1) end
  if lease and lease.started then
    add_to(m, 'attempts', 1) -- its own answer will find it ended, and charge nothing
  elseif lease then
    drop_grant(c, e.id, lease)
  end
  count('late')
  for _, waits in ipairs({ 'due', 'doubts', 'dead' }) do redis.call('ZREM', key(waits), e.id) end
  accept(c, e, retention_ms, from)
  return true
end
