-- Put numbers on the opt-out list, each once: whoever added it first is kept.
-- KEYS[1] the account's key prefix. ARGV[1] who adds them, then the numbers.
-- Returns: how many were new.
-- Keys touched: optouts.
-- The first write frees, so that a full server still takes an opt-out.
local key = part('sluicegate.account').key
local whole_ms, server_ms = part('sluicegate.texts').whole_ms, part('sluicegate.time').server_ms
local call = redis.call

call('ZREM', key('granted'), '')
local since, added = whole_ms(server_ms()) .. ' ' .. ARGV[1], 0
for i = 2, #ARGV do added = added + call('HSETNX', key('optouts'), ARGV[i], since) end
return added
