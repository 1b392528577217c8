-- Tell whoever wants all events of what came in for the account: once, however often it came.
-- KEYS[1] the account's key prefix.
-- ARGV[1] the provider's id of it, [2] ms for which that is remembered, then fields and values.
-- Returns: 1; 0 where it was told before.
-- Keys touched: told:<event>; those of events.lua.
local key, events = part('sluicegate.account').key, part('sluicegate.events')
local told = key('told:' .. ARGV[1])
if not redis.call('SET', told, '1', 'NX', 'PX', ARGV[2]) then return 0 end
events.tell('inbound', '', unpack(ARGV, 3))
return 1
