-- Short links: which campaign's they are, where they lead, and who followed them.
-- KEYS[1] the account's key prefix.
-- ARGV[1] choose | find | followed | told, then what each function below says.
-- Returns: what that function returns.
-- Keys touched: links, clicks:<n>, clicked:<n>:<shard>. It reads campaign:<n>, members:<n>:<shard>.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local key, call = account.key, redis.call
local verbs = {}

-- Keep one of the codes [4] and on for a campaign [2] and its address [3]: the one that is theirs,
-- or the first that is nobody's. Returns it, '' where all are others'.
function verbs.choose()
  local mine = ARGV[2] .. ' ' .. ARGV[3]
  for i = 4, #ARGV do
    local known = call('HGET', key('links'), ARGV[i])
    if not known or known == mine then
      call('HSET', key('links'), ARGV[i], mine)
      call('HSET', key('clicks:' .. ARGV[2]), ARGV[i] .. ':address', ARGV[3])
      return ARGV[i]
    end
  end
  return ''
end

-- Whose the code [2] is: {campaign, address, number of sets of its members}; {} where nobody's.
function verbs.find()
  local known = call('HGET', key('links'), ARGV[2])
  if not known then return {} end
  local campaign, address = string.match(known, '^(%S+) (.*)$')
  local shards = call('HGET', key('campaign:' .. campaign), 'keyed_shards')
  return shards and { campaign, address, shards } or {}
end

-- Somebody followed a link: [2] campaign, [3] code, [4] set of members, [5] hash of the recipient,
-- [6] person | preview. Returns whether that is a recipient. Previews are fetched by programs,
-- often before anybody has looked, so they say nothing of a person.
function verbs.followed()
  local campaign, code, shard, hash, kind = unpack(ARGV, 2, 6)
  if call('SISMEMBER', key('members:' .. campaign .. ':' .. shard), hash) == 0 then return 0 end
  local clicks = key('clicks:' .. campaign)
  call('HINCRBY', clicks, code .. ':' .. kind, 1)
  if kind ~= 'person' then return 1 end
  if call('SADD', key('clicked:' .. campaign .. ':' .. shard), hash) == 1 then
    call('HINCRBY', clicks, 'people', 1)
  end
  call('HSET', clicks, 'latest', texts.whole_ms(part('sluicegate.time').server_ms()))
  return 1
end

-- What was counted of a campaign [2]: the fields and values of its clicks.
function verbs.told() return call('HGETALL', key('clicks:' .. ARGV[2])) end

return verbs[ARGV[1]]()
