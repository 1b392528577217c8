-- Keep a webhook's event of an unknown kind for a person to look at, for a while.
-- KEYS[1] the account's key prefix.
-- ARGV[1] the event, cut to a bounded length, [2] how many are kept, [3] ms for which each is kept.
-- Returns: 1.
-- Keys touched: clock, strange_events, unknown_events (earlier versions kept them there, for ever).
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local texts = part('sluicegate.texts')

local event, most, kept_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local call, events = redis.call, key('strange_events')
local now = clock.read()
call('DEL', key('unknown_events'))
call('ZREMRANGEBYSCORE', events, '-inf', texts.ms(now.wall - kept_ms))
call('ZADD', events, texts.whole_ms(now.wall), event)
call('ZREMRANGEBYRANK', events, 0, -1 - most)
call('PEXPIRE', events, texts.rounded(kept_ms))
return 1
