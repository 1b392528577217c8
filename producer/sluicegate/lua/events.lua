-- Events: what apps are told of messages, campaigns and opt-outs, in the order in which it was.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of_record, of_accepted, of_unsent, tell; tells_of_all (whether an app wants all of the
--   account's) and kept (how many are).
-- Keys touched: events, event_number. It reads limits.
--
-- It is asked only where an app wants events: then there is a limit `events` (levels.py), which
-- says how many are kept, and for which apps; a * among them stands for one that wants all. What
-- happens is told by the script that makes it happen: nothing is lost, and nothing told twice. An
-- event's number is the entry's id in the stream. Numbers leave no gap, so that whoever reads after
-- one knows how many were trimmed.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local campaigns, app_of = part('sluicegate.campaigns'), part('sluicegate.app_counts').of
local names, limits = part('sluicegate.lane_names'), part('sluicegate.limits')
local key, rounded = account.key, texts.rounded
local call, match, find = redis.call, string.match, string.find

-- States that an app is told of; it knows the others by what it asked for itself.
local TOLD = {
  accepted = 'accepted', dead = 'dead', expired = 'expired', suppressed = 'suppressed',
  cancelled = 'cancelled', in_doubt = 'in_doubt', purged = 'purged',
}

local kept, apps = match(limits.get('events') or '', '^(%d+)|(.*)$')
local told_ms -- of this call, once it has told of anything

apps = '|' .. (apps or '') .. '|'
local all = find(apps, '|*|', 1, true)

local function is_wanted(app)
  return all or app and find(apps, '|' .. app .. '|', 1, true) ~= nil
end

-- Where the last number was lost and the stream was not, numbers go on behind that.
local function begin()
  told_ms = rounded(part('sluicegate.time').server_ms())
  local newest = call('XREVRANGE', key('events'), '+', '-', 'COUNT', 1)[1]
  local behind = newest and match(newest[1], '^%d+') or '0'
  if tonumber(call('GET', key('event_number')) or 0) < tonumber(behind) then
    call('SET', key('event_number'), behind)
  end
end

-- Something happened: its kind, to which message ('' for none), and fields and values by turns.
local function tell(kind, id, ...)
  if not kept or not is_wanted(app_of(id)) then return end
  if not told_ms then begin() end
  local number = rounded(call('INCR', key('event_number'))) .. '-0'
  call('XADD', key('events'), 'MAXLEN', '~', kept, number,
    'told', told_ms, 'kind', kind, 'id', id, ...)
end

-- Whom a message is from, by what is left of it.
local function sender_of(id, record, before)
  local lane, content = record.lane or before.lane, record.content or before.content
  if lane then return names.sender_of(lane) end
  local own = content and match(content, '"sender":"([^"]*)"')
    or match(record.billed or '', '^[^|]+')
  local campaign = not own and campaigns.of(id)
  return own or campaign and campaigns.facts(campaign).sender or ''
end

-- The trace of a message among the facts of an event, where it has one.
local function with_trace(trace, ...)
  if trace and trace ~= '' then return 'trace', trace, ... end
  return ...
end

-- A record as it is now, and as it was read: tell of what has changed.
local function of_record(id, record, before)
  if not is_wanted(app_of(id)) then return end
  local was, state = before.state, record.state
  local function say(kind, ...)
    tell(kind, id, 'to', record.to or '', 'sender', sender_of(id, record, before),
      'state', state, 'provider_id', record.provider_id or '', 'code', record.code or '',
      'reason', record.reason or '', 'attempts', record.attempts or '0', 'bill', record.bill or '',
      with_trace(record.trace, ...))
  end
  if state ~= was and TOLD[state] then say(TOLD[state]) end
  if was == 'dead' and (state == 'waiting' or state == 'retrying') then say('replayed') end
  if record.sent_at and not before.sent_at then say('sent', 'at', record.sent_at) end
  local delivery = before.delivery or before.fate
  if record.delivery and record.delivery ~= delivery then
    local at, code = record.delivery_at or '', record.delivery_code or ''
    say(record.delivery, 'at', at, 'delivery_code', code)
  end
  if record.provider_id_2 and record.provider_id_2 ~= before.provider_id_2 then
    say('sent_twice', 'second_provider_id', record.provider_id_2)
  end
end

-- Accepted at its own lease's end, by an outcome as step.lua reads it.
local function of_accepted(outcome, lease, to)
  tell('accepted', outcome.id, 'to', to, 'sender', names.sender_of(lease.lane),
    'state', 'accepted', 'provider_id', outcome.provider_id, 'bill', outcome.bill or '',
    with_trace(outcome.trace))
end

-- A campaign's recipient ended before there was a record; `refusal` is as in states.lua.
local function of_unsent(id, state, ticket, refusal)
  local to = match(ticket, '^[^|]*|[^|]*|[^|]*|[^|]*|([^|]*)')
  tell(state, id, 'to', to or '', 'sender', campaigns.facts(campaigns.of(id)).sender,
    'state', state, 'code', refusal and refusal.code or '',
    'reason', refusal and refusal.why or '')
end

return {
  of_record = of_record, of_accepted = of_accepted, of_unsent = of_unsent, tell = tell,
  tells_of_all = all ~= nil, kept = tonumber(kept),
}
