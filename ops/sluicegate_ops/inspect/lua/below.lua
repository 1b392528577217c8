-- What stands below nodes of the tree of lanes, and how long lanes are. It only reads.
-- KEYS[1] the account's key prefix.
-- ARGV any number of pairs: a class, and a node of its tree or a lane.
-- Returns: for each pair of a lane its length; for each of a node { member, score, length, ... },
--   where the length of a node is -1.
-- Keys touched: ready:<class>:*, lane:*.
local key = part('sluicegate.account').key
local is_node = part('sluicegate.lane_names').is_node
local call = redis.call

local function length(lane) return call('LLEN', key('lane:' .. lane)) end

local function below(class, node)
  local name, found = key('ready:' .. class .. ':' .. node), {}
  local scored = call('ZRANGE', name, 0, -1, 'WITHSCORES')
  for i = 1, #scored, 2 do
    local member = scored[i]
    found[#found + 1], found[#found + 2] = member, scored[i + 1]
    found[#found + 1] = is_node(member) and -1 or length(member)
  end
  return found
end

local answer = {}
for i = 1, #ARGV, 2 do
  local class, member = ARGV[i], ARGV[i + 1]
  answer[#answer + 1] = is_node(member) and below(class, member) or length(member)
end
return answer
