-- Cancel one message, where its POST has not started.
-- KEYS[1] the account's key prefix. ARGV[1] id, ARGV[2] retention_ms, ARGV[3] token of this call.
-- Returns: cancelled | in_flight (its POST may be under way) | unknown | the state that it had ended in.
-- Keys touched: those of books.lua, clock, leases, granted, log, due.
local id, retention_ms, token = ARGV[1], ARGV[2], ARGV[3]
local lease = read_lease(id)
local state = state_now(id, record(id).state, lease)
if not state then return 'unknown' end
if state ~= 'waiting' and state ~= 'scheduled' and state ~= 'retrying' then return state end
if lease and lease.started then return 'in_flight' end
local c = clock()
if lease then drop_grant(c, id, lease) end
redis.call('ZREM', key('due'), id)
save_clock(c)
finish(c, id, 'cancelled', retention_ms, token)
return 'cancelled'
