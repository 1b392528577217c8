-- Leases: which worker holds a message; read once a call, and written at its end.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: fetch, get, ticket, is_carried, count, write, drop; at_end writes what changed.
-- Keys touched: leases, granted, started.
--
-- A command costs a microsecond before it has done anything, and a message would need forty. So a
-- call asks for what it must know of all its messages together, works on tables, and writes them
-- once. records.lua, counts.lua and optouts.lua do the same. A script that changes one of these
-- keys by a command of its own does so before the key is read here.
--
-- A lease is token|slot|seq|started|lane|ticket; `started` is empty while it is only granted.
-- Behind seq stands the letter of the carrier that the message is charged for (charges.lua), where
-- a level of its lane asks. When it ends is its score in one of two sets, `granted` and `started`.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local parse_ticket = part('sluicegate.tickets').parse
local key = account.key
local ms, whole_ms, from_ms = texts.ms, texts.whole_ms, texts.from_ms
local call, match = redis.call, string.match

local leases = {}        -- by id; false where there is none
local rewritten = {}     -- by id: when those end that are to be written
local sizes = {}         -- of each set, as it is stored
local more = { granted = 0, started = 0 } -- in each set, when this call has ended
local gone, left = {}, { granted = {}, started = {} } -- ids, and those that leave each set

-- `set` is the one that the lease stands in as yet; a new lease has none.
local function parse(text)
  local token, slot, seq, charged_for, started, lane, ticket =
    match(text, '^([^|]*)|([^|]*)|(%d*)(%a?)|([^|]*)|([^|]*)|(.*)$')
  return {
    token = token, slot = tonumber(slot), slot_text = slot, seq = seq, charged_for = charged_for,
    started = from_ms(started), lane = lane, ticket_text = ticket,
    set = started == '' and 'granted' or 'started',
  }
end

local function formatted(lease)
  return lease.token .. '|' .. (lease.slot_text or ms(lease.slot)) .. '|' .. lease.seq
    .. (lease.charged_for or '') .. '|' .. (lease.started and ms(lease.started) or '') .. '|'
    .. lease.lane .. '|' .. lease.ticket_text
end

-- Read the leases of many messages with one command.
local function fetch(ids)
  if #ids == 0 then return end
  for i, text in ipairs(call('HMGET', key('leases'), unpack(ids))) do
    local id = ids[i]
    if leases[id] == nil then leases[id] = text and parse(text) or false end
  end
end

-- A message's lease; nil where nobody holds it.
local function get(id)
  if leases[id] == nil then fetch({ id }) end
  return leases[id] or nil
end

-- Whether a lease's message is charged by its carrier.
local function is_carried(lease) return (lease.charged_for or '') ~= '' end

-- What a lease's ticket says.
local function ticket(lease)
  lease.ticket = lease.ticket or parse_ticket(lease.ticket_text)
  return lease.ticket
end

-- How many leases are in a set, as this call leaves it.
local function count(set)
  sizes[set] = sizes[set] or call('ZCARD', key(set))
  return sizes[set] + more[set]
end

local function move(id, lease, to)
  local from = lease.set
  if from == to then return end
  if from then
    local ids = left[from]
    ids[#ids + 1], more[from] = id, more[from] - 1
  end
  if to then more[to] = more[to] + 1 end
  lease.set = to
end

local function write(id, lease, ends)
  move(id, lease, lease.started and 'started' or 'granted')
  leases[id], rewritten[id] = lease, ends
end

local function drop(id)
  move(id, leases[id], nil)
  gone[#gone + 1] = id
  leases[id], rewritten[id] = false, nil
end

local function run(command, name, args)
  if #args > 0 then call(command, key(name), unpack(args)) end
end

local function at_end()
  local values, ends, length = {}, { granted = {}, started = {} }, 0
  for id, until_ms in pairs(rewritten) do
    local lease = leases[id]
    local scores = ends[lease.set]
    local last = #scores
    -- A small set compares whole numbers much faster.
    scores[last + 1], scores[last + 2] = whole_ms(until_ms), id
    values[length + 1], values[length + 2] = id, formatted(lease)
    length = length + 2
  end
  run('HDEL', 'leases', gone)
  run('ZREM', 'granted', left.granted)
  run('ZADD', 'granted', ends.granted)
  run('ZREM', 'started', left.started)
  run('ZADD', 'started', ends.started)
  run('HSET', 'leases', values)
end

return {
  fetch = fetch, get = get, ticket = ticket, is_carried = is_carried, count = count, write = write,
  drop = drop, at_end = at_end,
}
