-- Whose account this is: the deployment, the provider's URL and the API keys that send with it.
-- KEYS[1] the account's key prefix.
-- ARGV[1] claim | look | adopt | forget; then for claim and adopt [2] deployment, [3] base URL,
--   [4] a salt to use where there is none yet, [5] fingerprint of the API key ('' for none); for
--   forget [2] a fingerprint.
-- Returns: {deployment, base URL, salt, fingerprints joined by spaces, obstacle}: what is known
--   afterwards, '' where nobody has said it yet; and what keeps another deployment from taking the
--   account over, '' for nothing.
-- Keys touched: identity, clock, workers, started, doubts.
-- A claim changes nothing where anything else is known. Adopting another deployment or URL forgets
-- the keys of the one before; adopting a further key keeps them, so that workers may change one
-- after the other. Repeating any of them changes nothing.
local key = part('sluicegate.account').key
local whole_ms = part('sluicegate.texts').whole_ms
local identity, call = key('identity'), redis.call

local MOST_KEYS = 8 -- the oldest makes room
local ALIVE_MS = 15000

local act, fields = ARGV[1], { 'deployment', 'base_url', 'salt', 'keys' }

local function known()
  local found = call('HMGET', identity, unpack(fields))
  for n = 1, #fields do found[n] = found[n] or '' end
  return found
end

local function listed(text)
  local names = {}
  for name in string.gmatch(text, '%S+') do names[#names + 1] = name end
  return names
end

local function put(names) call('HSET', identity, 'keys', table.concat(names, ' ')) end

local function without(names, name)
  local rest = {}
  for _, other in ipairs(names) do if other ~= name then rest[#rest + 1] = other end end
  return rest
end

local function add(names, name)
  names = without(names, name)
  names[#names + 1] = name
  if #names > MOST_KEYS then table.remove(names, 1) end
  put(names)
end

-- A resend must go to the same provider, under a key that holds the deployment's name.
local function obstacle()
  local since = whole_ms(part('sluicegate.clock').read().wall - ALIVE_MS)
  local workers = call('ZCOUNT', key('workers'), since, '+inf')
  if workers > 0 then return workers .. ' of its workers run: stop them' end
  local open = call('ZCARD', key('started')) + call('ZCARD', key('doubts'))
  if open > 0 then return open .. ' of its messages are in doubt: resolve them' end
  return ''
end

local before, refused = known(), ''
if act == 'claim' or act == 'adopt' then
  local deployment, url, salt, name = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
  local same = before[1] == deployment and before[2] == url
  if act == 'adopt' and before[1] ~= '' and not same then refused = obstacle() end
  if refused == '' then
    if before[3] == '' then call('HSET', identity, 'salt', salt) end
    if before[1] == '' or (act == 'adopt' and not same) then
      call('HSET', identity, 'deployment', deployment, 'base_url', url)
      if before[1] ~= '' then put({}) end
      before, same = known(), true
    end
    local names = listed(before[4])
    if same and name ~= '' and (act == 'adopt' or #names == 0) then add(names, name) end
  end
elseif act == 'forget' then
  put(without(listed(before[4]), ARGV[2]))
end
local after = known()
after[#fields + 1] = refused
return after
