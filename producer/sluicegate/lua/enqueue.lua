-- Enqueue a batch of messages: each id once, its content pinned, in a lane or due later.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this batch, ARGV[2] retention_ms, ARGV[3] the caps of the app whose batch it is
--   (apps.lua; '' for none), then seven per message:
--   id, digest of the content, lane, ticket, to, content, send_at_ms ('' for now). Where any of
--   them belongs to a trace, one more: a line for each, its place in the batch and the trace.
-- Returns: one letter per message: e enqueued, s suppressed (the recipient opted out), k known, r
--   reused (other content). A batch repeated with its token is answered as it was the first time.
--   Or, where a cap refuses it, an array: the cap's name, and ms until it may be tried again; then
--   nothing was stored. With caps that hold for `each` message, those that one refuses have its
--   letter of apps.lua instead, a known one to somebody who had opted out has s, and the answer is
--   an array: the letters, and what apps.lua's gate says is left. With `dry` as well, nothing is
--   stored, and the letters say what would become of it.
-- Keys touched: those of states.lua, apps.lua and app_counts.lua, clock, m:<id>, optouts, due,
--   wake. It reads those of archived.lua.
-- The first write grows the data, so a full server refuses the batch whole. Lua hands some
-- thousands of values to one command and no more, so neither may a batch be larger.
local account, texts, clock =
  part('sluicegate.account'), part('sluicegate.texts'), part('sluicegate.clock')
local optouts, states, lanes =
  part('sluicegate.optouts'), later('sluicegate.states'), part('sluicegate.lanes')
local count, apps = part('sluicegate.counts').count, later('sluicegate.apps')
local tally, archived = part('sluicegate.app_counts').tally, later('sluicegate.archived')
local key, num = account.key, texts.num
local call, sub = redis.call, string.sub

local FIELDS = 7
local args, token, retention_ms = ARGV, ARGV[1], ARGV[2]
local caps = ARGV[3] ~= '' and apps().parsed(ARGV[3])
local dry = caps and caps.dry
local now = clock.read()

-- Nearly every batch is all new, and to nobody who opted out: two commands tell, in place of two a
-- message.
local names, recipients, prefix, size = {}, {}, key('m:'), math.floor((#args - 3) / FIELDS)
local traces = {} -- by their places
for n, trace in string.gmatch(args[FIELDS * size + 4] or '', '(%d+) ([^\n]+)') do
  traces[tonumber(n)] = trace
end
for n = 1, size do
  names[n] = prefix .. args[FIELDS * n - 3]
  recipients[n] = args[FIELDS * n + 1]
end
local any_known = size > 0 and call('EXISTS', unpack(names)) > 0
optouts.fetch(recipients)
local any_archived = call('EXISTS', key('archive')) == 1 -- ids outlast their archive

-- What version 0.1 stored under the app's own key for a message.
local function older(id, digest)
  local name = prefix .. sub(id, #caps.app + 2)
  local known = call('HMGET', name, 'digest', 'enqueued')
  if not known[1] then return nil end
  local since = num(call('HGET', key('apps'), 'since'), math.huge)
  if num(known[2], 0) >= since then return nil end -- by a producer without a name, meanwhile
  return known[1] == digest and 'k' or 'r'
end

local answered = {} -- this batch's answers by record: an id may stand in it twice
local function repeated(name, digest)
  local known = call('HMGET', name, 'digest', 'token', 'state')
  if not known[1] then return nil end
  if known[1] ~= digest then return 'r' end
  if known[2] ~= token then
    local to_nobody = caps and caps.each and known[3] == 'suppressed'
    return to_nobody and not call('HGET', name, 'code') and 's' or 'k'
  end
  return answered[name] or known[3] == 'suppressed' and 's' or 'e'
end

-- What the archive has by now; of this batch nothing can be there.
local function archived_as(id, digest)
  local known = archived().find(now.wall, id)
  return known and (known == sub(digest, 1, archived().DIGEST) and 'k' or 'r')
end

-- What is known of the message whose arguments begin at `first`: its answer, nil where it is new.
local function known_as(name, first)
  if dry and answered[name] then return answered[name] == args[first + 1] and 'k' or 'r' end
  local answer = (any_known or answered[name]) and repeated(name, args[first + 1])
    or any_archived and archived_as(args[first], args[first + 1])
  return answer or caps and caps.older and older(args[first], args[first + 1]) or nil
end

-- Whether the caps of the app let the batch in; where they do, it is charged.
local function refused()
  local new, sent, cost, seen = 0, 0, 0, {}
  for n = 1, size do
    local name = names[n]
    if not seen[name] and not known_as(name, FIELDS * n - 3) then
      seen[name], new = true, new + 1
      if not optouts.has(recipients[n]) then
        sent, cost = sent + 1, cost + (caps.costs[n] or 0)
      end
    end
  end
  local cap, wait = apps().refusal(now, caps, new, sent, cost)
  if cap then return { cap, texts.rounded(math.ceil(wait)) } end
  clock.save(now)
  apps().charge(now, caps, new, sent, cost)
end

local refusal = caps and not caps.each and refused()
if refusal then return refusal end
local gate = caps and caps.each and apps().gate(now, caps)
if not dry then clock.save(now) end
local enqueued_ms = texts.whole_ms(now.wall)

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
local function store(name, first, trace)
  if dry then return optouts.has(args[first + 4]) and 's' or 'e' end
  local id, lane, ticket, send_at = args[first], args[first + 2], args[first + 3], args[first + 6]
  local content = args[first + 5]
  if trace then -- a space after the JSON spares a claim to ask all the others for theirs
    call('HSET', name, 'trace', trace)
    content = content .. ' '
  end
  call('HSET', name, 'digest', args[first + 1], 'to', args[first + 4], 'content', content,
    'enqueued', enqueued_ms, 'token', token, 'state', 'waiting')
  tally(id, 'enqueued', 1)
  if optouts.has(args[first + 4]) then
    states().finish(now, id, 'suppressed', retention_ms, token)
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
  local name, first = names[n], FIELDS * n - 3
  local answer = known_as(name, first)
  if not answer and gate then
    answer = gate.admit(optouts.has(recipients[n]), caps.costs[n] or 0)
  end
  if not answer then
    answer, fresh = store(name, first, traces[n]), fresh + 1
    answered[name] = dry and args[first + 1] or answer
  end
  answers[n] = answer
end
for _, lane in ipairs(filled) do
  call('RPUSH', key('lane:' .. lane), unpack(tickets[lane]))
  lanes.activate(lane)
end
if fresh > 0 and not dry then
  count('enqueued', fresh)
  account.wake()
end
local letters = table.concat(answers)
if not gate then return letters end
return { letters, gate.close(dry) }
