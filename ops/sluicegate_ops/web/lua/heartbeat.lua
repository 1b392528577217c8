-- Note that a process of `sluicegate serve` is alive.
-- KEYS[1] the account's key prefix.
-- ARGV[1] its name, [2] ms after which one that is not heard is forgotten.
-- Returns: 1.
-- Keys touched: clock, serving, granted, apps.
-- The first write frees, so that a full server still hears it. The latest stays, however old, so
-- that its silence is seen.
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local texts = part('sluicegate.texts')

local name, forgotten_ms = ARGV[1], tonumber(ARGV[2])
redis.call('ZREM', key('granted'), '')
local now = clock.read()
redis.call('ZREMRANGEBYSCORE', key('serving'), '-inf', texts.ms(now.wall - forgotten_ms))
redis.call('ZADD', key('serving'), texts.whole_ms(now.wall), name)
redis.call('HSETNX', key('apps'), 'since', texts.whole_ms(now.wall)) -- ids under apps' names
return 1
