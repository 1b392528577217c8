-- Leases, records and counts: a call reads each once, and writes what it changed once, at its end.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: leases, granted, started, m:*, totals, ledger:*, optouts.
--
-- A command costs a microsecond before it has done anything, and a message needs forty: so a call asks for what
-- it will need of all its messages together, works on tables, and `save` writes them. Who changes one of these
-- keys by a command of its own does so before it is read here, or not at all.

local NO_COMMAND = 2 -- a command's name and key, and nothing for it to do
local function run(command)
  if #command > NO_COMMAND then redis.call(unpack(command)) end
end

-- A lease is token|slot|seq|started|lane|ticket; started is empty while it is only granted. When it ends is its
-- score in one of two sets, `granted` and `started`; `set` is the one that it stands in as yet, nil for a new one.
local leases, rewritten = {}, {} -- by id; false where there is none. rewritten: when those end that are to be written
local members = {}               -- of each set: how many there are now
local gone = { 'HDEL', key('leases') }
local left = { granted = { 'ZREM', key('granted') }, started = { 'ZREM', key('started') } }

local function parsed_lease(text)
  local token, slot, seq, started, lane, ticket =
    string.match(text, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  return {
    token = token, slot = tonumber(slot), slot_text = slot, seq = seq, started = from_ms(started), lane = lane,
    ticket = ticket, set = started == '' and 'granted' or 'started',
  }
end

local function fetch_leases(ids)
  local ask = { 'HMGET', key('leases'), unpack(ids) }
  if #ask == NO_COMMAND then return end
  for i, text in ipairs(redis.call(unpack(ask))) do
    local id = ids[i]
    if leases[id] == nil then leases[id] = text and parsed_lease(text) or false end
  end
end

-- What a lease's ticket says.
local function ticket_of(lease)
  lease.read = lease.read or read_ticket(lease.ticket)
  return lease.read
end

local function read_lease(id)
  if leases[id] == nil then fetch_leases({ id }) end
  return leases[id] or nil
end

-- How many leases are in a set.
local function lease_count(set)
  members[set] = members[set] or redis.call('ZCARD', key(set))
  return members[set]
end

local function move_lease(id, lease, to)
  local from = lease.set
  if from == to then return end
  if from then
    members[from] = lease_count(from) - 1
    table.insert(left[from], id)
  end
  if to then members[to] = lease_count(to) + 1 end
  lease.set = to
end

local function write_lease(id, lease, ends)
  move_lease(id, lease, lease.started and 'started' or 'granted')
  leases[id], rewritten[id] = lease, ends
end

local function drop_lease(id)
  move_lease(id, leases[id], nil)
  gone[#gone + 1] = id
  leases[id], rewritten[id] = false, nil
end

local function save_leases()
  local texts = { 'HSET', key('leases') }
  local ends = { granted = { 'ZADD', key('granted') }, started = { 'ZADD', key('started') } }
  local n = NO_COMMAND
  for id, until_ms in pairs(rewritten) do
    local lease = leases[id]
    local into, at = ends[lease.set], #ends[lease.set]
    into[at + 1], into[at + 2] = whole_ms(until_ms), id -- a small set compares whole numbers much faster
    texts[n + 1], texts[n + 2] = id, lease.token .. '|' .. (lease.slot_text or ms(lease.slot)) .. '|' .. lease.seq
      .. '|' .. (lease.started and ms(lease.started) or '') .. '|' .. lease.lane .. '|' .. lease.ticket
    n = n + 2
  end
  run(gone)
  for _, set in ipairs({ 'granted', 'started' }) do
    run(left[set])
    run(ends[set])
  end
  run(texts)
end

local MESSAGE = key('m:')

-- A message's record: its fields, to be read and assigned; nil is one that it doesn't have, and takes it out.
local records, known, expiries = {}, {}, {} -- by id: as it is now, as it was read, ms until it goes
local function record(id)
  if records[id] then return records[id] end
  local all, m, read = redis.call('HGETALL', MESSAGE .. id), {}, {}
  for i = 1, #all, 2 do m[all[i]], read[all[i]] = all[i + 1], all[i + 1] end
  records[id], known[id] = m, read
  return m
end

-- For those who only look at some fields: their values, false where there is none. A record holds its message's
-- content and request, so that reading all of it is the most of a look's work.
local function look(id, ...)
  local m = records[id]
  if not m then return redis.call('HMGET', MESSAGE .. id, ...) end
  local values = {}
  for i, field in ipairs({ ... }) do values[i] = m[field] or false end
  return values
end

-- For those who only write some: fields and values by turns.
local function put(id, ...)
  local m = records[id]
  if not m then return redis.call('HSET', MESSAGE .. id, ...) end
  local all = { ... }
  for i = 1, #all, 2 do m[all[i]] = all[i + 1] end
end

local function add_to(m, field, by) m[field] = whole_ms(num(m[field], 0) + by) end

local function save_records()
  for id, m in pairs(records) do
    local name, read = MESSAGE .. id, known[id]
    local gone, changed = { 'HDEL', name }, { 'HSET', name }
    for field in pairs(read) do
      if m[field] == nil then gone[#gone + 1] = field end
    end
    for field, value in pairs(m) do
      if value ~= read[field] then changed[#changed + 1], changed[#changed + 2] = field, value end
    end
    run(gone)
    run(changed)
    if expiries[id] then redis.call('PEXPIRE', name, expiries[id]) end
  end
end

-- Counts: the account's totals, and each campaign's ledger.
local counts = {} -- by key and field: how much more
local function add(name, field, by)
  local fields = counts[name] or {}
  counts[name] = fields
  fields[field] = (fields[field] or 0) + by
end

local function count(field, by) add('totals', field, by or 1) end

-- What a ledger says, with what this call has added.
local function in_ledger(campaign, field)
  local name = 'ledger:' .. campaign
  return num(redis.call('HGET', key(name), field), 0) + (counts[name] and counts[name][field] or 0)
end

local function save_counts()
  for name, fields in pairs(counts) do
    for field, by in pairs(fields) do
      if by ~= 0 then redis.call('HINCRBY', key(name), field, by) end
    end
  end
end

-- Who has opted out; asked for many at once, and not at all while nobody has.
local opted_out, any_optouts = {}, nil -- by number
local function fetch_optouts(numbers)
  if any_optouts == nil then any_optouts = redis.call('EXISTS', key('optouts')) == 1 end
  if not any_optouts then return end
  local ask = { 'HMGET', key('optouts') }
  for _, to in ipairs(numbers) do
    if opted_out[to] == nil then ask[#ask + 1] = to end
  end
  if #ask == NO_COMMAND then return end
  for i, text in ipairs(redis.call(unpack(ask))) do opted_out[ask[NO_COMMAND + i]] = text ~= false end
end

local function has_opted_out(to)
  if opted_out[to] == nil and any_optouts ~= false then fetch_optouts({ to }) end
  return opted_out[to]
end
