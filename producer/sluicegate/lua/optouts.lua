-- Who has opted out, and whose reply waits for a person: asked for many numbers at once, and not at
-- all while there is nobody.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: fetch, has, fetch_all, under_review, hashed. It only reads.
-- Keys touched: optouts, erased, reviews, hash_key.
--
-- The opt-out of a number that was erased stands under a keyed hash of it.
local key = part('sluicegate.account').key
local call = redis.call

-- By name of the hash: whether it has anybody (nil before it was asked), and who is in it.
local lists = { optouts = { known = {} }, erased = { known = {} }, reviews = { known = {} } }

local nobody -- whether all are empty, once that was asked

local hash_key

local function hashed(number)
  hash_key = hash_key or call('GET', key('hash_key')) or ''
  return redis.sha1hex(hash_key .. number)
end

local function hashed_all(numbers)
  local hashes = {}
  for i, number in ipairs(numbers) do hashes[i] = hashed(number) end
  return hashes
end

local function fetch_from(name, numbers)
  local list = lists[name]
  if list.any == nil then list.any = call('EXISTS', key(name)) == 1 end
  if not list.any then return end
  local asked = {}
  for _, number in ipairs(numbers) do
    if list.known[number] == nil then asked[#asked + 1] = number end
  end
  if #asked == 0 then return end
  local fields = name == 'erased' and hashed_all(asked) or asked
  for i, entry in ipairs(call('HMGET', key(name), unpack(fields))) do
    list.known[asked[i]] = entry ~= false
  end
end

local function is_in(name, number)
  local list = lists[name]
  if list.any == false then return nil end
  if list.known[number] == nil then fetch_from(name, { number }) end
  return list.known[number]
end

local function fetch(numbers)
  fetch_from('optouts', numbers)
  fetch_from('erased', numbers)
end

local function has(number)
  if nobody then return nil end
  return is_in('optouts', number) or is_in('erased', number)
end

-- For those who would send.
local function fetch_all(numbers)
  if nobody == nil then
    nobody = call('EXISTS', key('optouts'), key('erased'), key('reviews')) == 0
  end
  if nobody then return end
  fetch(numbers)
  fetch_from('reviews', numbers)
end

local function under_review(number) return not nobody and is_in('reviews', number) end

return {
  fetch = fetch, has = has, fetch_all = fetch_all, under_review = under_review, hashed = hashed,
}
