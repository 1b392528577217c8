-- Set or lift a halt: a level's stop, by a person or for a cause that further messages would meet too.
-- KEYS[1] the account's key prefix.
-- ARGV[1] set | clear, [2] level (account, sender:<s>, campaign:<n>, registration:<r>, brand:<b>); for set also
--   [3] ms until it ends ('' until it is lifted), [4] why.
-- Returns: for set, 1; for clear, 1 where it was in force and 0 where not.
-- Keys touched: those of lanes.lua, clock, halts, wake.
-- Setting begins with a write that grows; clearing with one that frees, so that it works on a full server.
local action, level = ARGV[1], ARGV[2]
if action == 'set' then
  local c = clock()
  save_clock(c)
  local ends = ARGV[3] ~= '' and whole_ms(c.wall + tonumber(ARGV[3])) or ''
  redis.call('HSET', key('halts'), level, ends .. '|' .. ARGV[4])
elseif redis.call('HDEL', key('halts'), level) == 0 then
  return 0
end
-- What it had parked is looked at anew: a halt that replaces another may end sooner.
local all = redis.call('HGETALL', key('parked_by'))
for i = 1, #all, 2 do
  if all[i + 1] == level then unpark(all[i]) end
end
if action == 'clear' then wake() end
return 1
