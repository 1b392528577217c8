-- Cancel one message: whatever this answers, no further POST of it begins.
-- KEYS[1] the account's key prefix. ARGV[1] id, ARGV[2] retention_ms, ARGV[3] token of this call.
-- Returns: cancelled | maybe_sent (cancelled too, but an attempt before may have reached the
--   provider) | in_flight (its POST may be under way, and is its last) | unknown | the state that
--   it is in or had ended in.
-- Keys touched: those of states.lua and corrections.lua, clock, due, doubts. It reads those of
--   archived.lua.
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local texts = part('sluicegate.texts')
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local corrections, states = part('sluicegate.corrections'), part('sluicegate.states')

local archived = later('sluicegate.archived')

local CANCELLABLE = { waiting = true, scheduled = true, retrying = true }

local id, retention_ms, token = ARGV[1], ARGV[2], ARGV[3]
local lease = leases.get(id)
local state = states.current(id, records.get(id).state, lease)
local now = clock.read()
if not state then
  if redis.call('EXISTS', key('archive')) == 0 then return 'unknown' end
  local _, ended = archived().find(now.wall, id)
  return ended or 'unknown'
end
local record = records.get(id)

-- Its record keeps that nothing of it may be sent any more. A doubt waits for evidence, or for a
-- person.
local function stop()
  record.cancel_at = record.cancel_at or texts.whole_ms(now.wall)
  if state == 'in_doubt' then redis.call('ZADD', key('doubts'), '+inf', id) end
end

local function answer() return states.maybe_sent(record) and 'maybe_sent' or 'cancelled' end

if state == 'cancelled' then return answer() end
if state == 'in_doubt' or state == 'dead' or lease and lease.started then
  stop()
  return CANCELLABLE[state] and 'in_flight' or state
end
if not CANCELLABLE[state] then return state end
if lease then corrections.drop_grant(now, id, lease) end
redis.call('ZREM', key('due'), id)
clock.save(now)
states.finish(now, id, 'cancelled', retention_ms, token)
return answer()
