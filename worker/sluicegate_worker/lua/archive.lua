-- Archiving: what the archiver reads, and what it may take away once the archive has it.
-- KEYS[1] the account's key prefix.
-- ARGV[1] what to do, [2] token of the archiver's lease, [3] its archive's id ('' where it has
--   opened none), then what each function below says.
-- Returns: what that function returns; 'lost' where another archiver holds the lease, 'moved' where
--   the account's archive is another one, or none any more.
-- Keys touched: archiver, archive, m:<id>, unsent:<n>:<state>, late; those of archived.lua.
--   It reads campaigns, lane:*, lanes:<n> and those of states.lua.
--
-- A record goes only if all its values are those that the archive was given: whatever happened to
-- it meanwhile keeps it here until the next pass. So any call may be repeated, at any time.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local states, campaigns = later('sluicegate.states'), part('sluicegate.campaigns')
local leases, archived = part('sluicegate.leases'), part('sluicegate.archived')
local key, num = account.key, texts.num
local call, sub, find, max, concat = redis.call, string.sub, string.find, math.max, table.concat

local ENDED = {
  accepted = true, cancelled = true, expired = true, suppressed = true, purged = true,
}
local OVER = { finished = true, cancelled = true }
local LISTS = {
  'cancelled', 'expired', 'suppressed', 'too_many', 'too_soon', 'same_text', 'left_out',
}
local LOOKED_AT = 100 -- campaigns in one call
local READ = 5 -- what is said of each record that was read
local PREFIX = key('m:')

local now_ms = part('sluicegate.time').server_ms()
local LEASE_MS = 60000
local verb, token, archive = ARGV[1], ARGV[2], ARGV[3]
local verbs = {}

local function digest_of(values) return redis.sha1hex(concat(values, '\0')) end

-- The final state of a message and the ms of its end; nil for one that has none, or is held. What
-- waits in a cancelled campaign has ended with it, whatever its record says.
local function ended(id, recorded, at)
  if ENDED[recorded or ''] then return recorded, num(at, 0) end
  if recorded ~= 'waiting' then return nil end
  local state = states().current(id, recorded, leases.get(id))
  if not ENDED[state] then return nil end
  return state, num(call('HGET', key('campaign:' .. campaigns.of(id)), 'ended'), now_ms)
end

