-- Repair a page of the account: build again which indexes were lost (mending.lua).
-- KEYS[1] the account's key prefix.
-- ARGV[1] lease_ms, [2] names | records, [3] cursor ('0' to begin), [4] keys in a page, [5] 1 to
--   forget what was mended before.
-- Returns: {cursor of the next page ('0' after the last), what was put back: name, number, ...}.
-- Keys touched: those of mending.lua, clock.
-- Repeating it finds nothing more to do. Its first write frees, so that a full server is repaired.
local key, mending = part('sluicegate.account').key, part('sluicegate_worker.mending')
local clock = part('sluicegate.clock')

redis.call('ZREM', key('granted'), '')
local now = clock.read()
if ARGV[5] == '1' then redis.call('DEL', key('mended')) end
mending.mend_small(now, tonumber(ARGV[1]))
local mend = ARGV[2] == 'records' and mending.mend_records or mending.mend_names
local cursor = mend(now, ARGV[3], tonumber(ARGV[4]))
return { cursor, mending.tell() }
