-- Got: what each recipient got of late; read as it is needed, written at a call's end.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: TIME, HASH, UNIT_MS; logs, which others only read; open, read, log_of, write, append,
--   take_back, unit_of, packed, time_at, added, forget_old; at_end writes what changed.
-- Keys touched: limits, got:<kept>:<n>.
--
-- It is remembered in hashes by generations, each as long as the longest limit's window: so a
-- generation goes as a whole, and what still counts is in this one or in the one before. A field is
-- a log:
--   t+12125550123   times of 5 bytes, in 10 ms of the steady clock, the latest last; b of bulk
--   ts+12125550123  texts' hashes of 7 characters, each with its time; bs of bulk
--   p+1212          the brake on a prefix (brakes.lua)
-- A time is that until which the POST may begin: so no two begin within a window of each other.
local key, rounded = part('sluicegate.account').key, part('sluicegate.texts').rounded
local limits = part('sluicegate.limits')
local call, byte, char, floor, sub = redis.call, string.byte, string.char, math.floor, string.sub

local TIME, HASH = 5, 7 -- bytes
local UNIT_MS = 10
local LATE_MS = 200     -- a POST begins at most so long after its slot
local NOTHING = 0.00005 -- of a unit: a lease's slot is rounded to less
local HOUR_MS = 3600000

local logs = {}                    -- by field, as they are now; where it was read, and is there
local asked = {}                   -- fields that were read one by one
local changed, last = { 'HSET' }, 2 -- the command that writes, and how long it is
local homes                        -- the hashes, that of now first

-- Find them; a limit that was raised or lowered may have changed how long a generation is.
local function open(now)
  if homes then return end
  homes = {}
  limits.fetch('recipient', 'recipient_before', 'recipient:t', 'recipient:b', 'prefix')
  for _, kept in ipairs({ limits.get('recipient'), limits.get('recipient_before') }) do
    local n = floor(now.steady / tonumber(kept))
    for generation = n, n - 1, -1 do
      local home = key('got:' .. kept .. ':' .. rounded(generation))
      if #homes == 0 or call('EXISTS', home) == 1 then homes[#homes + 1] = home end
    end
  end
  changed[2] = homes[1]
end

-- Read many logs with a command a generation, once they are open.
local function read(names)
  local found = call('HMGET', homes[1], unpack(names))
  for i = 1, #found do
    local log = found[i]
    if log and not logs[names[i]] then logs[names[i]] = log end
  end
  for n = 2, #homes do
    local missing = {}
    for _, name in ipairs(names) do
      if not logs[name] then missing[#missing + 1] = name end
    end
    if #missing == 0 then return end
    for i, log in ipairs(call('HMGET', homes[n], unpack(missing))) do
      logs[missing[i]] = log or nil
    end
  end
end

local function log_of(now, name)
  if not (logs[name] or asked[name]) then
    asked[name] = true
    open(now)
    read({ name })
  end
  return logs[name] or ''
end

local function write(name, log)
  logs[name], changed[last + 1], changed[last + 2] = log, name, log
  last = last + 2
end

local function unit_of(slot) return math.ceil((slot + LATE_MS) / UNIT_MS - NOTHING) end

local function packed(unit)
  return char(floor(unit / 4294967296), floor(unit / 16777216) % 256, floor(unit / 65536) % 256,
    floor(unit / 256) % 256, unit % 256)
end

local function time_at(log, at)
  local a, b, c, d, e = byte(log, at, at + TIME - 1)
  return (((a * 256 + b) * 256 + c) * 256 + d) * 256 + e
end

-- A log with an entry more, in the order of times; of its entries, `width` bytes each, so many are
-- kept.
local function added(log, unit, entry, width, kept)
  local at = #log
  while at > 0 and time_at(log, at - TIME + 1) > unit do at = at - width end
  log = sub(log, 1, at) .. entry .. sub(log, at + 1)
  local over = #log - width * kept
  return over > 0 and sub(log, over + 1) or log
end

-- A log as if the entry of that time had not been added.
local function without(log, unit, width)
  for at = #log, width, -width do
    if time_at(log, at - TIME + 1) == unit then
      return sub(log, 1, at - width) .. sub(log, at + 1)
    end
  end
  return log
end

-- What was added for a slot to a log is taken out of it.
local function take_back(now, name, slot, width)
  local log = log_of(now, name)
  local shorter = without(log, unit_of(slot), width)
  if shorter ~= log then write(name, shorter) end
end

-- The slots of one claim are close together: those in this unit have this entry.
local entry, begins, ends = '', 0, 0

local function enter(slot)
  local unit = unit_of(slot)
  entry, ends = packed(unit), (unit + NOTHING) * UNIT_MS - LATE_MS
  begins = ends - UNIT_MS
end

-- Add a slot to a log of times that was read.
local function append(name, slot, kept)
  if slot <= begins or slot > ends then enter(slot) end
  local log = logs[name]
  log = log and added(log, unit_of(slot), entry, TIME, kept) or entry
  logs[name], changed[last + 1], changed[last + 2] = log, name, log
  last = last + 2
end

-- A generation is freed beside the server's work, not when a command comes upon it.
local function forget_old(now)
  local kept = limits.get('recipient')
  if not kept then return end
  local n = floor(now.steady / tonumber(kept))
  call('UNLINK', key('got:' .. kept .. ':' .. rounded(n - 2)))
end

local function at_end()
  if last == 2 then return end
  call(unpack(changed))
  call('PEXPIRE', homes[1], rounded(2 * limits.get('recipient') + HOUR_MS))
end

return {
  TIME = TIME, HASH = HASH, UNIT_MS = UNIT_MS, logs = logs, open = open, read = read,
  log_of = log_of, write = write, append = append, take_back = take_back, unit_of = unit_of,
  packed = packed, time_at = time_at, added = added, forget_old = forget_old, at_end = at_end,
}
