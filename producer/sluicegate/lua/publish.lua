-- Publish a configuration's limits: what every worker obeys, whichever file it started with.
-- KEYS[1] the account's key prefix.
-- ARGV[1] version, [2] digest of the fields, [3] the audit's entry, [4] random bytes that become
--   the account's hash key if it needs one and has none, then field and value of each of them
--   (levels.py has the list).
-- Returns: {version, digest} in force. A lower version than that in force changes nothing; of equal
--   versions the last one published counts.
-- Keys touched: limits, hash_key, ready:*, virtual, parked:t, parked:b, parked_by, clock;
--   those of readers.lua and audit.lua.
-- Repeating it changes nothing. The tree of ready lanes is built anew: a sender may have a new
-- registration.
local key = part('sluicegate.account').key
local limits, lanes = part('sluicegate.limits'), part('sluicegate.lanes')
local CLASSES = part('sluicegate.lane_names').CLASSES
local call = redis.call

local version, digest = tonumber(ARGV[1]), ARGV[2]
local in_force = call('HMGET', key('limits'), 'version', 'digest')
local version_now = tonumber(in_force[1])
if version_now and (version_now > version or in_force[2] == digest and version_now == version) then
  return { in_force[1], in_force[2] }
end

-- Take every sender with something ready out of the tree; returns their nodes.
local function uprooted(class)
  local senders = {}
  local function collect(place)
    for _, member in ipairs(call('ZRANGE', place, 0, -1)) do
      if string.sub(member, 1, 2) == 's|' then
        senders[#senders + 1] = member
      else
        collect(lanes.below(class, member))
      end
    end
    call('DEL', place)
  end
  collect(key('ready:' .. class))
  return senders
end

for _, priority in ipairs({ 't', 'b' }) do
  for _, name in ipairs(call('ZRANGE', key('parked:' .. priority), 0, -1)) do lanes.unpark(name) end
end
local senders = {}
for i, class in ipairs(CLASSES) do senders[i] = uprooted(class) end
-- What recipients got is found under the length of its generations.
local kept = call('HMGET', key('limits'), 'recipient', 'recipient_before')
call('DEL', key('limits'))
call('HSET', key('limits'), 'version', ARGV[1], 'digest', digest)
for i = 5, #ARGV, 2 do call('HSET', key('limits'), ARGV[i], ARGV[i + 1]) end
limits.forget()
local before = kept[1] ~= limits.get('recipient') and kept[1] or kept[2]
if before then call('HSET', key('limits'), 'recipient_before', before) end
local wanted = string.match(limits.get('events') or '', '|(.*)$')
if wanted then part('sluicegate.readers').begin(wanted) end
if limits.get('carriers') then call('SET', key('hash_key'), ARGV[4], 'NX') end
lanes.forget()
for i, class in ipairs(CLASSES) do
  for _, node in ipairs(senders[i]) do
    if lanes.head_of(lanes.below(class, node)) then lanes.rise(class, node) end
  end
end
part('sluicegate.audit').write(part('sluicegate.clock').read(), ARGV[3], 1)
return { ARGV[1], digest }
