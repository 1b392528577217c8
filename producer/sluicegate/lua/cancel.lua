-- Cancel one message, where its POST has not started.
-- KEYS[1] the account's key prefix. ARGV[1] id, ARGV[2] retention_ms, ARGV[3] token of this call.
-- Returns: cancelled | in_flight (its POST may be under way) | unknown | the state that it had
--   ended in.
-- Keys touched: those of states.lua and charges.lua, clock, due.
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local charges, states = part('sluicegate.charges'), part('sluicegate.states')

local CANCELLABLE = { waiting = true, scheduled = true, retrying = true }

local id, retention_ms, token = ARGV[1], ARGV[2], ARGV[3]
local lease = leases.get(id)
local state = states.current(id, records.get(id).state, lease)
if not state then return 'unknown' end
if not CANCELLABLE[state] then return state end
if lease and lease.started then return 'in_flight' end
local now = clock.read()
if lease then charges.drop_grant(now, id, lease) end
redis.call('ZREM', key('due'), id)
clock.save(now)
states.finish(now, id, 'cancelled', retention_ms, token)
return 'cancelled'
