-- Settling: one attempt's outcome ends its lease and moves its message.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines settle().
-- Keys touched: those of evidence.lua, due, dead, doubts, halts, bucket.
--
-- kind      accepted | retry (in s.delay ms) | back (to the head of its lane, uncharged) | dead | doubt (decided
--           in s.delay ms; -1: by a person) | unused (its POST was never begun: back, and its slot is free again)
-- answers   applied, also where the lease had ended but the outcome still told something | stale (it told nothing)
-- A repeat of a settle is known by the lease's token in the record, and answered alike.
-- Each path begins with a write that frees, so that a full server can always settle.
local settle
do -- what follows stays within: a script has room for 200 names

local LEAST_HOLD_MS = 1000  -- a shorter queue at the provider is no reason to slow down
local MAX_HOLD_MS = 900000
local FULL_MS = 30000
local MANY_SENDERS = 3       -- with the same fault: then it is the account's

local function note(m, s)
  m.code, m.reason = s.code, s.reason
  if s.answer ~= '' then m.answer = s.answer end
end

local function charge(c, s, m, perhaps)
  if not s.free then add_to(m, 'attempts', 1) end
  if perhaps then add_to(m, 'maybe', 1) end
  m.at, m.token = whole_ms(c.wall), s.token
end

local function retry(c, s, m, lane, ticket)
  charge(c, s, m, s.perhaps)
  note(m, s)
  add_to(m, 'age', s.took + s.delay)
  become(s.id, 'retrying')
  m.lane, m.ticket = lane, ticket
  redis.call('ZADD', key('due'), ms(c.wall + s.delay), s.id)
  count('retried')
end

