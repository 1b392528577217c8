-- The ids of archived messages: what stays of an app's message here, so that its id is known.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: find, which only reads; expect, add, forget, last, drop.
-- Keys touched: ids:<n>, archive.
--
-- An entry is 16 digits of the id's hash, and under it the first 12 characters of the content's
-- digest, a letter for the state, and the hour after which it is forgotten. Small hashes take some
-- 40 bytes an entry, and there are as many as keep them small: by linear hashing, one more is split
-- off at a time. Campaigns' recipients need none, since their members are known.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local key, num, rounded = account.key, texts.num, texts.rounded
local call, sub, floor, format = redis.call, string.sub, math.floor, string.format

local ENTRIES = 32 -- in a hash, on the average: finding one among a hundred costs twice as much
local LOOKED_AT = 16 -- hashes in one call
local ADDED = 4 -- are told of each message that is added
local DIGEST, HOUR_MS = 12, 3600000
local STATES = {
  a = 'accepted', c = 'cancelled', e = 'expired', s = 'suppressed', p = 'purged',
}

local shards -- how many hashes there are, once it was asked

local function size()
  shards = shards or num(call('HGET', key('archive'), 'shards'), 1)
  return shards
end

local halves = {} -- by how many hashes there are

-- Of `count` hashes, all below `half` were split already but for those from count - half on.
local function halved(count)
  if not halves[count] then
    local half = 1
    while half * 2 <= count do half = half * 2 end
    halves[count] = half
  end
  return halves[count]
end

local function place(field, count)
  local number, half = tonumber(sub(field, 9, 16), 16), halved(count)
  local shard = number % (half * 2)
  return shard < count and shard or shard - half
end

local IDS = key('ids:')
local function name(shard) return IDS .. format('%d', shard) end -- few come twice in a call
local function field_of(id) return sub(redis.sha1hex(id), 1, 16) end

-- One hash more: what belongs there leaves the one that held it.
local function split()
  local count = size()
  local from, to = name(count - halved(count)), name(count)
  shards = count + 1
  local entries = call('HGETALL', from)
  local moved, left = { 'HSET', to }, { 'HDEL', from }
  for i = 1, #entries, 2 do
    if place(entries[i], shards) == count then
      moved[#moved + 1], moved[#moved + 2] = entries[i], entries[i + 1]
      left[#left + 1] = entries[i]
    end
  end
  account.run(moved)
  account.run(left)
end

-- About so many messages are to be archived. While none is known, there are as many hashes as those
-- will need at once, and no entry is ever moved to them.
local function expect(count)
  local wanted = floor(count / ENTRIES)
  if wanted <= size() or num(call('HGET', key('archive'), 'ids'), 0) > 0 then return end
  shards = wanted
  call('HSET', key('archive'), 'shards', rounded(shards))
end

-- A message that was archived: the first characters of its digest, and its state; nil for none.
local function find(now_ms, id)
  local field = field_of(id)
  local text = call('HGET', name(place(field, size())), field)
  if not text or tonumber(sub(text, DIGEST + 2)) * HOUR_MS < now_ms then return nil end
  return sub(text, 1, DIGEST), STATES[sub(text, DIGEST + 1, DIGEST + 1)]
end

-- Messages that were archived: of each its id, digest, state, and ms until which it is known.
local function add(messages)
  local before, added = size(), 0
  for i = 1, #messages, ADDED do
    local id, digest, state, until_ms = unpack(messages, i, i + ADDED - 1)
    local field = field_of(id)
    local known = #digest < DIGEST and digest .. string.rep('-', DIGEST) or digest
    local text = sub(known, 1, DIGEST) .. sub(state, 1, 1)
      .. rounded(floor(until_ms / HOUR_MS) + 1)
    added = added + call('HSET', name(place(field, before)), field, text)
  end
  if added == 0 then return end
  local ids = call('HINCRBY', key('archive'), 'ids', added)
  for _ = 1, added do
    if ids <= size() * ENTRIES then break end
    split()
  end
  if shards > before then call('HSET', key('archive'), 'shards', rounded(shards)) end
end

-- Forget what is past its time in some hashes; returns the next one, 0 after the last.
local function forget(now_ms, first)
  local last, gone = math.min(first + LOOKED_AT, size()) - 1, 0
  for shard = first, last do
    local old, entries = { 'HDEL', name(shard) }, call('HGETALL', name(shard))
    for i = 1, #entries, 2 do
      if tonumber(sub(entries[i + 1], DIGEST + 2)) * HOUR_MS < now_ms then
        old[#old + 1] = entries[i]
      end
    end
    account.run(old)
    gone = gone + #old - 2
  end
  if gone > 0 then call('HINCRBY', key('archive'), 'ids', -gone) end
  return last + 1 < size() and last + 1 or 0
end

-- Let some hashes go after so many ms, or stay ('' for these), and how many there are with the last
-- of them; returns the next one, 0 after the last.
local function last(first, ms)
  local function keep(name_of)
    if ms == '' then call('PERSIST', name_of) else call('PEXPIRE', name_of, ms) end
  end
  local following = math.min(first + LOOKED_AT, size())
  for shard = first, following - 1 do keep(name(shard)) end
  if following < size() then return following end
  keep(key('archive'))
  return 0
end

-- Forget one message before its time.
local function drop(id)
  local field = field_of(id)
  if call('HDEL', name(place(field, size())), field) == 1 then
    call('HINCRBY', key('archive'), 'ids', -1)
  end
end

return {
  DIGEST = DIGEST, find = find, expect = expect, add = add, forget = forget, drop = drop,
  last = last,
}
