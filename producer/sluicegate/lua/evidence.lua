-- Evidence that the provider accepted a message: it counts whoever brings it, and whenever.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines accept() and accept_late().
-- Keys touched: those of books.lua, due, dead, doubts.
-- e: id, provider_id, token (of the settle that brings it; nil for a receipt), replayed.

local ENDED = { cancelled = true, expired = true, suppressed = true, purged = true }

local function forget_waits(id)
  redis.call('ZREM', key('due'), id)
  redis.call('ZREM', key('doubts'), id)
  redis.call('ZREM', key('dead'), id)
end

local function accept(c, e, retention_ms, from)
  local m = key('m:' .. e.id)
  forget_waits(e.id)
  redis.call('HDEL', m, 'reason', 'code', 'answer')
  redis.call('HSET', m, 'provider_id', e.provider_id)
  if e.replayed then count('replayed') end -- the provider knew the key: it had the message already
  finish(c, e.id, 'accepted', retention_ms, e.token, from)
end

-- Also from a lease that ended long ago, and for a message that has ended otherwise since. Returns whether
-- it told anything new.
local function accept_late(c, e, retention_ms)
  local m = key('m:' .. e.id)
  local was = redis.call('HMGET', m, 'state', 'provider_id', 'provider_id_2')
  if was[1] == 'accepted' then
    if not was[2] then -- a person knew that it was sent, and not as what
      redis.call('HSET', m, 'provider_id', e.provider_id)
      return true
    elseif was[2] ~= e.provider_id and was[3] ~= e.provider_id then
      redis.call('HSET', m, 'provider_id_2', e.provider_id)
      count('sent_twice')
      return true
    end
    return false
  end
  local lease = read_lease(e.id)
  local from = state_now(e.id, was[1], lease)
  if ENDED[from] then count(from, -1) end
  if lease and lease.started then
    redis.call('HINCRBY', m, 'attempts', 1) -- its own answer will find it ended, and charge nothing
  elseif lease then
    drop_grant(c, e.id, lease)
  end
  count('late')
  accept(c, e, retention_ms, from)
  return true
end
