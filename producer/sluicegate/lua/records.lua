-- Records: what is stored of each message; read once a call, written at its end (leases.lua).
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: get, is_loaded, look, put, clear, add, expire; at_end writes what changed.
-- Keys touched: m:<id>; those of events.lua, where an app wants to be told of what changes.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local run, num, whole_ms = account.run, texts.num, texts.whole_ms
local limits, events = part('sluicegate.limits'), later('sluicegate.events')
local call = redis.call

local PREFIX = account.key('m:')

-- What version 0.1 called a field is renamed when its record is next written.
local NAMES = { fate = 'delivery', fate_at = 'delivery_at', fate_code = 'delivery_code' }

-- By id: as it is now, as it was read, ms until it goes.
local records, stored, expiries = {}, {}, {}

-- A message's fields, to be read and assigned: nil is a field that it does not have, and removes
-- it.
local function get(id)
  if records[id] then return records[id] end
  local all, record, read = call('HGETALL', PREFIX .. id), {}, {}
  for i = 1, #all, 2 do
    local field = all[i]
    record[NAMES[field] or field], read[field] = all[i + 1], all[i + 1]
  end
  records[id], stored[id] = record, read
  return record
end

local function is_loaded(id) return records[id] ~= nil end

-- For those who only look at some fields: their values, false where there is none. A record holds
-- its message's content and request, and reading those is most of the work.
local function look(id, ...)
  local record = records[id]
  if not record then return call('HMGET', PREFIX .. id, ...) end
  local values = {}
  for i, field in ipairs({ ... }) do values[i] = record[field] or false end
  return values
end

-- For those who only write some: fields and values by turns.
local function put(id, ...)
  local record = records[id]
  if not record then return call('HSET', PREFIX .. id, ...) end
  local all = { ... }
  for i = 1, #all, 2 do record[all[i]] = all[i + 1] end
end

-- For those who only remove some.
local function clear(id, ...)
  local record = records[id]
  if not record then return call('HDEL', PREFIX .. id, ...) end
  for _, field in ipairs({ ... }) do record[field] = nil end
end

local function add(record, field, by) record[field] = whole_ms(num(record[field], 0) + by) end

-- Let a record go after so many ms.
local function expire(id, retention_ms)
  if records[id] then
    expiries[id] = retention_ms
  else
    call('PEXPIRE', PREFIX .. id, retention_ms)
  end
end

local function is_news(record, read)
  return record.state ~= read.state or record.delivery ~= read.delivery
    or record.sent_at ~= read.sent_at or record.provider_id_2 ~= read.provider_id_2
end

local function at_end()
  local wanted = next(records) and limits.get('events')
  for id, record in pairs(records) do
    local name, read = PREFIX .. id, stored[id]
    if wanted and is_news(record, read) then events().of_record(id, record, read) end
    local gone, changed = { 'HDEL', name }, { 'HSET', name }
    for field in pairs(read) do
      if record[field] == nil then gone[#gone + 1] = field end
    end
    for field, value in pairs(record) do
      if value ~= read[field] then changed[#changed + 1], changed[#changed + 2] = field, value end
    end
    run(gone)
    run(changed)
    if expiries[id] then call('PEXPIRE', name, expiries[id]) end
  end
end

return {
  get = get, is_loaded = is_loaded, look = look, put = put, clear = clear, add = add,
  expire = expire, at_end = at_end,
}
