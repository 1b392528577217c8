-- The repair pass: end expired leases, apply the policy on doubts, tell whether there is work.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] lease_ms, [3] worker's name, [4] policy on doubts: resend | hold
--   | drop, [5] ms a transactional message waits in doubt, [6] ms a bulk one, [7] ms for which a
--   key may be reused, [8] the share of the server's memory beyond which nothing is claimed,
--   [9] why this worker's signals start no drain ('' where they do), [10] how many attempts a
--   message has, [11] ms that the worker's calls take, 0 where that is not long,
--   [12] the worker's version.
-- Returns: {given back, in doubt, resent, held, dropped, 1 when a drain has something to do,
--   entries put back into indexes, 1 where campaigns have hours, or are scheduled}.
--   A call repeated with its token gets the same answer.
-- Keys touched: those of states.lua, corrections.lua, standstill.lua, mending.lua, trends.lua,
--   events.lua and cancelling.lua,
--   mending, swept, clock, workers, versions, distant, running, doubts, dead, due; it reads
--   hours_due, scheduled.
-- The first write frees, so that a full server can still be repaired.
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local texts = part('sluicegate.texts')
local records, leases, counts =
  part('sluicegate.records'), part('sluicegate.leases'), part('sluicegate.counts')
local states, limits = part('sluicegate.states'), part('sluicegate.limits')
local ends, got = later('sluicegate.recipient_ends'), later('sluicegate.got')
local optouts, guards = part('sluicegate.optouts'), later('sluicegate.guards')
local campaigns, events = part('sluicegate.campaigns'), later('sluicegate.events')
local corrections, CLASSES = part('sluicegate.corrections'), part('sluicegate.lane_names').CLASSES
local standstill, mending = part('sluicegate_worker.standstill'), part('sluicegate_worker.mending')
local trends = later('sluicegate_worker.trends')
local cancelling = later('sluicegate_worker.cancelling')
local num, ms, whole_ms, count = texts.num, texts.ms, texts.whole_ms, counts.count
local call, max, min = redis.call, math.max, math.min

local BATCH, TRENDS = 50, 20
local PASS_SWEEPS, LEAST_PAGE, MOST_PAGE, MOST_RECORDS = 30, 100, 4000, 1000
local REMEMBERED_MS, HOUR_MS = 60000, 3600000
local token, lease_ms, worker, policy = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local doubt_ms, reuse_ms = { t = tonumber(ARGV[5]), b = tonumber(ARGV[6]) }, tonumber(ARGV[7])
local max_attempts = tonumber(ARGV[10])

