-- Who has opted out: asked for many numbers at once, and not at all while nobody has.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: fetch, has. It only reads.
-- Keys touched: optouts.
local key = part('sluicegate.account').key
local call = redis.call

local opted_out, any = {}, nil -- by number; any: whether anybody has, nil before it was asked

local function fetch(numbers)
  if any == nil then any = call('EXISTS', key('optouts')) == 1 end
  if not any then return end
  local asked = {}
  for _, number in ipairs(numbers) do
    if opted_out[number] == nil then asked[#asked + 1] = number end
  end
  if #asked == 0 then return end
  for i, entry in ipairs(call('HMGET', key('optouts'), unpack(asked))) do
    opted_out[asked[i]] = entry ~= false
  end
end

local function has(number)
  if opted_out[number] == nil and any ~= false then fetch({ number }) end
  return opted_out[number]
end

return { fetch = fetch, has = has }
