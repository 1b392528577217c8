-- The lane of each campaign, its state and its weight. It only reads.
-- KEYS[1] the account's key prefix.
-- ARGV any number of campaigns' names.
-- Returns: for each { lane, state, weight }, each nil where it is not stored.
-- Keys touched: campaign:*.
local key = part('sluicegate.account').key

local answer = {}
for i, name in ipairs(ARGV) do
  answer[i] = redis.call('HMGET', key('campaign:' .. name), 'lane', 'state', 'weight')
end
return answer
