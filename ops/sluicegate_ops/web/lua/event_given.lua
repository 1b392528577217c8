-- An app's events are kept for its URL, up to a number; whoever waits may take the next.
-- KEYS[1] the account's key prefix.
-- ARGV[1] the app, [2] the number from which they were taken, [3] that up to which they are kept.
-- Returns: 1; 0 where the app is given others by now, since a person replays them.
-- Keys touched: event_readers, event_taker:<app>.
local key = part('sluicegate.account').key
local call = redis.call

call('DEL', key('event_taker:' .. ARGV[1]))
if call('HGET', key('event_readers'), ARGV[1]) ~= ARGV[2] then return 0 end
call('HSET', key('event_readers'), ARGV[1], ARGV[3])
return 1
