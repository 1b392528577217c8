-- Publish the limits of a configuration: what every worker obeys, whichever file it was started with.
-- KEYS[1] the account's key prefix.
-- ARGV[1] version, [2] digest of the fields, then field and value of each of them (levels.py has the list).
-- Returns: {version, digest} in force. A lower version than that in force changes nothing; of equal
--   versions the last one published counts.
-- Keys touched: limits, ready:*, parked:t, parked:b, parked_by.
-- Repeating it changes nothing. The tree of ready lanes is built anew: a sender may have a new registration.
local version, digest = tonumber(ARGV[1]), ARGV[2]
local now = redis.call('HMGET', key('limits'), 'version', 'digest')
if now[1] and (tonumber(now[1]) > version or now[2] == digest and tonumber(now[1]) == version) then
  return { now[1], now[2] }
end

-- Every sender with something ready, out of the tree; returns class and node of each.
local function uprooted(class)
  local senders = {}
  local function collect(place)
    for _, member in ipairs(redis.call('ZRANGE', place, 0, -1)) do
      if string.sub(member, 1, 2) == 's|' then senders[#senders + 1] = member else collect(below(class, member)) end
    end
    redis.call('DEL', place)
  end
  collect(key('ready:' .. class))
  return senders
end

for _, priority in ipairs({ 't', 'b' }) do
  for _, name in ipairs(redis.call('ZRANGE', key('parked:' .. priority), 0, -1)) do unpark(name) end
end
local senders = {}
for i, class in ipairs(CLASSES) do senders[i] = uprooted(class) end
redis.call('DEL', key('limits'))
redis.call('HSET', key('limits'), 'version', ARGV[1], 'digest', digest)
for i = 3, #ARGV, 2 do redis.call('HSET', key('limits'), ARGV[i], ARGV[i + 1]) end
specs = {}
for i, class in ipairs(CLASSES) do
  for _, node in ipairs(senders[i]) do
    if head_of(below(class, node)) then rise(class, node) end
  end
end
return { ARGV[1], digest }
