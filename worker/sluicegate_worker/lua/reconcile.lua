-- Reconciling: what a run reads of our books, where it is, what it found, and what was never sent.
-- KEYS[1] the account's key prefix.
-- ARGV[1] what to do, [2] token of the run's lease, [3] ms that the lease lasts from now, 0 for one
--   who only reads; then what each function below says.
-- Returns: what that function returns; 'lost' where another run holds the lease.
-- Keys touched: reconciler, reconcile, reconcile_left, reconciled, reconciled_left, doubts, dead,
--   clock; those of states.lua. It reads m:<id> and archive.
--
-- What a run has done stands with where it is, written in one call: one that is killed goes on from
-- there, and does again at most what may be done twice.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local records, states = part('sluicegate.records'), part('sluicegate.states')
local count, clock = part('sluicegate.counts').count, part('sluicegate.clock')
local key, call = account.key, redis.call

local PREFIX = key('m:')
local MOST_LEFT = 10000 -- differences that are kept by name; more are only counted
local READ = {
  'state', 'to', 'key_at', 'at', 'provider_id', 'provider_id_2', 'delivery', 'fate', 'maybe',
  'maybe_before', 'bill',
}
local verb, token, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local verbs = {}

-- The run that is under way, or was cut short: its fields and values.
function verbs.look() return call('HGETALL', key('reconcile')) end

-- What the last run that came to its end came to: likewise.
function verbs.last() return call('HGETALL', key('reconciled')) end

-- A new run: its fields and values. What another one left unfinished is dropped.
function verbs.begin()
  call('DEL', key('reconcile'), key('reconcile_left'))
  call('HSET', key('reconcile'), unpack(ARGV, 4))
  return 1
end

-- A page of messages that may have reached the provider: [4] cursor, [5] keys in it. Returns the
-- next cursor ('0' after the last), then for each its id and the fields of READ.
function verbs.page()
  local page = call('SCAN', ARGV[4], 'MATCH', PREFIX .. '*', 'COUNT', ARGV[5])
  local found = { page[1] }
  for _, full in ipairs(page[2]) do
    local fields = call('HMGET', full, unpack(READ))
    if fields[3] or fields[5] then
      table.insert(fields, 1, string.sub(full, #PREFIX + 1))
      found[#found + 1] = fields
    end
  end
  return found
end

-- Whole records: [4] and on, their ids. Returns the fields and values of each, none for no record.
function verbs.records()
  local found = {}
  for i = 4, #ARGV do found[#found + 1] = call('HGETALL', PREFIX .. ARGV[i]) end
  return found
end

-- The server's wall ms, and how much was set aside for messages in the archive.
function verbs.now()
  return { texts.whole_ms(clock.read().wall), call('LLEN', key('late')) }
end

local function each_pair(pairs_of, act)
  for i = 1, #pairs_of, 2 do act(pairs_of[i], pairs_of[i + 1]) end
end

-- Where the run is now: [4] JSON of lists: set and add (of its fields), left (names and texts of
-- what differs), gone (names of what differs no more); [5] a token of this call.
function verbs.commit()
  local told, kept = cjson.decode(ARGV[4]), call('HLEN', key('reconcile_left'))
  if call('HGET', key('reconcile'), 'token') == ARGV[5] then return 0 end
  call('HSET', key('reconcile'), 'token', ARGV[5])
  for _, name in ipairs(told.gone) do kept = kept - call('HDEL', key('reconcile_left'), name) end
  each_pair(told.set, function(field, value) call('HSET', key('reconcile'), field, value) end)
  each_pair(told.add, function(field, by) call('HINCRBY', key('reconcile'), field, by) end)
  each_pair(told.left, function(name, text)
    if kept < MOST_LEFT or call('HEXISTS', key('reconcile_left'), name) == 1 then
      kept = kept + call('HSET', key('reconcile_left'), name, text)
    end
  end)
  return 1
end

-- What the run has found so far: names and texts.
function verbs.left() return call('HGETALL', key('reconcile_left')) end

-- In doubt, and proven not to have been sent: nobody need resend it under its old key.
local function was_never_sent(now, id, at, retention_ms)
  local record = records.get(id)
  if record.state ~= 'in_doubt' or record.at ~= at then return 0 end
  call('ZREM', key('doubts'), id)
  states.know(id, states.maybe_sent(record))
  record.maybe, record.maybe_before = nil, nil
  count('resolved')
  record.reason = 'not sent: the provider has no record of it'
  if states.stopped(id, record) then
    states.finish(now, id, 'cancelled', retention_ms, token)
    return 1
  end
  states.become(id, 'dead')
  record.at, record.token, record.code = texts.whole_ms(now.wall), token, 'not_sent'
  call('ZADD', key('dead'), texts.whole_ms(now.wall), id)
  count('dead')
  return 1
end

-- These doubts were never sent: [4] retention_ms, then id and when it came into doubt (ms), by
-- turns. Returns for each whether that ended it.
function verbs.absent()
  local now, retention_ms, ended = clock.read(), tonumber(ARGV[4]), {}
  for i = 5, #ARGV, 2 do
    ended[#ended + 1] = was_never_sent(now, ARGV[i], ARGV[i + 1], retention_ms)
  end
  return ended
end

-- The run is over: [4] JSON of what it came to.
function verbs.finish()
  call('DEL', key('reconciled_left'), key('reconcile'))
  if call('EXISTS', key('reconcile_left')) == 1 then
    call('RENAME', key('reconcile_left'), key('reconciled_left'))
  end
  local told = cjson.decode(ARGV[4])
  call('DEL', key('reconciled'))
  each_pair(told, function(field, value) call('HSET', key('reconciled'), field, value) end)
  return call('DEL', key('reconciler'))
end

function verbs.leave() return call('DEL', key('reconciler')) end

if lease_ms > 0 then
  local holder = call('GET', key('reconciler'))
  if holder and holder ~= token then return 'lost' end
  call('ZREM', key('granted'), '') -- what frees comes first: a full server can be reconciled too
  call('SET', key('reconciler'), token, 'PX', lease_ms)
end
return verbs[verb]()
