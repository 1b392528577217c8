-- The repair pass: end expired leases, apply the policy on doubts, tell whether there is work.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] lease_ms, [3] worker's name, [4] policy on doubts: resend | hold | drop,
--   [5] ms a transactional message waits in doubt, [6] ms a bulk one, [7] ms for which a key may be reused.
-- Returns: {given back, in doubt, resent, held, dropped, 1 when a drain has something to do}.
--   A call repeated with its token gets the same answer.
-- Keys touched: those of books.lua, swept, clock, workers, running, granted, started, leases, log, doubts, dead, due.
-- The first write frees, so that a full server can still be repaired.
local BATCH = 50
local token, lease_ms, worker, policy = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local waits, reuse_ms = { t = tonumber(ARGV[5]), b = tonumber(ARGV[6]) }, tonumber(ARGV[7])

local last = redis.call('GET', key('swept')) or ''
local mark = token .. ' '
if string.sub(last, 1, #mark) == mark then
  local answers = {}
  for number in string.gmatch(string.sub(last, #mark + 1), '%d+') do answers[#answers + 1] = tonumber(number) end
  return answers
end

redis.call('ZREM', key('granted'), '')
local c = clock()
local back, doubted, resent, held, dropped = 0, 0, 0, 0, 0

-- Granted and never started: nothing was sent, so nothing is charged.
local function give_back(id)
  local lease = read_lease(id)
  if not lease then return redis.call('ZREM', key('granted'), id) end
  drop_grant(c, id, lease)
  put_back(c, id, lease.lane, lease.ticket)
  back = back + 1
end

-- Started and silent: its POST may have been written.
local function doubt(id)
  local lease = read_lease(id)
  if not lease then return redis.call('ZREM', key('started'), id) end
  drop_lease(id)
  local m = record(id)
  if m.state ~= 'waiting' then return end
  become(id, 'in_doubt')
  m.lane, m.ticket, m.at, m.token = lease.lane, lease.ticket, whole_ms(c.wall), lease.token
  m.reason = 'its worker fell silent after the POST may have begun'
  add_to(m, 'attempts', 1)
  add_to(m, 'maybe', 1)
  local decide = policy == 'hold' and '+inf' or ms(c.wall + waits[string.sub(lease.lane, 1, 1)])
  redis.call('ZADD', key('doubts'), decide, id)
  note_attempt(c, id, lease, c.steady - lease.started, 'lost', '')
  count('in_doubt')
  count('leases_lost')
  doubted = doubted + 1
end

local function hold(id, why)
  redis.call('ZADD', key('doubts'), '+inf', id)
  record(id).reason = why
  held = held + 1
end

local function drop(id, m)
  redis.call('ZREM', key('doubts'), id)
  redis.call('ZADD', key('dead'), whole_ms(c.wall), id)
  become(id, 'dead')
  m.at, m.code = whole_ms(c.wall), 'in_doubt'
  m.reason = 'in doubt, and dropped by policy: it may have been sent'
  count('dead')
  dropped = dropped + 1
end

local function resend(id, m)
  redis.call('ZREM', key('doubts'), id)
  become(id, 'waiting')
  put_back(c, id, m.lane, m.ticket)
  resent = resent + 1
end

local function decide(id)
  local m = record(id)
  if m.state ~= 'in_doubt' then return redis.call('ZREM', key('doubts'), id) end
  if policy == 'drop' then return drop(id, m) end
  if policy == 'hold' then return hold(id, 'in doubt; a person decides') end
  if not is_open(id) and campaign_state(campaign_of(id)) == 'cancelled' then
    return hold(id, 'in doubt, and its campaign is cancelled; a person decides')
  end
  if c.wall - num(m.key_at, 0) > reuse_ms then
    return hold(id, 'in doubt, and its idempotency key is too old to resend under; a person decides')
  end
  resend(id, m)
end

local function each(zset, upto, act)
  local ids = redis.call('ZRANGEBYSCORE', key(zset), '-inf', ms(upto), 'LIMIT', 0, BATCH)
  fetch_leases(ids)
  for i = #ids, 1, -1 do act(ids[i]) end
end

if c.steady >= c.gap + lease_ms then
  each('granted', c.steady, give_back)
  each('started', c.steady, doubt)
end
each('doubts', c.wall, decide)

-- A running campaign with nothing pending is finished.
for _, name in ipairs(redis.call('SRANDMEMBER', key('running'), BATCH)) do
  if in_ledger(name, 'waiting') + in_ledger(name, 'retrying') + in_ledger(name, 'in_doubt') == 0 then
    redis.call('HSET', key('campaign:' .. name), 'state', 'finished', 'ended', whole_ms(c.wall))
    redis.call('SREM', key('running'), name)
  end
end
save_clock(c)
redis.call('ZADD', key('workers'), whole_ms(c.wall), worker)
redis.call('ZREMRANGEBYSCORE', key('workers'), '-inf', ms(c.wall - 3600000))

local function any(zset, most) return redis.call('ZCOUNT', key(zset), '-inf', most) > 0 end
local work = any('due', ms(c.wall)) or any('parked:t', ms(c.steady)) or any('parked:b', ms(c.steady))
for _, class in ipairs(CLASSES) do work = work or any('ready:' .. class, '+inf') end
local answers = { back, doubted, resent, held, dropped, work and 1 or 0 }
redis.call('SET', key('swept'), mark .. table.concat(answers, ' '), 'PX', 60000)
return answers
