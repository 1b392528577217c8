-- Hear one keyword of a recipient: STOP puts the number on the opt-out list, START takes it off.
-- KEYS[1] the account's key prefix.
-- ARGV[1] number, ARGV[2] stop | start, ARGV[3] wall ms at which it was written, ARGV[4] ms for
--   which that is remembered.
-- Returns: heard | stale (one written then or later was heard before: webhooks come twice and out
--   of order).
-- Keys touched: optouts, keyword:<number>.
-- The first write frees, so that a full server still takes a STOP.
local key, num = part('sluicegate.account').key, part('sluicegate.texts').num

local number, word, written_ms, remembered_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local last = redis.call('GET', key('keyword:' .. number))
if last and num(last, 0) >= num(written_ms, 0) then return 'stale' end
redis.call('ZREM', key('granted'), '')
redis.call('SET', key('keyword:' .. number), written_ms, 'PX', remembered_ms)
if word == 'stop' then
  redis.call('HSETNX', key('optouts'), number, written_ms .. ' ' .. word)
else
  redis.call('HDEL', key('optouts'), number)
end
return 'heard'