local last = call('GET', key('swept')) or ''
local mark = token .. ' '
if string.sub(last, 1, #mark) == mark then
  local answers = {}
  for number in string.gmatch(string.sub(last, #mark + 1), '%d+') do
    answers[#answers + 1] = tonumber(number)
  end
  return answers
end

call('ZREM', key('granted'), '')
local now = clock.read()
local back, doubted, resent, held, dropped = 0, 0, 0, 0, 0

-- Granted and never started: nothing was sent, so nothing is charged.
local function give_back(id)
  local lease = leases.get(id)
  if not lease then return call('ZREM', key('granted'), id) end
  corrections.drop_grant(now, id, lease)
  states.put_back(now, id, lease.lane, lease.ticket_text)
  back = back + 1
end

-- Started and silent: its POST may have been written.
local function doubt(id)
  local lease = leases.get(id)
  if not lease then return call('ZREM', key('started'), id) end
  leases.drop(id)
  local record = records.get(id)
  if record.state ~= 'waiting' then return end
  states.become(id, 'in_doubt')
  if leases.is_carried(lease) then
    corrections.keep(now, record, corrections.correct(now, lease, ''))
  end
  record.lane, record.ticket = lease.lane, lease.ticket_text
  record.at, record.token = whole_ms(now.wall), lease.token
  record.reason = 'its worker fell silent after the POST may have begun'
  records.add(record, 'attempts', 1)
  states.perhaps(id, 1)
  local waits = doubt_ms[string.sub(lease.lane, 1, 1)]
  local for_person = policy == 'hold' or record.cancel_at
  call('ZADD', key('doubts'), for_person and '+inf' or ms(now.wall + waits), id)
  states.note_attempt(now, id, lease, now.steady - lease.started, 'lost', '')
  if limits.get('recipient') then ends().keep(id, lease) end
  count('in_doubt')
  count('leases_lost')
  doubted = doubted + 1
end

local function hold(id, why)
  call('ZADD', key('doubts'), '+inf', id)
  records.get(id).reason = why
  held = held + 1
end

local function drop(id, record)
  call('ZREM', key('doubts'), id)
  call('ZADD', key('dead'), whole_ms(now.wall), id)
  states.become(id, 'dead')
  record.at, record.code = whole_ms(now.wall), 'in_doubt'
  record.reason = 'in doubt, and dropped by policy: it may have been sent'
  local campaign = campaigns.of(id)
  local guarded = campaign and campaigns.facts(campaign).guards
  if guarded then guards().heard(now, campaign, 'dead', { to = record.to, code = 'in_doubt' }) end
  count('dead')
  dropped = dropped + 1
end

local function resend(id, record)
  call('ZREM', key('doubts'), id)
  states.become(id, 'waiting')
  states.put_back(now, id, record.lane, record.ticket)
  resent = resent + 1
end

local function decide(id)
  local record = records.get(id)
  if record.state ~= 'in_doubt' then return call('ZREM', key('doubts'), id) end
  local stopped = states.stopped(id, record)
  if stopped == 'cancelled' then return hold(id, 'in doubt, and cancelled; a person decides') end
  if policy == 'drop' then return drop(id, record) end
  if policy == 'hold' then return hold(id, 'in doubt; a person decides') end
  if stopped then
    return hold(id, 'in doubt, and its campaign is cancelled; a person decides')
  end
  if optouts.has(record.to) then
    return hold(id, 'in doubt, and its recipient has opted out since; a person decides')
  end
  if num(record.attempts, 0) >= max_attempts then
    return hold(id, 'in doubt, and its attempts are used up; a person decides')
  end
  if now.wall - num(record.key_at, 0) > reuse_ms then
    local why = 'in doubt, and its idempotency key is too old to resend under; a person decides'
    return hold(id, why)
  end
  resend(id, record)
end

local function each(set, until_ms, act)
  local ids = call('ZRANGEBYSCORE', key(set), '-inf', ms(until_ms), 'LIMIT', 0, BATCH)
  leases.fetch(ids)
  for i = #ids, 1, -1 do act(ids[i]) end
end

-- A running campaign with nothing pending is finished.
local function finish_campaigns()
  for _, name in ipairs(call('SRANDMEMBER', key('running'), BATCH)) do
    local pending = counts.in_ledger(name, 'waiting') + counts.in_ledger(name, 'retrying')
      + counts.in_ledger(name, 'in_doubt')
    if campaigns.facts(name).guards then guards().mind_time(now, name) end
    if pending == 0 and campaigns.state(name) == 'running' then
      call('HSET', key('campaign:' .. name), 'state', 'finished', 'ended', whole_ms(now.wall))
      if limits.get('events') then
        events().tell('campaign', '', 'campaign', name, 'state', 'finished')
      end
      call('SREM', key('running'), name)
      call('ZADD', key('trends_due'), 0, 'campaign:' .. name)
    end
  end
end

-- Once a minute, and when a campaign begins or ends.
local function write_trends(used)
  call('ZADD', key('trends_due'), 'NX', 0, 'account')
  local due = call('ZRANGEBYSCORE', key('trends_due'), '-inf', ms(now.wall), 'WITHSCORES',
    'LIMIT', 0, TRENDS)
  if #due > 0 then trends().write_due(now, due, used) end
end

local function any(set, most) return call('ZCOUNT', key(set), '-inf', most) > 0 end

local function has_work()
  local steady = ms(now.steady)
  if any('due', ms(now.wall)) or any('parked:t', steady) or any('parked:b', steady) then
    return true
  end
  for _, class in ipairs(CLASSES) do
    if any('ready:' .. class, '+inf') then return true end
  end
  return false
end

-- How far away the worker is, for whoever closes a gate, and for people.
local function note_distance()
  if tonumber(ARGV[11]) > 0 then
    call('ZADD', key('distant'), ARGV[11], worker)
  else
    call('ZREM', key('distant'), worker)
  end
end

-- With the time at which it was heard: what a later worker of that name left out, an older version
-- that tells none, is not taken for told.
local function note_version()
  call('HSET', key('versions'), worker, whole_ms(now.wall) .. ' ' .. ARGV[12])
end

-- Those that nobody has heard for an hour.
local function forget_workers()
  for _, gone in ipairs(call('ZRANGEBYSCORE', key('workers'), '-inf', ms(now.wall - HOUR_MS))) do
    call('ZREM', key('workers'), gone)
    call('HDEL', key('versions'), gone)
    call('HDEL', key('deaf'), gone)
    call('ZREM', key('distant'), gone)
  end
end

-- A page of the names of lanes and campaigns at each sweep, as large as takes one worker through
-- all of them in PASS_SWEEPS; and of records, once one is missed in the index of its state.
local function mend()
  local name = key('mending')
  local size = max(LEAST_PAGE, min(MOST_PAGE, math.ceil(call('DBSIZE') / PASS_SWEEPS)))
  local cursors = call('HMGET', name, 'names', 'records')
  mending.mend_small(now, lease_ms)
  call('HSET', name, 'names', mending.mend_names(now, cursors[1] or '0', size))
  local at = cursors[2] or (mending.note_samples() and '0')
  if not at then return end
  at = mending.mend_records(now, at, min(size, MOST_RECORDS))
  if at == '0' then call('HDEL', name, 'records') else call('HSET', name, 'records', at) end
end

mend()
if now.steady >= now.gap + lease_ms then
  each('granted', now.steady, give_back)
  each('started', now.steady, doubt)
end
each('doubts', now.wall, decide)
local used = standstill.note_memory(now, tonumber(ARGV[8]))
write_trends(used) -- of all that earlier calls have counted
finish_campaigns()
if call('EXISTS', key('cancelling')) == 1 then cancelling().tell_some(now) end
if limits.get('recipient') then got().forget_old(now) end
clock.save(now)
call('ZADD', key('workers'), whole_ms(now.wall), worker)
note_version()
forget_workers()
local work = has_work()
standstill.note_work(now, work)
standstill.note_signals(now, worker, ARGV[9])
note_distance()
local answers = {
  back, doubted, resent, held, dropped, work and 1 or 0, mending.save(now),
  call('EXISTS', key('hours_due'), key('scheduled')) > 0 and 1 or 0,
}
call('SET', key('swept'), mark .. table.concat(answers, ' '), 'PX', REMEMBERED_MS)
return answers
