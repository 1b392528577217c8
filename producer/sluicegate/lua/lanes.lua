-- The lanes that are ready, as a tree: what is served next stands at the head of each of its nodes.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: below, above, forget; of the tree head_of, virtual, lead, set_lead, advance,
--   save_clocks, rise, activate, ensure, move_to, take_out; of tickets to_head, to_tail; of levels'
--   refusals park, unpark, wait_for, unpark_waiting.
-- Keys touched: limits, virtual, ready:*, parked:t, parked:b, parked_by, waits:<level>, lane:*.
--
-- A lane's first two letters are its class: priority t|b, type s|m (SMS, MMS). Each class has a
-- tree:
--   ready:<class>                    its senders, or the registrations that they belong to; and
--                                    the apps
--   ready:<class>:a|<app>            the app's senders, or registrations
--   ready:<class>:r|<registration>   the registration's senders
--   ready:<class>:s|<sender>         the sender's lanes
-- What belongs to an app has @ and its name behind its own: r|notices@shop, s|+1555@shop,
-- ts:+1555@shop.
-- A score is the virtual time at which a member is served next: each message moves its lane on by
-- one over the lane's weight, and a node stands where its head does, plus a lead of its own. So the
-- lanes below a node keep their weights among themselves, also where the node is served seldom.
-- Whatever becomes ready starts level with what is served then: it gains nothing by waiting, nor by
-- having waited.
--
-- An app's node stands where its own messages have moved it, one by each, however many senders and
-- lanes are below it: so each app has one share, and one that floods a thousand lanes no more. It
-- keeps that place where everything below it is parked.
--
-- A member that a level refuses is taken out and parked until that level's time: one entry, however
-- many lanes are below it, so that no sender's queue is ever looked at for another's sake.
--
-- What a carrier's cap refuses leaves its lane for a side lane (bs:+1555~t#july), so that the
-- others go on. It is a lane like any other: it is parked while that cap refuses, and then served
-- beside the other, which leaves it whatever that cap would count as long as it has tickets; so the
-- order for each carrier stays. `waits:<level>` names what such a level
-- has parked, so that what makes room for one message need not look at everybody.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local limits, names = part('sluicegate.limits'), part('sluicegate.lane_names')
local key, num, ms = account.key, texts.num, texts.ms
local class_of, sender_of, scope_of = names.class_of, names.sender_of, names.scope_of
local app_of, is_node, is_app = names.app_of, names.is_node, names.is_app
local call, sub, match = redis.call, string.sub, string.match

local PRIORITIES = { ts = 't', tm = 't', bs = 'b', bm = 'b' }
local REOPENED = 2           -- members that are looked at when a carrier's level has room for one
local JUST_BEFORE = 0.000001 -- of virtual time

local function below(class, node) return key('ready:' .. class .. ':' .. node) end
local function parked(class) return key('parked:' .. sub(class, 1, 1)) end

local function node_above(member)
  local scope = scope_of(member)
  if not is_node(member) then return 's|' .. sender_of(member) .. scope end
  local sender = match(member, '^s|([^@]*)')
  local limit = sender and limits.get('sender:' .. sender) or ''
  local registration = match(limit, '^[^|]*|[^|]*|(.+)$')
  if registration then return 'r|' .. registration .. scope end
  return scope ~= '' and 'a|' .. sub(scope, 2)
end

local nodes_above = {} -- false at the top

-- The node above a member: a lane's sender, a sender's registration, their app; nil at the top of
-- the tree.
local function above(member)
  if nodes_above[member] == nil then nodes_above[member] = node_above(member) end
  return nodes_above[member] or nil
end

-- For whoever has just published other limits: a sender may have another registration.
local function forget() nodes_above = {} end

-- The set that a member stands in.
local function place(class, member)
  local node = above(member)
  return node and below(class, node) or key('ready:' .. class)
end

local function score(virtual_time) return string.format('%.9f', virtual_time) end

local function head_of(zset) return tonumber(call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2]) end

local clocks = {} -- of each priority: the virtual time of what was served last
local function virtual(class)
  local priority = PRIORITIES[class]
  if not clocks[priority] then clocks[priority] = num(call('HGET', key('virtual'), priority), 0) end
  return clocks[priority]
end

local function advance(class, virtual_time) clocks[PRIORITIES[class]] = virtual_time end

local function save_clocks()
  for priority, time in pairs(clocks) do call('HSET', key('virtual'), priority, score(time)) end
end

local leads = {} -- of each node: how far its place in the tree is ahead of its head's
local function lead(class, node)
  local name = class .. '/' .. node
  if not leads[name] then leads[name] = num(call('HGET', key('virtual'), name), 0) end
  return leads[name]
end

local function set_lead(class, node, by)
  local name = class .. '/' .. node
  leads[name] = by
  call('HSET', key('virtual'), name, score(by))
end

local function app_rises(class, node)
  local top = key('ready:' .. class)
  if call('ZSCORE', top, node) then return end
  local stood = num(call('HGET', key('virtual'), class .. '/' .. node), 0)
  call('ZADD', top, score(math.max(stood, virtual(class))), node)
end

