-- Purge one dead letter: its content goes, its id stays known for the retention.
-- KEYS[1] the account's key prefix. ARGV[1] id, ARGV[2] token of this call, ARGV[3] retention_ms.
-- Returns: purged | unknown | the state that it is in instead.
-- Keys touched: clock, m:<id>, dead, totals.
local id, token, retention_ms = ARGV[1], ARGV[2], ARGV[3]
local state = redis.call('HGET', key('m:' .. id), 'state')
if not state then return 'unknown' end
if state ~= 'dead' then return state end
redis.call('ZREM', key('dead'), id)
finish(clock(), id, 'purged', retention_ms, token)
return 'purged'