-- Whether so many senders met the same fault, with no success between, that it is not theirs. br.faults is
-- that code and the senders: code|sender|sender.
local function many_senders(br, code, sender)
  if string.sub(br.faults, 1, #code + 1) ~= code .. '|' then br.faults = code .. '|' end
  if not string.find(br.faults .. '|', '|' .. sender .. '|', 1, true) then br.faults = br.faults .. '|' .. sender end
  local _, senders = string.gsub(br.faults, '|', '')
  return senders > MANY_SENDERS
end

-- The level that further messages would meet the same refusal on stops, until s.halt_ends: '' (a person
-- lifts it), midnight (UTC), or so many ms. The first cause is kept.
local function halt(c, br, s, lane)
  local level = s.halt == 'sender' and 'sender:' .. sender_of(lane) or s.halt
  if s.halt == 'sender' and many_senders(br, s.code, sender_of(lane)) then level = 'account' end
  local ends = ''
  if s.halt_ends == 'midnight' then
    ends = whole_ms((math.floor(c.wall / DAY_MS) + 1) * DAY_MS)
  elseif s.halt_ends ~= '' then
    ends = whole_ms(c.wall + tonumber(s.halt_ends))
  end
  redis.call('HSETNX', key('halts'), level, ends .. '|' .. s.reason)
  halts = nil
end

-- The provider queues the sender's messages: it waits until that queue is worked off.
local function hold(c, s, lane)
  if s.hold < LEAST_HOLD_MS then return end
  local level = 'sender:' .. sender_of(lane)
  use(level, math.max(used_until(level), c.steady + math.min(s.hold, MAX_HOLD_MS)))
end

-- That queue is full: it waits, and twice as long each time that it finds it full again.
local function hold_full(c, s, lane)
  local level = 'full:' .. sender_of(lane)
  local ends, length = string.match(usage(level) or '', '^(%S+) (%S+)$')
  ends, length = num(ends, -math.huge), num(length, 0)
  if c.steady < ends then return end -- of one burst of refusals only the first counts
  length = c.steady <= ends + length and math.min(2 * length, MAX_HOLD_MS) or FULL_MS
  use(level, ms(c.steady + length) .. ' ' .. ms(length))
  s.hold = length
  hold(c, s, lane)
end

local function back(c, s, m, lane, ticket, br)
  become(s.id, 'waiting')
  m.token = s.token
  if s.reason ~= '' then m.code, m.reason = s.code, s.reason end
  if s.perhaps then add_to(m, 'maybe', 1) end
  put_back(c, s.id, lane, ticket)
  if s.throttled then count('throttled') end
  if s.halt ~= '' then halt(c, br, s, lane) end
  if s.full then hold_full(c, s, lane) end
end

local function dead(c, s, m, lane, ticket)
  local to = read_ticket(ticket).to
  if s.opted_out then redis.call('HSETNX', key('optouts'), to, whole_ms(c.wall) .. ' provider') end
  charge(c, s, m, s.perhaps)
  note(m, s)
  become(s.id, 'dead')
  m.to, m.lane, m.ticket = to, lane, ticket
  redis.call('ZADD', key('dead'), whole_ms(c.wall), s.id)
  count('dead')
end

local function doubt(c, s, m, lane, ticket)
  charge(c, s, m, true)
  note(m, s)
  add_to(m, 'age', s.took)
  become(s.id, 'in_doubt')
  m.lane, m.ticket = lane, ticket
  redis.call('ZADD', key('doubts'), s.delay < 0 and '+inf' or ms(c.wall + s.delay), s.id)
  count('in_doubt')
end

local function unused(c, s, m, lane, ticket)
  if m.state then -- a recipient that was never started has no record
    become(s.id, 'waiting')
    m.token = s.token
  end
  put_back(c, s.id, lane, ticket)
  count('unused')
end

local REFUSED = { retry = true, back = true, dead = true }
local MOVES = { retry = retry, back = back, dead = dead, doubt = doubt, unused = unused }

local function move(c, br, s, m, lane, ticket, retention_ms)
  if s.kind == 'accepted' then
    add_to(m, 'attempts', 1)
    accept(c, s, retention_ms)
    hold(c, s, lane)
    br.faults = ''
  else
    MOVES[s.kind](c, s, m, lane, ticket, br)
  end
end

-- The lease is not this attempt's, or evidence has ended its message meanwhile.
local function too_late(c, s, state, retention_ms)
  if s.kind == 'accepted' and state then
    accept_late(c, s, retention_ms)
    return 'applied'
  end
  -- A recipient that was never started has no record to know a repeat by, and nothing to tell.
  return s.kind == 'unused' and not state and campaign_of(s.id) and 'applied' or 'stale'
end

-- What nearly every message comes to, as `move` does it but in two commands: accepted at its own lease's end. False
-- where it is not that.
local function accepted_at_once(c, b, br, s, lease, retention_ms)
  local own = lease and lease.started and lease.token == s.token
  if not own or s.kind ~= 'accepted' or not s.heard or records[s.id] then return false end
  local r, name = look(s.id, 'state', 'attempts', 'history'), campaign_of(s.id)
  if r[1] ~= 'waiting' then return false end
  drop_lease(s.id)
  hear_attempt(c, br, true, s.failing)
  report(c, b, lease, s)
  redis.call('HDEL', MESSAGE .. s.id, 'content', 'request', 'lane', 'ticket', 'reason', 'code', 'answer')
  put(s.id, 'state', 'accepted', 'at', whole_ms(c.wall), 'token', s.token, 'provider_id', s.provider_id,
    'attempts', num(r[2], 0) + 1,
    'history', with_attempt(c, r[3], lease, s.took, s.kind, s.code, HISTORY_BYTES))
  if name then tally(name, 'waiting', 'accepted') else redis.call('PEXPIRE', MESSAGE .. s.id, retention_ms) end
  if s.replayed then count('replayed') end
  count('accepted')
  hold(c, s, lease.lane)
  br.faults = ''
  return true
end

function settle(c, b, br, s, retention_ms)
  local lease = read_lease(s.id)
  if accepted_at_once(c, b, br, s, lease, retention_ms) then return 'applied' end
  local m = record(s.id)
  local token, state = m.token, m.state
  if lease and lease.token == s.token then
    if lease.started and s.kind ~= 'unused' then
      drop_lease(s.id)
      note_attempt(c, s.id, lease, s.took, s.kind, s.code)
      s.free = s.free or s.kind == 'retry' and s.failing and br.state ~= 'closed' -- it was sent to find out
      hear_attempt(c, br, s.heard, s.failing)
      if s.heard then report(c, b, lease, s) end
      if REFUSED[s.kind] and not s.perhaps then refund_cap(c, lease) end
    else
      drop_grant(c, s.id, lease)
    end
    if state_of(s.id, state) ~= 'waiting' then return too_late(c, s, state, retention_ms) end
    move(c, br, s, m, lease.lane, lease.ticket, retention_ms)
    return 'applied'
  end
  if token == s.token and state == 'in_doubt' and s.kind ~= 'doubt' then
    redis.call('ZREM', key('doubts'), s.id)
    count('resolved')
    add_to(m, 'attempts', -1) -- the attempt was charged when it went in doubt
    add_to(m, 'maybe', -1)
    move(c, br, s, m, m.lane, m.ticket, retention_ms)
    return 'applied'
  end
  if token == s.token and (s.kind ~= 'accepted' or state == 'accepted') then return 'applied' end
  return too_late(c, s, state, retention_ms)
end

end
