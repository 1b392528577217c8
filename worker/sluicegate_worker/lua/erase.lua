-- Erase a person: take a number out of what is stored, one find at a time.
-- KEYS[1] the account's key prefix.
-- ARGV[1] what to do, [2] digits of the number, then what each function below says.
-- Returns: what that function returns.
-- Keys touched: any that holds the number; those of states.lua and archived.lua, erased.
--
-- What a ledger counts stays: a message's record without the number, and a ticket with a word in
-- its place. A message that waits is cancelled by it. One that a worker holds, or that is in doubt,
-- needs its number yet.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local states, lanes = part('sluicegate.states'), part('sluicegate.lanes')
local lane_names, campaigns = part('sluicegate.lane_names'), part('sluicegate.campaigns')
local counts, archived = part('sluicegate.counts'), part('sluicegate.archived')
local key, call = account.key, redis.call

local PENDING = { waiting = true, scheduled = true, retrying = true }

local now = part('sluicegate.clock').read()
local verb, digits = ARGV[1], ARGV[2]
local named = '%f[%d]' .. digits .. '%f[%D]'
local verbs = {}

local function names(text) return string.find(text, named) ~= nil end

local function scrub(id, record)
  local whole = names(id)
  for field, value in pairs(record) do
    if whole or field == 'to' or field == 'answer' or field == 'reason' or names(value) then
      record[field] = nil
    end
  end
  if whole then archived.drop(id) end
end

-- A message to the number: [3] id, [4] retention_ms, [5] token. Returns erased | cancelled | purged
-- | under way | in doubt.
function verbs.message()
  local id, retention_ms, token = ARGV[3], ARGV[4], ARGV[5]
  if leases.get(id) then return 'under way' end
  local record, answer = records.get(id), 'erased'
  local state = states.current(id, record.state, nil)
  if state == 'in_doubt' then return 'in doubt' end
  if state == 'dead' then
    call('ZREM', key('dead'), id)
    states.finish(now, id, 'purged', retention_ms, token)
    answer = 'purged'
  elseif PENDING[state or ''] then
    call('ZREM', key('due'), id)
    states.finish(now, id, 'cancelled', retention_ms, token)
    answer = 'cancelled'
  end
  scrub(id, record)
  return answer
end

-- A ticket in a lane: [3] the lane, [4] the ticket, [5] what stays of it. Returns gone | cancelled
-- (a recipient that was never started) | erased.
function verbs.ticket()
  local lane, ticket = ARGV[3], ARGV[4]
  if call('LREM', key('lane:' .. lane), 1, ticket) == 0 then return 'gone' end
  if call('EXISTS', key('lane:' .. lane)) == 0 then
    lanes.take_out(lane_names.class_of(lane), lane)
  end
  local campaign = lane_names.campaign_in(lane)
  if not campaign then return 'erased' end
  local id = campaign .. '.' .. string.match(ticket, '^[^|]*')
  if records.get(id).state or leases.get(id) then return 'erased' end
  call('RPUSH', key('unsent:' .. campaign .. ':cancelled'), ARGV[5])
  if campaigns.state(campaign) == 'cancelled' then return 'cancelled' end -- counted with it
  counts.tally(campaign, 'waiting', 'cancelled')
  counts.count('cancelled')
  return 'cancelled'
end

-- An element of a list, which keeps its place: [3] the key's name, [4] the element, [5] what stays.
function verbs.line()
  local at = call('LPOS', key(ARGV[3]), ARGV[4])
  if not at then return 'gone' end
  call('LSET', key(ARGV[3]), at, ARGV[5])
  return 'erased'
end

-- A field's value: [3] the key's name, [4] the field, [5] its value, [6] what stays of it.
function verbs.value()
  if call('HGET', key(ARGV[3]), ARGV[4]) ~= ARGV[5] then return 'gone' end
  call('HSET', key(ARGV[3]), ARGV[4], ARGV[6])
  return 'erased'
end

-- Whatever else: [3] the key's name, [4] its type, [5] the member, field or element.
function verbs.drop()
  local name, kind, member = key(ARGV[3]), ARGV[4], ARGV[5]
  if kind == 'hash' then return call('HDEL', name, member) == 1 and 'erased' or 'gone' end
  if kind == 'set' then return call('SREM', name, member) == 1 and 'erased' or 'gone' end
  if kind == 'zset' then return call('ZREM', name, member) == 1 and 'erased' or 'gone' end
  if kind == 'stream' then return call('XDEL', name, member) == 1 and 'erased' or 'gone' end
  if kind == 'list' then return call('LREM', name, 0, member) > 0 and 'erased' or 'gone' end
  return call('DEL', name) == 1 and 'erased' or 'gone'
end

-- An archived message's id that names the number: [3]. Its hash is not keyed, so it could be tried.
function verbs.id()
  archived.drop(ARGV[3])
  return 'erased'
end

-- Its opt-out stands, under a keyed hash; and whoever has a reply under review has opted out, since
-- nobody can read it any more: [3] the number, [4] its hash. Returns kept | none.
function verbs.optout()
  local number, hash = ARGV[3], ARGV[4]
  local reasons = call('HGET', key('optouts'), number)
  if not reasons and call('HEXISTS', key('reviews'), number) == 1 then
    reasons = texts.whole_ms(now.wall) .. ' erased'
  end
  if not reasons then return 'none' end
  local before = call('HGET', key('erased'), hash)
  call('HSET', key('erased'), hash, before and before .. '\n' .. reasons or reasons)
  call('HDEL', key('optouts'), number)
  call('HDEL', key('reviews'), number)
  return 'kept'
end

call('ZREM', key('granted'), '')
return verbs[verb]()
