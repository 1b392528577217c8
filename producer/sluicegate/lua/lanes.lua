-- The lanes that are ready, as a tree: what is served next stands at the head of each of its nodes.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: limits, virtual, ready:*, parked:t, parked:b, parked_by, lane:*.
--
-- A lane's first two letters are its class: priority t|b, type s|m (SMS, MMS). Each class has a tree:
--   ready:<class>                    its senders, or the registrations that they belong to
--   ready:<class>:r|<registration>   the registration's senders
--   ready:<class>:s|<sender>         the sender's lanes
-- A score is the virtual time at which a member is served next: each message moves its lane on by one
-- over the lane's weight, and a node stands where its head does, plus a lead of its own. So lanes below a
-- node keep their weights among themselves, also where the node is served seldom. Whatever becomes ready
-- starts level with what is served then: neither waiting nor having waited is an advantage.
--
-- A member that a level refuses is taken out and parked until that level's time: one entry, however
-- many lanes are below it, so that no sender's queue is ever looked at for another's sake.

local specs = {} -- read once a call
local function limits(field)
  if specs[field] == nil then specs[field] = redis.call('HGET', key('limits'), field) end
  return specs[field] or nil
end

local CLASSES = { 'ts', 'tm', 'bs', 'bm' }
local function class_of(lane) return string.sub(lane, 1, 2) end
local function sender_of(lane) return string.match(lane, '^..:([^#]*)') end
local function campaign_in(lane) return string.match(lane, '#(.*)$') end
local function is_node(member) return string.sub(member, 2, 2) == '|' end
local function below(class, node) return key('ready:' .. class .. ':' .. node) end
local function parked(class) return key('parked:' .. string.sub(class, 1, 1)) end

-- The node above a member: a lane's sender, a sender's registration; nil at the top of the tree.
local function above(class, member)
  if not is_node(member) then return 's|' .. sender_of(member) end
  local sender = string.match(member, '^s|(.*)$')
  local registration = sender and string.match(limits('sender:' .. sender) or '', '^[^|]*|[^|]*|(.+)$')
  return registration and 'r|' .. registration or nil
end

local function place(class, member)
  local node = above(class, member)
  return node and below(class, node) or key('ready:' .. class)
end

local clocks = {} -- of each priority: the virtual time of what was served last
local function virtual(class)
  local priority = string.sub(class, 1, 1)
  if not clocks[priority] then clocks[priority] = num(redis.call('HGET', key('virtual'), priority), 0) end
  return clocks[priority]
end

local function score(at) return string.format('%.9f', at) end

local function head_of(zset) return tonumber(redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2]) end

local leads = {} -- of each node: what its place in the tree is ahead of its head's
local function lead(class, node)
  local name = class .. '/' .. node
  if not leads[name] then leads[name] = num(redis.call('HGET', key('virtual'), name), 0) end
  return leads[name]
end

local function set_lead(class, node, by)
  local name = class .. '/' .. node
  leads[name] = by
  redis.call('HSET', key('virtual'), name, score(by))
end

-- A node has something ready, and so have those above it. One that comes into the tree begins level with what is
-- served then: at least, where it was parked; exactly, where it had nothing.
local function rise(class, node, was_parked)
  if redis.call('ZSCORE', parked(class), class .. '/' .. node) then return end
  local at, zset, over = head_of(below(class, node)), place(class, node), above(class, node)
  if not redis.call('ZSCORE', zset, node) then
    local level = over and head_of(zset) or virtual(class)
    if not was_parked or at + lead(class, node) < level then set_lead(class, node, level - at) end
  end
  redis.call('ZADD', zset, score(at + lead(class, node)), node)
  if over then rise(class, over) end
end

local active = {} -- lanes known to be in the tree
local function activate(lane, at, behind)
  local class = class_of(lane)
  if active[lane] or redis.call('ZSCORE', parked(class), class .. '/' .. lane) then return end
  active[lane] = true
  local node = above(class, lane)
  local next_up = (head_of(below(class, node)) or 0) - 0.000001 -- it comes before who is as far
  at = math.max(next_up, math.min(at or next_up, next_up + (behind or 0)))
  if redis.call('ZADD', below(class, node), 'NX', score(at), lane) == 1 then rise(class, node) end
end

local function to_head(lane, ticket)
  redis.call('LPUSH', key('lane:' .. lane), ticket)
  activate(lane)
end

local function to_tail(lane, ticket)
  redis.call('RPUSH', key('lane:' .. lane), ticket)
  activate(lane)
end

-- Bring the nodes over a member to the score of their heads, and take out those that are empty.
local function tidy(class, member)
  local node = above(class, member)
  if not node then return end
  local head = head_of(below(class, node))
  if head then
    redis.call('ZADD', place(class, node), 'XX', score(head + lead(class, node)), node)
  else
    redis.call('ZREM', place(class, node), node)
  end
  tidy(class, node)
end

local function take_out(class, member)
  active[member] = nil
  redis.call('ZREM', place(class, member), member)
  tidy(class, member)
end

local function park(class, member, until_ms, level)
  local name = class .. '/' .. member
  local at = tonumber(redis.call('ZSCORE', place(class, member), member))
  take_out(class, member)
  if not is_node(member) and at then
    local behind = at - (head_of(place(class, member)) or at)
    redis.call('HSET', key('virtual'), name, score(at) .. ' ' .. score(math.max(0, behind)))
  end
  redis.call('ZADD', parked(class), ms(until_ms), name)
  redis.call('HSET', key('parked_by'), name, level)
end

local function unpark(name)
  local class, member = string.match(name, '^(..)/(.*)$')
  redis.call('ZREM', parked(class), name)
  redis.call('HDEL', key('parked_by'), name)
  if not is_node(member) then
    local at, behind = string.match(redis.call('HGET', key('virtual'), name) or '', '^(%S+) (%S+)$')
    redis.call('HDEL', key('virtual'), name)
    if redis.call('EXISTS', key('lane:' .. member)) == 1 then activate(member, tonumber(at), tonumber(behind)) end
    return
  end
  if head_of(below(class, member)) then rise(class, member, true) end
end
