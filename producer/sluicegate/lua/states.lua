-- States: how a message moves from one to the next, and what its campaign's ledger says of it.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: current, stopped, maybe_sent, which only read; become, perhaps, know, note_attempt,
--   finish, end_waiting, put_back, set_by, run_again.
-- Keys touched: those of records.lua, counts.lua, lanes.lua and events.lua, campaign:<name>,
--   running, hours_due, unsent:*.
--
-- A campaign's recipient has no record until its first start or its end by a person: it is its
-- ticket.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local records, counts = part('sluicegate.records'), part('sluicegate.counts')
local campaigns, history = part('sluicegate.campaigns'), part('sluicegate.history')
local keep, waiters = part('sluicegate.retention').keep, later('sluicegate.waiters')
local tally, tree, tally_app =
  counts.tally, later('sluicegate.lanes'), part('sluicegate.app_counts').tally
local events = later('sluicegate.events')
local key, num = account.key, texts.num
local campaign_of, campaign_state = campaigns.of, campaigns.state
local call = redis.call

-- What waited in a lane when its campaign was cancelled was cancelled with it, whatever its record
-- says.
local function current(id, recorded, lease)
  local campaign = campaign_of(id)
  local over = recorded == 'waiting' and not lease and campaign
    and campaign_state(campaign) == 'cancelled'
  return over and 'cancelled' or recorded
end

-- A finished campaign has something to do again.
local function run_again(campaign)
  call('HSET', key('campaign:' .. campaign), 'state', 'running')
  call('HDEL', key('campaign:' .. campaign), 'ended')
  call('SADD', key('running'), campaign)
  if campaigns.facts(campaign).has_hours then call('ZADD', key('hours_due'), 0, campaign) end
end

-- Move a message to a state; `from`, where it isn't what the record says.
local function become(id, state, from)
  local record, campaign = records.get(id), campaign_of(id)
  if campaign then tally(campaign, from or record.state or 'waiting', state) end
  record.state = state
  if state ~= 'retrying' then record.due = nil end
end

-- Why nothing of a message may be sent any more, whatever its state; nil where it may.
local function stopped(id, record)
  if record.cancel_at then return 'cancelled' end
  local campaign = campaign_of(id)
  if campaign and campaign_state(campaign) == 'cancelled' then return 'in a cancelled campaign' end
  return nil
end

-- Whether an attempt may have reached the provider, also before a replay.
local function maybe_sent(record) return num(record.maybe, 0) + num(record.maybe_before, 0) > 0 end

-- One attempt more, or less, may have reached the provider. The ledger knows how many recipients
-- this is so of that are not accepted, whatever their states.
local function perhaps(id, by)
  local record, campaign = records.get(id), campaign_of(id)
  local before = maybe_sent(record)
  records.add(record, 'maybe', by)
  local after = maybe_sent(record)
  if campaign and before ~= after and counts.counts_maybe(campaign) then
    counts.add('ledger:' .. campaign, 'maybe_sent', after and 1 or -1)
  end
end

-- A message is accepted: what may have been sent was.
local function know(id, was_maybe)
  local campaign = was_maybe and campaign_of(id)
  if campaign and counts.counts_maybe(campaign) then
    counts.add('ledger:' .. campaign, 'maybe_sent', -1)
  end
end

local function note_attempt(now, id, lease, took, outcome, code)
  local record = records.get(id)
  -- A receipt may have come before the attempt's own answer.
  local accepted = record.state == 'accepted'
  record.history = history.with_attempt(now, record.history, lease, took, outcome, code, accepted)
end

-- The end of a message: its record becomes compact. Without a `token`, it keeps the one that it
-- has.
local function finish(now, id, state, retention_ms, token, from)
  local record = records.get(id)
  if record.line then waiters().leave(now, id, record) end
  local campaign = state == 'accepted' and campaign_of(id)
  if campaign then
    local size = string.match(record.ticket or '', '|(%d+)|')
    counts.add('ledger:' .. campaign, 'segments', num(size, 1))
  end
  record.content, record.request, record.lane, record.ticket = nil, nil, nil, nil
  record.text, record.counted = nil, nil
  become(id, state, from)
  record.at, record.token = texts.whole_ms(now.wall), token or record.token
  record.history = record.history and history.shortened(record.history, history.ENDED_BYTES)
  keep(id, retention_ms)
  counts.count(state)
  tally_app(id, state, 1)
end

-- The end of a message that waits: where it has no record, its ticket is kept in a list instead.
-- `refusal` is what ended it, where that is a limit on its recipient (recipients.lua).
local function end_waiting(now, id, state, ticket, retention_ms, token, refusal)
  local campaign, code = campaign_of(id), refusal and refusal.code
  if code then
    counts.count(code)
    if campaign then counts.add('ledger:' .. campaign, code, 1) end
  end
  if not campaign or records.get(id).state then
    if code then records.get(id).code, records.get(id).reason = code, refusal.why end
    return finish(now, id, state, retention_ms, token)
  end
  call('RPUSH', key('unsent:' .. campaign .. ':' .. (code or state)), ticket)
  events().of_unsent(id, state, ticket, refusal)
  tally(campaign, 'waiting', state)
  counts.count(state)
end

-- Back to the head of its lane; in a campaign that was cancelled meanwhile, it ends with it.
local function put_back(now, id, lane, ticket)
  local campaign = campaign_of(id)
  if campaign and campaign_state(campaign) == 'cancelled' then
    end_waiting(now, id, 'cancelled', ticket)
  else
    tree().to_head(lane, ticket)
  end
end

-- A message leaves its lane to come back later; returns its record.
local function set_by(id, lane, ticket)
  local record = records.get(id)
  become(id, 'retrying')
  record.to, record.lane, record.ticket = ticket.to, lane, ticket.text
  return record
end

return {
  current = current, stopped = stopped, maybe_sent = maybe_sent, become = become,
  perhaps = perhaps, know = know, note_attempt = note_attempt, finish = finish,
  end_waiting = end_waiting, put_back = put_back, set_by = set_by, run_again = run_again,
}