-- A node has something ready, and so have those above it. One that comes into the tree begins level
-- with what is served then: at least, where it was parked; exactly, where it had nothing.
local function rise(class, node, was_parked)
  if is_app(node) then return app_rises(class, node) end
  if call('ZSCORE', parked(class), class .. '/' .. node) then return end
  local head, zset, over = head_of(below(class, node)), place(class, node), above(node)
  if not call('ZSCORE', zset, node) then
    local level = over and head_of(zset) or virtual(class)
    local behind = head + lead(class, node) < level
    if not was_parked or behind then set_lead(class, node, level - head) end
  end
  call('ZADD', zset, score(head + lead(class, node)), node)
  if over then rise(class, over) end
end

local active = {} -- lanes known to be in the tree

-- A lane has something ready. `stood` is where it stood when it was parked, `behind` how far behind
-- its node's head.
local function activate(lane, stood, behind)
  local class = class_of(lane)
  if active[lane] or call('ZSCORE', parked(class), class .. '/' .. lane) then return end
  active[lane] = true
  local node = above(lane)
  local first = (head_of(below(class, node)) or 0) - JUST_BEFORE -- it precedes those equally far
  stood = math.max(first, math.min(stood or first, first + (behind or 0)))
  if call('ZADD', below(class, node), 'NX', score(stood), lane) == 1 then rise(class, node) end
end

-- Put a lane that has tickets where a claim finds it, if a node above it, or itself, is neither in
-- the tree nor parked. Returns whether it had to.
local function ensure(lane)
  local class, member = class_of(lane), lane
  while member do
    if call('ZSCORE', parked(class), class .. '/' .. member) then return false end
    if not call('ZSCORE', place(class, member), member) then
      if is_node(member) then rise(class, member) else activate(lane) end
      return true
    end
    member = above(member)
  end
  return false
end

local function to_head(lane, ticket)
  call('LPUSH', key('lane:' .. lane), ticket)
  activate(lane)
end

local function to_tail(lane, ticket)
  call('RPUSH', key('lane:' .. lane), ticket)
  activate(lane)
end

-- Nothing of an app is ready: its place is kept for when something is.
local function app_leaves(class, node)
  local top = key('ready:' .. class)
  local stood = call('ZSCORE', top, node)
  if not stood then return end
  call('HSET', key('virtual'), class .. '/' .. node, score(tonumber(stood)))
  call('ZREM', top, node)
end

-- Bring the nodes over a member to the score of their heads, and take out those that are empty: a
-- lead is for one that has something, or is parked.
local function tidy(class, member)
  local node = above(member)
  if not node then return end
  local head = head_of(below(class, node))
  if is_app(node) then
    if not head then app_leaves(class, node) end
  elseif head then
    call('ZADD', place(class, node), 'XX', score(head + lead(class, node)), node)
  elseif call('ZREM', place(class, node), node) == 1 then
    leads[class .. '/' .. node] = nil
    call('HDEL', key('virtual'), class .. '/' .. node)
  end
  tidy(class, node)
end

-- Put a lane where it is served next, if it is still in the tree; and its app, where it has one.
local function move_to(class, lane, virtual_time, of_app)
  call('ZADD', place(class, lane), 'XX', score(virtual_time), lane)
  tidy(class, lane)
  if of_app then
    call('ZADD', key('ready:' .. class), 'XX', score(of_app), 'a|' .. app_of(lane))
  end
end

local function take_out(class, member)
  active[member] = nil
  if is_app(member) then return app_leaves(class, member) end
  call('ZREM', place(class, member), member)
  tidy(class, member)
end

local function park(class, member, until_ms, level)
  local name = class .. '/' .. member
  local stood = tonumber(call('ZSCORE', place(class, member), member))
  take_out(class, member)
  if not is_node(member) and stood then
    local behind = math.max(0, stood - (head_of(place(class, member)) or stood))
    call('HSET', key('virtual'), name, score(stood) .. ' ' .. score(behind))
  end
  call('ZADD', parked(class), ms(until_ms), name)
  call('HSET', key('parked_by'), name, level)
end

local function unpark(name)
  local class, member = match(name, '^(..)/(.*)$')
  call('ZREM', parked(class), name)
  call('HDEL', key('parked_by'), name)
  if not is_node(member) then
    local stood, behind = match(call('HGET', key('virtual'), name) or '', '^(%S+) (%S+)$')
    call('HDEL', key('virtual'), name)
    if call('EXISTS', key('lane:' .. member)) == 1 then
      activate(member, tonumber(stood), tonumber(behind))
    end
    return
  end
  if head_of(below(class, member)) then rise(class, member, true) end
end

-- A carrier's level has parked a member: it is looked at when the level has room, transactional
-- ones first, then whoever waits longest.
local function wait_for(now, level, name)
  call('ZADD', key('waits:' .. level), sub(name, 1, 1) == 't' and 0 or ms(now.steady), name)
end

local function unpark_waiting(level)
  local waiting = call('ZPOPMIN', key('waits:' .. level), REOPENED)
  for i = 1, #waiting, 2 do
    local name = waiting[i]
    if call('HGET', key('parked_by'), name) == level then unpark(name) end
  end
end

return {
  below = below, above = above, forget = forget, head_of = head_of, virtual = virtual,
  advance = advance, save_clocks = save_clocks, lead = lead, set_lead = set_lead, rise = rise,
  activate = activate, ensure = ensure, to_head = to_head, to_tail = to_tail, move_to = move_to,
  take_out = take_out, park = park, unpark = unpark, wait_for = wait_for,
  unpark_waiting = unpark_waiting,
}
