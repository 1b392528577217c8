-- The audit: what people did, who and why, written by the call that does it, and kept whole.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: write, answered, remember, answer.
-- Keys touched: audit, acted:<token>.
--
-- An entry is a JSON object: at_ms and count, then `said` as it came. A run of many calls says the
-- same in each, and has one entry, as long as nobody else's comes between.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local acted = part('sluicegate.acted')
local call = redis.call

local ENTRY = '^{"at_ms":(%d+),"count":(%d+),(.*)$'

local function write(now, said, count)
  if said == '' then return end
  local rest = string.sub(said, 2)
  local last = call('LINDEX', key('audit'), 0) or ''
  local began, before, last_rest = string.match(last, ENTRY)
  local same = last_rest == rest
  local entry = '{"at_ms":' .. (same and began or texts.whole_ms(now.wall)) .. ',"count":'
    .. texts.rounded(count + (same and tonumber(before) or 0)) .. ',' .. rest
  if same then return call('LSET', key('audit'), 0, entry) end
  call('LPUSH', key('audit'), entry)
end

-- The end of such a call: where it `did` anything to any of them, that is written and remembered.
-- Returns the answers.
local function answer(now, token, said, answers, did)
  local count = 0
  for _, text in ipairs(answers) do count = count + (text == did and 1 or 0) end
  if count > 0 then
    write(now, said, count)
    acted.remember(token, answers)
  end
  return answers
end

return {
  write = write, answered = acted.answered, remember = acted.remember, answer = answer,
}
