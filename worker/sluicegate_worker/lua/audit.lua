-- The audit: what people did to messages, who and why, written in the breath that does it.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines audit(), answered() and answer().
-- Keys touched: audit, acted:<token>.
-- An entry is a JSON object: at_ms and count, then `said` as it came. A run of many calls says the same in each,
-- and has one entry, as long as nobody else's comes between.
local AUDIT_MOST = 10000
local ACTED_MS = 60000

local function audit(c, said, count)
  local rest = string.sub(said, 2)
  local began, before, last = string.match(redis.call('LINDEX', key('audit'), 0) or '', '^{"at_ms":(%d+),"count":(%d+),(.*)$')
  local same = last == rest
  local entry = '{"at_ms":' .. (same and began or whole_ms(c.wall)) .. ',"count":'
    .. string.format('%.0f', count + (same and tonumber(before) or 0)) .. ',' .. rest
  if same then return redis.call('LSET', key('audit'), 0, entry) end
  redis.call('LPUSH', key('audit'), entry)
  redis.call('LTRIM', key('audit'), 0, AUDIT_MOST - 1)
end

-- What a call on many messages was answered when it came first; nil where this is the first time.
local function answered(token)
  local text = redis.call('GET', key('acted:' .. token))
  if not text then return nil end
  local answers = {}
  for one in string.gmatch(text, '[^|]+') do answers[#answers + 1] = one end
  return answers
end

-- The end of such a call: where it `did` anything to any of them, that is told and remembered.
local function answer(c, token, said, answers, did)
  local count = 0
  for _, one in ipairs(answers) do count = count + (one == did and 1 or 0) end
  if count > 0 then
    audit(c, said, count)
    redis.call('SET', key('acted:' .. token), table.concat(answers, '|'), 'PX', ACTED_MS)
  end
  return answers
end
