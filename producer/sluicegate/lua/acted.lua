-- What a call on many things was answered, for a client that repeats it after a lost reply.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: answered, remember.
-- Keys touched: acted:<token>.
local key = part('sluicegate.account').key
local call = redis.call

local ACTED_MS = 60000

-- Its answers when it came first; nil where this is the first time.
local function answered(token)
  local text = call('GET', key('acted:' .. token))
  if not text then return nil end
  local answers = {}
  for answer in string.gmatch(text, '[^|]+') do answers[#answers + 1] = answer end
  return answers
end

local function remember(token, answers)
  call('SET', key('acted:' .. token), table.concat(answers, '|'), 'PX', ACTED_MS)
end

return { answered = answered, remember = remember }
