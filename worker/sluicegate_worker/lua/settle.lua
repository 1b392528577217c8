-- Settling: one attempt's outcome ends its lease and moves its message.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: settle.
-- Keys touched: those of acceptance.lua, halts.lua, senders.lua, rate_headers.lua, late.lua and
--   optout_changes.lua, due, dead, doubts.
--
-- kind      accepted | retry (in `delay` ms) | back (to the head of its lane, uncharged) | dead |
--           doubt (decided in `delay` ms, in a bulk lane in `bulk_delay`; -1: by a person) |
--           unused (its POST was never begun: back, and its slot is free again)
-- answers   applied, also where the lease had ended but the outcome still told something | stranger
--           (applied, but what should have stopped a level was the message's own fault, and it is
--           dead: nobody knows its sender) | stale (it told nothing)
-- A repeat of a settle is known by the lease's token in the record, and answered alike. Each path
-- begins with a write that frees, so that a full server can always settle. accepted.lua is asked
-- first, for nearly all are.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local parse_ticket = part('sluicegate.tickets').parse
local records, leases, count =
  part('sluicegate.records'), part('sluicegate.leases'), part('sluicegate.counts').count
local names = part('sluicegate.lane_names')
local halts, sender_queue = later('sluicegate.halts'), later('sluicegate_worker.sender_queue')
local corrections, states = part('sluicegate.corrections'), part('sluicegate.states')
local limits, recipient_ends = part('sluicegate.limits'), later('sluicegate.recipient_ends')
local campaigns, acceptance = part('sluicegate.campaigns'), part('sluicegate.acceptance')
local changes, late = later('sluicegate.optout_changes'), later('sluicegate.late')
local guards = later('sluicegate.guards')
local hear_attempt = part('sluicegate_worker.health').hear_attempt
local evidence, senders = part('sluicegate_worker.evidence'), part('sluicegate_worker.senders')
local report = part('sluicegate_worker.rate_headers').report
local num, ms, whole_ms = texts.num, texts.ms, texts.whole_ms
local call, max, min = redis.call, math.max, math.min

local DAY_MS = 86400000
local MANY_SENDERS = 3      -- with the same fault: then it is the account's
local MANY_REFUSALS = 2     -- of one recipient in a row: if there are more, they count

local function note_cause(record, outcome)
  record.code, record.reason = outcome.code, outcome.reason
  if outcome.answer ~= '' then record.answer = outcome.answer end
end

local function charge_free(record)
  if num(record.free, 0) < evidence.FREE then records.add(record, 'free', 1) end
end

local function charge_attempt(now, record, outcome, perhaps)
  if outcome.probing then
    charge_free(record)
  elseif not outcome.free then
    records.add(record, 'attempts', 1)
  end
  if perhaps then states.perhaps(outcome.id, 1) end
  record.at, record.token = whole_ms(now.wall), outcome.token
end