-- Whether no lane holds a ticket of a message that has ended. One may be left there by a message
-- that ended elsewhere: it is void while a record says so. Without one, an app's stays void, but a
-- campaign's recipient would be sent to again. What was accepted at its own lease's end had its
-- ticket in that lease.
local empty = {} -- by campaign: whether it has no lane
local function ticket_is_gone(full, id, state)
  local name = campaigns.of(id)
  if not name then return true end
  local history = state == 'accepted' and call('HGET', full, 'history')
  if history and find(history, ',accepted,[^,;]*,[^,;]*$') then return true end
  if empty[name] == nil then
    local main = call('HGET', key('campaign:' .. name), 'lane')
    local lanes = call('SMEMBERS', key('lanes:' .. name))
    lanes[#lanes + 1] = main or nil
    for i, lane in ipairs(lanes) do lanes[i] = key('lane:' .. lane) end
    empty[name] = #lanes == 0 or call('EXISTS', unpack(lanes)) == 0
  end
  return empty[name]
end

-- Of a record in `full`: whether it is due, its state, ms of its end; nothing while it has none.
-- Most of a pass looks at what is not due, so it asks for as little as it can.
local function look(full, id, after_ms)
  local fields = call('HMGET', full, 'state', 'at')
  local state, at = ended(id, fields[1], fields[2] or call('HGET', full, 'enqueued'))
  if not state then return false end
  return at + after_ms <= now_ms and ticket_is_gone(full, id, state), state, at
end

-- What the archiver is told of a record: id, final state, ms of its end, its fields and values: one
-- text with NULs between them, which costs both sides half as much as thirty; a list where one has
-- a NUL. An HGETALL of its own would cost the archiver five times as much.
local function tell(due, full, id, state, at)
  local last, flat = #due, call('HGETALL', full)
  due[last + 1], due[last + 2], due[last + 3] = id, state, texts.whole_ms(at)
  due[last + 4] = find(concat(flat), '\0', 1, true) and flat or concat(flat, '\0')
end

-- A page of records: [4] cursor, [5] keys in the page, [6] ms after its end at which a message is
-- archived. Returns {next cursor ('0' after the last), how many ended and stay for now, ms of the
-- oldest of their ends, what there is to tell of each that is due}.
function verbs.page()
  local after_ms, due, stay, apps, oldest = tonumber(ARGV[6]), {}, 0, 0, nil
  local has_passed = call('HEXISTS', key('archive'), 'passed') == 1
  local page = call('SCAN', ARGV[4], 'MATCH', PREFIX .. '*', 'COUNT', ARGV[5])
  for _, full in ipairs(page[2]) do
    local id = sub(full, #PREFIX + 1)
    local is_due, state, at = look(full, id, after_ms)
    if is_due then
      tell(due, full, id, state, at)
      if not campaigns.of(id) then apps = apps + 1 end
    elseif state then
      stay = stay + 1
      if not oldest or at < oldest then oldest = at end
      -- It ended before there was an archive, and would be gone before it is archived.
      if not has_passed and not campaigns.of(id) and call('PTTL', full) >= 0 then
        call('PERSIST', full)
      end
    end
  end
  -- The first page is a sample: it tells how many of all keys are apps' messages that are due.
  if ARGV[4] == '0' then archived.expect(call('DBSIZE') * apps / ARGV[5]) end
  return { page[1], stay, oldest and texts.whole_ms(oldest) or '', due }
end

-- Those of these records that have ended, whenever that was: [4] and on, their ids. Returns what
-- there is to tell of each.
function verbs.some()
  local found = {}
  for i = 4, #ARGV do
    local full = PREFIX .. ARGV[i]
    local is_due, state, at = look(full, ARGV[i], 0)
    if is_due then tell(found, full, ARGV[i], state, at) end
  end
  return found
end

-- The archive has these records: [4] retention_ms, then of each, as it was read: id, state, ms of
-- its end, digest, and all its values, joined by NUL. A field that is set, changed or removed
-- changes those. Returns how many went: what has changed stays.
function verbs.drop()
  local retention_ms, ids = tonumber(ARGV[4]), {}
  for i = 5, #ARGV, READ do ids[#ids + 1] = ARGV[i] end
  leases.fetch(ids)
  local gone, known = { 'DEL' }, {}
  for i = 5, #ARGV, READ do
    local id, recorded, at, digest, read = unpack(ARGV, i, i + READ - 1)
    local full = PREFIX .. id
    local values = call('HVALS', full)
    if #values > 0 then
      local state, ended_at = ended(id, recorded, at)
      if state and not leases.get(id) and concat(values, '\0') == read then
        gone[#gone + 1] = full
        local until_ms = ended_at + retention_ms
        if not campaigns.of(id) and until_ms > now_ms then
          local last = #known
          known[last + 1], known[last + 2] = id, digest
          known[last + 3], known[last + 4] = state, until_ms
        end
      end
    end
  end
  archived.add(known)
  return #gone > 1 and call(unpack(gone)) or 0
end

-- Recipients that ended before they were ever started, of campaigns that are over: [4] where to go
-- on among the campaigns, [5] most tickets, [6] ms after a campaign's end at which they are
-- archived. Returns {where to go on, -1 after the last}, then {campaign, state, ms of its end,
-- tickets} for each list that has some.
function verbs.lists()
  local first, left, after_ms, found = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), {}
  local names = call('ZRANGE', key('campaigns'), first, first + LOOKED_AT - 1)
  local next_one = #names == LOOKED_AT and first + LOOKED_AT or -1
  for n, name in ipairs(names) do
    local fields = call('HMGET', key('campaign:' .. name), 'state', 'ended')
    if OVER[fields[1] or ''] and num(fields[2], 0) + after_ms <= now_ms then
      for _, state in ipairs(LISTS) do
        local tickets = call('LRANGE', key('unsent:' .. name .. ':' .. state), 0, max(left, 1) - 1)
        if #tickets > 0 and left > 0 then
          found[#found + 1] = { name, state, fields[2] or '0', tickets }
          left = left - #tickets
        end
      end
      if left <= 0 then
        next_one = first + n - 1
        break
      end
    end
  end
  table.insert(found, 1, { next_one })
  return found
end

-- The archive has these tickets: [4] campaign, [5] state, [6] how many, [7] digest of them. Returns
-- whether they were the first of that list, and so are gone.
function verbs.trim()
  local list, count = key('unsent:' .. ARGV[4] .. ':' .. ARGV[5]), tonumber(ARGV[6])
  local tickets = call('LRANGE', list, 0, count - 1)
  if #tickets ~= count or digest_of(tickets) ~= ARGV[7] then return 0 end
  call('LTRIM', list, count, -1)
  return 1
end

-- What was set aside for archived messages, the oldest first: [4] how many at most.
function verbs.late() return call('LRANGE', key('late'), 0, ARGV[4] - 1) end

-- Put records back, where there are none: id, number of what follows, fields and values, and so on.
function verbs.restore()
  local i = 4
  while ARGV[i] do
    local last = i + 1 + tonumber(ARGV[i + 1])
    if call('EXISTS', PREFIX .. ARGV[i]) == 0 then
      call('HSET', PREFIX .. ARGV[i], unpack(ARGV, i + 2, last))
    end
    i = last + 1
  end
  return 0
end

-- What was set aside is applied: [4] how many of them.
function verbs.done() return call('LTRIM', key('late'), ARGV[4], -1) end

-- What is under a legal hold: number:+1... or campaign:name.
function verbs.holds() return call('HKEYS', key('holds')) end

-- Forget ids past their retention: [4] the first hash to look at. Returns the next one, 0 after the
-- last.
function verbs.forget() return archived.forget(now_ms, tonumber(ARGV[4])) end

-- Note what a pass has found: fields and values. [4] a counter, [5] by how much it rises.
function verbs.note()
  if ARGV[4] ~= '' then call('HINCRBY', key('archive'), ARGV[4], ARGV[5]) end
  if ARGV[6] then call('HSET', key('archive'), unpack(ARGV, 6)) end
  return texts.whole_ms(now_ms)
end

-- Without an archive records expire again: [4] cursor, [5] keys in the page, [6] retention_ms.
-- Returns the next cursor, '0' after the last.
function verbs.release()
  local page = call('SCAN', ARGV[4], 'MATCH', PREFIX .. '*', 'COUNT', ARGV[5])
  for _, full in ipairs(page[2]) do
    local id = sub(full, #PREFIX + 1)
    local _, state, at = look(full, id, 0)
    if state and not campaigns.of(id) and call('PTTL', full) == -1 then
      call('PEXPIRE', full, texts.whole_ms(max(at + ARGV[6] - now_ms, 1)))
    end
  end
  return page[1]
end

-- Say what keeps the archiver from archiving: [4] a text, '' for nothing any more.
function verbs.fault()
  if call('HEXISTS', key('archive'), 'id') == 0 then return 0 end
  if ARGV[4] == '' then return call('HDEL', key('archive'), 'fault') end
  return call('HSET', key('archive'), 'fault', ARGV[4])
end

function verbs.leave() return call('DEL', key('archiver')) end

local holder = call('GET', key('archiver'))
if holder and holder ~= token then return 'lost' end
if archive ~= '' and call('HGET', key('archive'), 'id') ~= archive then return 'moved' end
call('ZREM', key('granted'), '') -- what frees comes first: a full server is to be relieved
call('SET', key('archiver'), token, 'PX', LEASE_MS)
return verbs[verb]()
