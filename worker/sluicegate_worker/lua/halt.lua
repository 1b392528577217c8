-- List, set or lift halts: a level's stop, by a person or for a cause that others would meet too.
-- KEYS[1] the account's key prefix.
-- ARGV[1] list | set | clear, then but for list [2] level (account, sender:<s>, mms:<s>,
--   campaign:<n>, registration:<r>, brand:<b>, app:<a>); for set also [3] ms until it ends ('' for
--   until it is lifted), [4] why, [5] who.
-- Returns: for list, levels and what is stored of each, by turns; for set, 1; for clear, 1 where it
--   was in force and 0 where not.
-- Keys touched: those of lanes.lua, clock, halts, money, breaker, wake.
-- The first write frees, so that a full server can be stopped and can go on.
local account, clock = part('sluicegate.account'), part('sluicegate.clock')
local whole_ms, unpark = part('sluicegate.texts').whole_ms, part('sluicegate.lanes').unpark
local key, call = account.key, redis.call

local action, level = ARGV[1], ARGV[2]
if action == 'list' then return call('HGETALL', key('halts')) end
if action == 'set' then
  local now = clock.read()
  call('ZREM', key('granted'), '')
  clock.save(now)
  local ends = ARGV[3] ~= '' and whole_ms(now.wall + tonumber(ARGV[3])) or ''
  local head = ends .. ',' .. whole_ms(now.wall) .. ',' .. ARGV[5]
  call('HSET', key('halts'), level, head .. '|' .. ARGV[4])
else
  local halt = call('HGET', key('halts'), level)
  if call('HDEL', key('halts'), level) == 0 then return 0 end
  if string.find(halt, ',money cap|', 1, true) then -- it stops nothing more on that day (caps.lua)
    local day = math.floor(clock.read().wall / 86400000)
    call('HSET', key('money'), 'lifted:' .. level, string.format('%d', day))
  end
  -- What was held against several senders is dealt with: else the next fault of one would do.
  call('HDEL', key('breaker'), 'faults')
end
-- What it had parked is looked at anew: a halt that replaces another may end sooner.
local all = call('HGETALL', key('parked_by'))
for i = 1, #all, 2 do
  if all[i + 1] == level then unpark(all[i]) end
end
if action == 'clear' then account.wake() end
return 1
