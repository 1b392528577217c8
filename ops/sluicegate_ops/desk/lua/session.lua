-- Open, read or end a person's session at the desk.
-- KEYS[1] the account's key prefix.
-- ARGV[1] open, read or end, [2] the hash of its token; for read also [3] ms after which it ends if
-- nobody looks; for open that and [4] the person's name, [5] the token of its forms, [6] ms after
-- which it ends in any case.
-- Returns: for read the name and the forms' token, nothing where there is no such session; else 1.
-- Keys touched: clock, session:<hash>.
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local texts = part('sluicegate.texts')

local act, session, idle_ms = ARGV[1], key('session:' .. ARGV[2]), tonumber(ARGV[3])
if act == 'end' then
  redis.call('DEL', session)
  return 1
end
local now = clock.read().wall
if act == 'open' then
  local most_ms = tonumber(ARGV[6])
  redis.call('HSET', session, 'name', ARGV[4], 'forms', ARGV[5], 'ends', texts.ms(now + most_ms))
  redis.call('PEXPIRE', session, texts.whole_ms(math.min(idle_ms, most_ms)))
  return 1
end
local found = redis.call('HMGET', session, 'name', 'forms', 'ends')
local left_ms = texts.num(found[3], 0) - now
if not found[1] or left_ms <= 0 then return {} end
redis.call('PEXPIRE', session, texts.whole_ms(math.max(1, math.min(idle_ms, left_ms))))
return { found[1], found[2] }
