-- Enqueue a batch of messages: each id once, its content pinned, in a lane or due later.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this batch, ARGV[2] retention_ms, then seven per message:
--   id, digest of the content, lane, ticket, to, content, send_at_ms ('' for now).
-- Returns: one letter per message: e enqueued, s suppressed (the recipient opted out), k known, r
--   reused (other content). A batch repeated with its token is answered as it was the first time.
-- Keys touched: those of states.lua, clock, m:<id>, optouts, due, wake.
-- The first write grows the data, so a full server refuses the batch whole. Lua hands some
-- thousands of values to one command and no more, so neither may a batch be larger.
local account, texts, clock =
  part('sluicegate.account'), part('sluicegate.texts'), part('sluicegate.clock')
local optouts, states, lanes =
  part('sluicegate.optouts'), part('sluicegate.states'), part('sluicegate.lanes')
local count = part('sluicegate.counts').count
local key, num = account.key, texts.num
local call = redis.call

local FIELDS = 7
local args, token, retention_ms = ARGV, ARGV[1], ARGV[2]
local now = clock.read()
clock.save(now)
local enqueued_ms = texts.whole_ms(now.wall)

-- Nearly every batch is all new, and to nobody who opted out: two commands tell, in place of two a
-- message.
local names, recipients, prefix, size = {}, {}, key('m:'), (#args - 2) / FIELDS
for n = 1, size do
  names[n] = prefix .. args[FIELDS * n - 4]
  recipients[n] = args[FIELDS * n]
end
local any_known = size > 0 and call('EXISTS', unpack(names)) > 0
optouts.fetch(recipients)

local answered = {} -- this batch's answers by record: an id may stand in it twice
local function repeated(name, digest)
  local known = call('HMGET', name, 'digest', 'token', 'state')
  if not known[1] then return nil end
  if known[1] ~= digest then return 'r' end
  if known[2] ~= token then return 'k' end
  return answered[name] or known[3] == 'suppressed' and 's' or 'e'
end

-- Lanes in the order of their first tickets, which go in with one command.
local filled, tickets = {}, {}
local function add_ticket(lane, ticket)
  local waiting = tickets[lane]
  if not waiting then
    waiting = {}
    tickets[lane], filled[#filled + 1] = waiting, lane
  end
  waiting[#waiting + 1] = ticket
end

-- Store the new message whose arguments begin at `first`; returns its answer.
local function store(name, first)
  local id, lane, ticket, send_at = args[first], args[first + 2], args[first + 3], args[first + 6]
  call('HSET', name, 'digest', args[first + 1], 'to', args[first + 4], 'content', args[first + 5],
    'enqueued', enqueued_ms, 'token', token, 'state', 'waiting')
  if optouts.has(args[first + 4]) then
    states.finish(now, id, 'suppressed', retention_ms, token)
    return 's'
  end
  if send_at ~= '' and num(send_at, 0) > now.wall then
    call('HSET', name, 'state', 'scheduled', 'lane', lane, 'ticket', ticket, 'due', send_at)
    call('ZADD', key('due'), send_at, id)
  else
    add_ticket(lane, ticket)
  end
  return 'e'
end

local fresh, answers = 0, {}
for n = 1, size do
  local name, first = names[n], FIELDS * n - 4
  local answer = (any_known or answered[name]) and repeated(name, args[first + 1])
  if not answer then
    answer, fresh = store(name, first), fresh + 1
    answered[name] = answer
  end
  answers[n] = answer
end
for _, lane in ipairs(filled) do
  call('RPUSH', key('lane:' .. lane), unpack(tickets[lane]))
  lanes.activate(lane)
end
if fresh > 0 then
  count('enqueued', fresh)
  account.wake()
end
return table.concat(answers)