-- Whether so many known senders met the same fault, with no success between, that it is not theirs.
-- breaker.faults is that code and the senders: code|sender|sender.
local function many_senders(breaker, code, sender)
  local faults = breaker.faults
  if string.sub(faults, 1, #code + 1) ~= code .. '|' then faults = code .. '|' end
  if not string.find(faults .. '|', '|' .. sender .. '|', 1, true) then
    faults = faults .. '|' .. sender
  end
  breaker.faults = faults
  local _, bars = string.gsub(faults, '|', '')
  return bars > MANY_SENDERS
end

-- Whether what should stop a level is the fault of the message alone, since nobody knows its
-- sender. Where nobody at all is known yet, the account may be to blame for what all would meet;
-- and what version 0.1 had accepted may have been any sender's. A campaign's sender was chosen by a
-- person, for thousands: it stops instead, and nobody else.
local function is_strangers(outcome, lane)
  if outcome.halt == '' or names.campaign_in(lane) then return false end
  if senders.is_known(lane, outcome.profile) then return false end
  if outcome.halt == 'account' then return senders.is_any_known() end
  return not senders.has_forgotten()
end

-- The level that further messages would meet the same refusal on. Evidence for one that is wider
-- than the sender is only what known senders meet.
local function level_of(breaker, outcome, lane)
  local sender = names.sender_of(lane)
  local known, wide = senders.is_known(lane, outcome.profile), outcome.halt == 'account'
  if wide then
    wide = known or not senders.is_any_known()
  elseif outcome.halt == 'mms' and string.sub(lane, 2, 2) == 'm' then
    return 'mms:' .. sender -- its other messages would not meet it
  elseif known then
    wide = many_senders(breaker, outcome.code, sender)
  end
  return wide and 'account' or 'sender:' .. sender
end

-- That level stops, until outcome.halt_ends: '' (a person lifts it), midnight (UTC), or so many ms.
local function halt(now, breaker, outcome, lane)
  local level, ends = level_of(breaker, outcome, lane), outcome.halt_ends
  if ends == 'midnight' then
    ends = whole_ms((math.floor(now.wall / DAY_MS) + 1) * DAY_MS)
  elseif ends ~= '' then
    ends = whole_ms(now.wall + tonumber(ends))
  end
  halts().begin(now, level, ends, outcome.reason, names.app_of(lane))
end

local moves = {} -- by kind: what becomes of the message

function moves.retry(now, outcome, record, lane, ticket)
  charge_attempt(now, record, outcome, outcome.perhaps)
  note_cause(record, outcome)
  records.add(record, 'age', outcome.took + outcome.delay)
  states.become(outcome.id, 'retrying')
  record.lane, record.ticket = lane, ticket
  record.due = whole_ms(now.wall + outcome.delay)
  call('ZADD', key('due'), ms(now.wall + outcome.delay), outcome.id)
  count('retried')
end

-- Refused by the rate limit once more with nobody else between, by its sender's full queue, or for
-- what should stop a level but does not stop others: it is tried again later than others. Where
-- those are accepted, or nobody else is ever refused, it counts as an attempt, once the free ones
-- are used up.
local function refuse(now, outcome, record, lane, ticket)
  if outcome.full and not outcome.lone then
    sender_queue().hold_full(now, lane, outcome.refusals == 1)
  end
  local counts = outcome.lone or outcome.refusals > MANY_REFUSALS
  outcome.probing = not counts or num(record.free, 0) < evidence.FREE
  if outcome.last and not outcome.probing then
    local attempts = whole_ms(num(record.attempts, 0) + 1)
    outcome.reason = 'gave up after ' .. attempts .. ' attempts: ' .. outcome.reason
    return moves.dead(now, outcome, record, lane, ticket)
  end
  outcome.delay = outcome.delay + (outcome.full and sender_queue().FULL_MS or max(outcome.wait, 0))
  moves.retry(now, outcome, record, lane, ticket)
end

function moves.back(now, outcome, record, lane, ticket, breaker)
  if outcome.throttled then count('throttled') end
  local again = outcome.refusals and outcome.refusals > 1
  if outcome.refusals and (outcome.full or outcome.lone or again and outcome.throttled) then
    return refuse(now, outcome, record, lane, ticket)
  end
  if outcome.throttled and outcome.refusals then charge_free(record) end
  states.become(outcome.id, 'waiting')
  record.token = outcome.token
  if outcome.reason ~= '' then record.code, record.reason = outcome.code, outcome.reason end
  if outcome.perhaps then states.perhaps(outcome.id, 1) end
  states.put_back(now, outcome.id, lane, ticket)
  if outcome.halt ~= '' then halt(now, breaker, outcome, lane) end
  if outcome.full then sender_queue().hold_full(now, lane, true) end
end

function moves.dead(now, outcome, record, lane, ticket)
  local to, now_ms = parse_ticket(ticket).to, whole_ms(now.wall)
  if outcome.opted_out then
    local reason = { since = now_ms, source = 'provider', profile = '', act = 'provider' }
    changes().add(now.wall, to, reason, '{}')
  end
  charge_attempt(now, record, outcome, outcome.perhaps)
  note_cause(record, outcome)
  states.become(outcome.id, 'dead')
  record.to, record.lane, record.ticket = to, lane, ticket
  call('ZADD', key('dead'), now_ms, outcome.id)
  count('dead')
  local campaign = campaigns.of(outcome.id)
  local guarded = campaign and campaigns.facts(campaign).guards
  if guarded then guards().heard(now, campaign, 'dead', { to = to, code = outcome.code }) end
end

function moves.doubt(now, outcome, record, lane, ticket)
  charge_attempt(now, record, outcome, true)
  note_cause(record, outcome)
  records.add(record, 'age', outcome.took)
  states.become(outcome.id, 'in_doubt')
  record.lane, record.ticket = lane, ticket
  local bulk = string.sub(lane, 1, 1) == 'b' and outcome.bulk_delay >= 0
  local delay = bulk and outcome.bulk_delay or outcome.delay
  local held = outcome.delay < 0 or record.cancel_at
  local decided = held and '+inf' or ms(now.wall + delay)
  call('ZADD', key('doubts'), decided, outcome.id)
  count('in_doubt')
end

-- Nothing of a message was ever POSTed: its text may have been revised by its next turn.
local function forget_request(id, record)
  local untouched = num(record.attempts, 0) == 0 and num(record.maybe, 0) == 0
    and num(record.maybe_before, 0) == 0 and not record.history
  if campaigns.of(id) and untouched and not record.content then
    record.request, record.key_at, record.version = nil, nil, nil
  end
end

function moves.unused(now, outcome, record, lane, ticket)
  if record.state then -- a recipient that was never started has no record
    states.become(outcome.id, 'waiting')
    record.token = outcome.token
    forget_request(outcome.id, record)
  end
  states.put_back(now, outcome.id, lane, ticket)
  count('unused')
end

-- Cancelled while its POST was under way, and to be sent again: it ends instead.
local function end_cancelled(now, outcome, record, retention_ms)
  if record.state ~= 'waiting' and record.state ~= 'retrying' then return end
  call('ZREM', key('due'), outcome.id) -- its ticket in a lane is void, since the record decides
  states.finish(now, outcome.id, 'cancelled', retention_ms, outcome.token)
end

local function move(now, breaker, outcome, record, lane, ticket, retention_ms)
  if outcome.kind == 'accepted' then
    records.add(record, 'attempts', 1)
    acceptance.note_doubts(outcome, record.maybe)
    record.ticket = record.ticket or ticket
    acceptance.accept(now, outcome, retention_ms, lane)
    senders.note_accepted(now, lane, outcome.profile)
    sender_queue().hold(now, lane, outcome.hold)
    breaker.faults = ''
  else
    moves[outcome.kind](now, outcome, record, lane, ticket, breaker)
    if record.cancel_at then end_cancelled(now, outcome, record, retention_ms) end
  end
end

-- The lease is not this attempt's, or a receipt has ended its message meanwhile.
local function too_late(now, outcome, state, retention_ms)
  if outcome.kind == 'accepted' and state then
    acceptance.accept_late(now, outcome, retention_ms)
    return acceptance.is_second(outcome) and 'twice' or 'applied'
  end
  if outcome.kind == 'accepted' and late().set_aside('settle:' .. outcome.token, outcome.id,
    outcome.provider_id, '', whole_ms(now.wall), '', outcome.bill or '') then return 'applied' end
  -- A recipient that was never started has no record to know a repeat by, and nothing to tell.
  local unstarted = outcome.kind == 'unused' and not state and campaigns.of(outcome.id)
  return unstarted and 'applied' or 'stale'
end

-- What an attempt says of the provider, and what of its message alone: sets the outcome's lone,
-- refusals and probing, and returns whether the provider is to be heard in it.
local function hear(now, breaker, outcome, lease, record)
  local halting = outcome.halt ~= ''
  local function is_stranger()
    return evidence.is_well(now, breaker) and not senders.is_known(lease.lane, outcome.profile)
  end
  if outcome.kind == 'accepted' then
    evidence.hear_success(now, breaker, outcome.id, lease)
  elseif outcome.throttled or outcome.full or halting then
    outcome.lone, outcome.refusals = evidence.hear_refusal(now, breaker, lease, halting)
    outcome.lone = outcome.lone or outcome.throttled and is_stranger()
  elseif outcome.failing then
    outcome.lone = evidence.hear_failure(now, breaker, outcome.id, record, lease) or is_stranger()
    -- One that was sent to find out costs no attempt.
    outcome.probing = outcome.kind == 'retry' and breaker.state ~= 'closed' and not outcome.lone
      and num(record.free, 0) < evidence.FREE
  end
  local said = outcome.reason ~= '' and outcome.reason or outcome.code
  hear_attempt(now, breaker, outcome.heard, outcome.failing, outcome.failing and outcome.lone, said)
  return outcome.heard and not (outcome.refusals and outcome.lone)
end

-- What is said of a lease that nobody knows to be started: that its message can't be made, which
-- tells nothing of the provider; or of an attempt, whose start a server lost with its last writes.
local function tells_of_attempt(outcome)
  return outcome.heard or outcome.perhaps or outcome.kind == 'accepted' or outcome.kind == 'doubt'
end

-- An attempt whose start is lost began at its slot.
local function assume_started(now, lease, record)
  local started = min(lease.slot, now.steady)
  lease.started = started
  record.to = record.to or leases.ticket(lease).to
  record.key_at = record.key_at or whole_ms(now.wall - (now.steady - started))
end

-- The lease ends, and what its attempt says is heard.
local function end_lease(now, bucket, breaker, outcome, lease, record)
  local id, kind = outcome.id, outcome.kind
  local tried = kind ~= 'unused' and (lease.started or tells_of_attempt(outcome))
  if not tried then return corrections.drop_grant(now, id, lease) end
  if not lease.started then assume_started(now, lease, record) end
  leases.drop(id)
  states.note_attempt(now, id, lease, outcome.took, kind, outcome.code)
  if hear(now, breaker, outcome, lease, record) then report(now, bucket, lease, outcome) end
  local refused = kind == 'retry' or kind == 'back' or kind == 'dead'
  if refused and not outcome.perhaps then
    corrections.refund_cap(now, lease)
    if limits.get('recipient') then recipient_ends().release(now, id, lease) end
  else
    if kind ~= 'accepted' and limits.get('recipient') then recipient_ends().keep(id, lease) end
    if leases.is_carried(lease) then
      corrections.keep(now, record, corrections.correct(now, lease, outcome.bill))
    end
  end
end

-- What was in doubt has an outcome after all.
local function resolve(now, breaker, outcome, record, retention_ms)
  call('ZREM', key('doubts'), outcome.id)
  count('resolved')
  records.add(record, 'attempts', -1) -- the attempt was charged when it went in doubt
  states.perhaps(outcome.id, -1)
  if outcome.kind ~= 'accepted' and not outcome.perhaps then corrections.keep(now, record, nil) end
  local surely_not = outcome.kind ~= 'accepted' and num(record.maybe, 0) == 0
  if surely_not and not outcome.perhaps and limits.get('recipient') then
    recipient_ends().resolve(now, outcome.id, record.lane, record.to)
  end
  move(now, breaker, outcome, record, record.lane, record.ticket, retention_ms)
end

-- outcome: as step.lua reads it.
local function settle(now, bucket, breaker, outcome, retention_ms)
  local id, kind = outcome.id, outcome.kind
  local lease = leases.get(id)
  local record = records.get(id)
  local token, state = record.token, record.state
  if lease and lease.token == outcome.token then
    local strangers = is_strangers(outcome, lease.lane)
    if strangers then outcome.kind, outcome.halt = 'dead', '' end
    end_lease(now, bucket, breaker, outcome, lease, record)
    if campaigns.state_of(id, state) ~= 'waiting' then
      return too_late(now, outcome, state, retention_ms)
    end
    move(now, breaker, outcome, record, lease.lane, lease.ticket_text, retention_ms)
    return strangers and 'stranger' or 'applied'
  end
  if token == outcome.token and state == 'in_doubt' and kind ~= 'doubt' then
    resolve(now, breaker, outcome, record, retention_ms)
    return 'applied'
  end
  local repeated = token == outcome.token and (kind ~= 'accepted' or state == 'accepted')
  if repeated and outcome.halt ~= '' and state == 'dead' then return 'stranger' end
  return repeated and 'applied' or too_late(now, outcome, state, retention_ms)
end

return { settle = settle }
