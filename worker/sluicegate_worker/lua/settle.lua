-- Settling: one attempt's outcome ends its lease and moves its message.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines settle().
-- Keys touched: those of books.lua, leases, granted, started, log, lane:*, ready:*, due, dead, doubts, halts, totals, bucket.
--
-- kind      accepted | retry (in s.delay ms) | back (to the head of its lane, uncharged) | dead | doubt (decided
--           in s.delay ms; -1: by a person) | unused (its POST was never begun: back, and its slot is free again)
-- answers   applied, also where the lease had ended but the outcome still told something | stale (it told nothing)
-- A repeat of a settle is known by the lease's token in the record, and answered alike.
-- Each path begins with a write that frees, so that a full server can always settle.

local function forget_waits(id)
  redis.call('ZREM', key('due'), id)
  redis.call('ZREM', key('doubts'), id)
  redis.call('ZREM', key('dead'), id)
end

local function note(m, s)
  redis.call('HSET', m, 'code', s.code, 'reason', s.reason)
  if s.answer ~= '' then redis.call('HSET', m, 'answer', s.answer) end
end

local function accept(c, s, m, retention_ms, from)
  forget_waits(s.id)
  redis.call('HDEL', m, 'reason', 'code', 'answer')
  redis.call('HSET', m, 'provider_id', s.provider_id)
  if s.replayed then count('replayed') end -- the provider knew the key: it had the message already
  finish(c, s.id, 'accepted', retention_ms, s.token, from)
end

local ENDED = { cancelled = true, expired = true, suppressed = true, purged = true }

-- Acceptance is evidence whoever brings it and whenever: even from a lease that ended long ago.
local function accept_late(c, s, m, retention_ms)
  local was = redis.call('HMGET', m, 'state', 'provider_id', 'provider_id_2')
  if was[1] == 'accepted' then
    if not was[2] then -- a person knew that it was sent, and not as what
      redis.call('HSET', m, 'provider_id', s.provider_id)
    elseif was[2] ~= s.provider_id and was[3] ~= s.provider_id then
      redis.call('HSET', m, 'provider_id_2', s.provider_id)
      count('sent_twice')
    end
    return 'applied'
  end
  local lease = read_lease(s.id)
  local from = state_now(s.id, was[1], lease)
  if ENDED[from] then count(from, -1) end
  if lease and not lease.started then drop_grant(s.id, lease) end
  count('late')
  accept(c, s, m, retention_ms, from)
  return 'applied'
end

local function charge(c, s, m, perhaps)
  if not s.free then redis.call('HINCRBY', m, 'attempts', 1) end
  if perhaps then redis.call('HINCRBY', m, 'maybe', 1) end
  redis.call('HSET', m, 'at', whole_ms(c.wall), 'token', s.token)
end

local function retry(c, s, m, lane, ticket)
  charge(c, s, m, s.perhaps)
  note(m, s)
  redis.call('HINCRBY', m, 'age', string.format('%.0f', s.took + s.delay))
  become(s.id, 'retrying')
  redis.call('HSET', m, 'lane', lane, 'ticket', ticket)
  redis.call('ZADD', key('due'), ms(c.wall + s.delay), s.id)
  count('retried')
end

local function back(c, s, m, lane, ticket)
  become(s.id, 'waiting')
  redis.call('HSET', m, 'token', s.token)
  if s.reason ~= '' then redis.call('HSET', m, 'code', s.code, 'reason', s.reason) end
  if s.perhaps then redis.call('HINCRBY', m, 'maybe', 1) end
  put_back(c, s.id, lane, ticket)
  if s.throttled then count('throttled') end
  if s.halt ~= '' then redis.call('HSETNX', key('halts'), s.halt, s.halt_until .. '|' .. s.reason) end
end

local function dead(c, s, m, lane, ticket)
  charge(c, s, m, s.perhaps)
  note(m, s)
  become(s.id, 'dead')
  redis.call('HSET', m, 'to', read_ticket(ticket).to, 'lane', lane, 'ticket', ticket)
  redis.call('ZADD', key('dead'), whole_ms(c.wall), s.id)
  count('dead')
end

local function doubt(c, s, m, lane, ticket)
  charge(c, s, m, true)
  note(m, s)
  redis.call('HINCRBY', m, 'age', string.format('%.0f', s.took))
  become(s.id, 'in_doubt')
  redis.call('HSET', m, 'lane', lane, 'ticket', ticket)
  redis.call('ZADD', key('doubts'), s.delay < 0 and '+inf' or ms(c.wall + s.delay), s.id)
  count('in_doubt')
end

local function unused(c, s, m, lane, ticket)
  if redis.call('EXISTS', m) == 1 then
    become(s.id, 'waiting')
    redis.call('HSET', m, 'token', s.token)
  end
  put_back(c, s.id, lane, ticket)
  count('unused')
end

local MOVES = { retry = retry, back = back, dead = dead, doubt = doubt, unused = unused }

local function move(c, s, m, lane, ticket, retention_ms)
  if s.kind == 'accepted' then
    redis.call('HINCRBY', m, 'attempts', 1)
    accept(c, s, m, retention_ms)
  else
    MOVES[s.kind](c, s, m, lane, ticket)
  end
end

-- The lease is not this attempt's, or evidence has ended its message meanwhile.
local function too_late(c, s, m, state, retention_ms)
  if s.kind == 'accepted' and state then return accept_late(c, s, m, retention_ms) end
  -- A recipient that was never started has no record to know a repeat by, and nothing to tell.
  return s.kind == 'unused' and not state and campaign_of(s.id) and 'applied' or 'stale'
end

local function settle(c, b, s, retention_ms)
  local m = key('m:' .. s.id)
  local was = redis.call('HMGET', m, 'token', 'state', 'lane', 'ticket')
  local token, state = was[1], was[2]
  local lease = read_lease(s.id)
  if lease and lease.token == s.token then
    if lease.started and s.kind ~= 'unused' then
      drop_lease(s.id, lease)
      if s.heard then report(c, b, lease, s) end
    else
      drop_grant(s.id, lease)
    end
    if state_of(s.id, state) ~= 'waiting' then return too_late(c, s, m, state, retention_ms) end
    move(c, s, m, lease.lane, lease.ticket, retention_ms)
    return 'applied'
  end
  if token == s.token and state == 'in_doubt' and s.kind ~= 'doubt' then
    redis.call('ZREM', key('doubts'), s.id)
    count('resolved')
    redis.call('HINCRBY', m, 'attempts', -1) -- the attempt was charged when it went in doubt
    redis.call('HINCRBY', m, 'maybe', -1)
    move(c, s, m, was[3], was[4], retention_ms)
    return 'applied'
  end
  if token == s.token and (s.kind ~= 'accepted' or state == 'accepted') then return 'applied' end
  return too_late(c, s, m, state, retention_ms)
end
