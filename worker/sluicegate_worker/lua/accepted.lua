-- Accepted: what nearly every settle comes to, in two commands.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: settle.
-- Keys touched: those of settle.lua, which deals with all other outcomes; of events.lua.
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local campaigns, states = part('sluicegate.campaigns'), later('sluicegate.states')
local guards = later('sluicegate.guards')
local texts, acceptance = part('sluicegate.texts'), later('sluicegate.acceptance')
local counts, tally_app = part('sluicegate.counts'), part('sluicegate.app_counts').tally
local with_attempt = part('sluicegate.history').with_attempt
local hear_attempt = part('sluicegate_worker.health').hear_attempt
local evidence = later('sluicegate_worker.evidence')
local sender_queue = later('sluicegate_worker.sender_queue')
local note_accepted = part('sluicegate_worker.senders').note_accepted
local report = part('sluicegate_worker.rate_headers').report
local take_at_once, keep = part('sluicegate.costs').take_at_once, part('sluicegate.retention').keep
local limits, rules = part('sluicegate.limits'), later('sluicegate.recipient_rules')
local events = later('sluicegate.events')
local settling, corrections = later('sluicegate_worker.settle'), later('sluicegate.corrections')
local num, whole_ms, count = texts.num, texts.whole_ms, counts.count
local limited, listened = limits.get('recipient'), limits.get('events')
local match = string.match

-- What is stored of a bill: nothing that says nothing; and what the message counts for its carrier.
local function billing(bill, billed, at_brand)
  if at_brand then return 'at_brand', at_brand, billing(bill, billed) end
  if bill == '' then return 'billed', billed end
  if billed then return 'bill', bill, 'billed', billed end
  return 'bill', bill
end

-- Accepted at its own lease's end. Returns false where it is not that.
local function accepted_at_once(now, bucket, breaker, outcome, lease, retention_ms)
  local id = outcome.id
  local own = lease and lease.started and lease.token == outcome.token
  if not own or outcome.kind ~= 'accepted' or not outcome.heard or records.is_loaded(id) then
    return false
  end
  local state, history, lane = unpack(records.look(id, 'state', 'history', 'lane'))
  if state ~= 'waiting' then return false end
  local attempts, maybe, before
  if lane or history then -- it was tried before, or set by
    attempts, maybe, before = unpack(records.look(id, 'attempts', 'maybe', 'maybe_before'))
  end
  local carried = leases.is_carried(lease)
  if carried and num(maybe, 0) > 0 then return false end -- an attempt before may count as well
  leases.drop(id)
  breaker.succeeded = now.wall
  -- Nearly always there is nothing against anybody.
  if breaker.suspects ~= '' or breaker.refused ~= '' or breaker.culprit == id then
    evidence().hear_success(now, breaker, id, lease)
  end
  hear_attempt(now, breaker, true, outcome.failing)
  report(now, bucket, lease, outcome)
  if lane or history then
    records.clear(id, 'content', 'request', 'lane', 'ticket', 'reason', 'code', 'answer')
  else -- no more is there
    records.clear(id, 'content', 'request')
  end
  local rule = limited and rules().rule_of(lease.lane)
  if rule and rule.same > 0 then records.clear(id, 'text') end
  records.put(id, 'state', 'accepted', 'at', whole_ms(now.wall), 'token', outcome.token,
    'provider_id', outcome.provider_id, 'attempts', (tonumber(attempts) or 0) + 1,
    'history', with_attempt(now, history, lease, outcome.took, 'accepted', outcome.code, true),
    billing(outcome.bill, take_at_once(now, id, lease.lane, outcome.bill),
      carried and corrections().correct(now, lease, outcome.bill)))
  local campaign = campaigns.of(id)
  if campaign then
    counts.tally(campaign, 'waiting', 'accepted')
    local segments = tonumber(match(lease.ticket_text, '|(%d+)|')) or 1
    counts.add('ledger:' .. campaign, 'segments', segments)
    if campaigns.facts(campaign).guards then
      local to = leases.ticket(lease).to
      guards().heard(now, campaign, 'accepted', { to = to, bill = outcome.bill })
    end
  else
    keep(id, retention_ms)
  end
  if listened then events().of_accepted(outcome, lease, leases.ticket(lease).to) end
  if outcome.replayed then count('replayed') end
  if maybe or before then
    acceptance().note_doubts(outcome, maybe)
    states().know(id, num(maybe, 0) + num(before, 0) > 0)
  end
  count('accepted')
  tally_app(id, 'accepted', 1)
  note_accepted(now, lease.lane, outcome.profile)
  if outcome.hold > 0 then sender_queue().hold(now, lease.lane, outcome.hold) end
  breaker.faults = ''
  return true
end

-- outcome: as step.lua reads it. Returns the answer.
local function settle(now, bucket, breaker, outcome, retention_ms)
  local lease = leases.get(outcome.id)
  if accepted_at_once(now, bucket, breaker, outcome, lease, retention_ms) then return 'applied' end
  return settling().settle(now, bucket, breaker, outcome, retention_ms)
end

return { settle = settle }
