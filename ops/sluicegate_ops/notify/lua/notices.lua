-- Notices: who tells them, what has been told, and what each receiver has yet to take.
-- KEYS[1] the account's key prefix.
-- ARGV[1] take | put | waiting | sent | leave, [2] token of the process that tells;
--   for put [3] a token of the call, [4] how many receivers, their names, how many fields of what
--   was told and as many pairs of them ('' forgets one), then the notices; for waiting [3] a
--   receiver, [4] at most so many; for sent [3] a receiver, and the notices that it has taken.
-- Returns: for take { wall ms, field, what was told, ... }, for put how many notices were added to
--   each list, for waiting the notices, for sent how many it took away, for leave 1. 'busy' where
--   another process tells now: each call but leave keeps the others away for two minutes.
-- Keys touched: notifier, told, notices:<receiver>, granted.
-- The first write frees, so that people are told of a full server, too.
-- Called twice with the same arguments it answers alike and changes nothing more.
local key, call = part('sluicegate.account').key, redis.call

local ALONE_MS = 120000
local MOST = 200 -- for a receiver that is away; the oldest go first
local CALL, LOOKED = 'call', 'looked' -- fields: of the last put, and of the last look (wall ms)

local action, token = ARGV[1], ARGV[2]
call('ZREM', key('granted'), '')
local holder = call('GET', key('notifier'))
if holder and holder ~= token then return 'busy' end
if action == 'leave' then
  call('DEL', key('notifier'))
  return 1
end
call('SET', key('notifier'), token, 'PX', ALONE_MS)

local function take()
  local now = string.format('%d', part('sluicegate.time').server_ms())
  local answer = { now }
  local told = call('HGETALL', key('told'))
  for i = 1, #told, 2 do
    if told[i] ~= CALL and told[i] ~= LOOKED then
      answer[#answer + 1], answer[#answer + 2] = told[i], told[i + 1]
    end
  end
  call('HSET', key('told'), LOOKED, now)
  return answer
end

local function put()
  local at = 4
  local function next_arg()
    at = at + 1
    return ARGV[at - 1]
  end
  local receivers = {}
  for n = 1, tonumber(next_arg()) do receivers[n] = next_arg() end
  local pairs_of_told = tonumber(next_arg())
  local first_notice = at + 2 * pairs_of_told
  local count = #ARGV - first_notice + 1
  if call('HGET', key('told'), CALL) == ARGV[3] then return count end
  for _ = 1, pairs_of_told do
    local field, text = next_arg(), next_arg()
    if text == '' then
      call('HDEL', key('told'), field)
    else
      call('HSET', key('told'), field, text)
    end
  end
  call('HSET', key('told'), CALL, ARGV[3])
  for _, receiver in ipairs(receivers) do
    local list = key('notices:' .. receiver)
    for i = first_notice, #ARGV do call('RPUSH', list, ARGV[i]) end
    call('LTRIM', list, -MOST, -1)
  end
  return count
end

local function sent()
  local list, gone = key('notices:' .. ARGV[3]), 0
  for i = 4, #ARGV do gone = gone + call('LREM', list, 1, ARGV[i]) end
  return gone
end

if action == 'take' then return take() end
if action == 'put' then return put() end
if action == 'sent' then return sent() end
return call('LRANGE', key('notices:' .. ARGV[3]), 0, tonumber(ARGV[4]) - 1)
