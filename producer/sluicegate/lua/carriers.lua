-- Carriers: whose a number is, as the provider's answers have told; bounded, and forgotten with
-- age.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of and age, which only read; learn.
-- Keys touched: limits, hash_key, carriers:<shards>:<shard>.
--
-- A carrier is t (T-Mobile), a (AT&T) or o (neither); '' is one that is not known. Numbers are
-- spread over small hashes by a keyed hash of theirs: of it, a part says which, and 32 bits are the
-- field. The value is the day on which it was heard last, and the carrier. All of this is numbers
-- that a listpack keeps in nine bytes. What two numbers share by chance, one in a hundred million,
-- the next answer corrects.
local key, limits = part('sluicegate.account').key, part('sluicegate.limits')
local call, sub, floor = redis.call, string.sub, math.floor

local DAY_MS = 86400000
local CODES, LETTERS = { o = 0, a = 1, t = 2 }, { [0] = 'o', 'a', 't' }
local DAYS, LEAST = 2700, -4096 -- a value is two bytes: of so many days, each with three carriers
local EVICTED = 8               -- one in so many goes where a hash is full, the oldest first

local settings -- false where nothing is to be known, or the server hashes nothing (fakeredis)
local known = {} -- by number: its carrier, as this call knows it
local heard = {} -- by number: how many days ago that was heard

local function read_settings()
  local most, days, shards = string.match(limits.get('carriers') or '', '^(%d+)|(%d+)|(%d+)$')
  local secret = most and redis.sha1hex and call('GET', key('hash_key'))
  settings = secret and {
    most = tonumber(most) / tonumber(shards), days = tonumber(days), shards = tonumber(shards),
    secret = secret,
  } or false
end

local function whole(number) return string.format('%.0f', number) end
local function day_of(now) return floor(now.wall / DAY_MS) % DAYS end

local function place(to)
  local hash = redis.sha1hex(settings.secret .. to)
  local shard = tonumber(sub(hash, 1, 8), 16) % settings.shards
  local name = key('carriers:' .. whole(settings.shards) .. ':' .. whole(shard))
  return name, whole(tonumber(sub(hash, 9, 16), 16) - 2147483648)
end

-- Whose a number is; '' where that is not known, or was heard too long ago: numbers are ported.
local function of(now, to)
  if known[to] then return known[to] end
  if settings == nil then read_settings() end
  known[to], heard[to] = '', math.huge
  local value = settings and call('HGET', place(to))
  if value then
    local days, code = floor((value - LEAST) / 3), (value - LEAST) % 3
    local age = (day_of(now) - days) % DAYS
    if age <= settings.days then known[to], heard[to] = LETTERS[code], age end
  end
  return known[to]
end

-- How many days ago an answer told whose a number is; nil where that is not known.
local function age(now, to)
  if of(now, to) == '' then return nil end
  return heard[to]
end

-- The hash is full: those go of which nothing was heard for longest.
local function evict(now, name)
  local today, fields, ages = day_of(now), call('HGETALL', name), {}
  for i = 2, #fields, 2 do
    ages[i / 2] = { fields[i - 1], (today - floor((fields[i] - LEAST) / 3)) % DAYS }
  end
  table.sort(ages, function(one, other) return one[2] > other[2] end)
  local gone = { 'HDEL', name }
  for i = 1, math.ceil(#ages / EVICTED) do gone[#gone + 1] = ages[i][1] end
  call(unpack(gone))
end

-- The provider said whose a number is. What was heard lately is not written again.
local function learn(now, to, carrier)
  if not CODES[carrier] then return end
  if of(now, to) == carrier and 4 * heard[to] < settings.days or not settings then return end
  local name, field = place(to)
  local value = whole(3 * day_of(now) + CODES[carrier] + LEAST)
  local is_new = call('HSET', name, field, value) == 1
  call('PEXPIRE', name, whole((settings.days + 1) * DAY_MS))
  known[to], heard[to] = carrier, 0
  if is_new and call('HLEN', name) > settings.most then evict(now, name) end
end

return { of = of, age = age, learn = learn }
