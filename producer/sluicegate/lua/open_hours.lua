-- Say when a campaign's classes of recipients are open (hours.lua); or read what was said.
-- KEYS[1] the account's key prefix.
-- ARGV[1] campaign, [2] wall ms at which more must be said ('' to leave that), then three per
--   class: its name, what it is, as JSON, and its times.
-- Returns: wall ms; where no class is named { wall ms, { class, times or, for =class, what it is,
--   ... } }.
-- Keys touched: campaign:<n>, hours:<n>, hours_due. It reads the clock.
-- What a class is never changes; its times do. A campaign that is known here has hours from now on.
local key, call = part('sluicegate.account').key, redis.call
local texts, clock = part('sluicegate.texts'), part('sluicegate.clock')

local name, due = ARGV[1], ARGV[2]
local campaign, hours = key('campaign:' .. name), key('hours:' .. name)
local wall = texts.whole_ms(clock.read().wall)
if call('EXISTS', campaign) == 1 then call('HSETNX', campaign, 'hours', '1') end
for i = 3, #ARGV, 3 do
  call('HSETNX', hours, '=' .. ARGV[i], ARGV[i + 1])
  call('HSET', hours, ARGV[i], ARGV[i + 2])
end
if due ~= '' then call('ZADD', key('hours_due'), due, name) end
if #ARGV > 2 then return wall end
return { wall, call('HGETALL', hours) }
