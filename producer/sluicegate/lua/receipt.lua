-- Apply a batch of receipts: what the provider says became of messages after it accepted them.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this batch, [2] retention_ms, [3] ms for which an event's id is remembered, then six per
--   receipt: event id, id, provider_id, fate (delivered | failed | unconfirmed, '' while it is under way), ms of
--   its occurrence, code.
-- Returns one text per receipt: applied | stale (it told nothing new) | duplicate (of an event seen before) |
--   unknown (no such message). A batch repeated with its token is answered as it was the first time.
-- Keys touched: those of evidence.lua, clock, event:<id>, m:<id>, ledger:<n>, totals.
-- The first write frees, so that a full server still takes evidence.
--
-- Receipts come before the settle, twice and out of order. Whatever state a message is in, a receipt proves that
-- the provider has it: a retry ends, a doubt is resolved, a dead letter lives. Its fate is told once, and stays.
local token, retention_ms, remembered_ms = ARGV[1], ARGV[2], ARGV[3]
redis.call('ZREM', key('granted'), '')
local c = clock()
save_clock(c)

local function tell_fate(m, r)
  if r.fate == '' or m.fate then return false end
  m.fate, m.fate_at, m.fate_code = r.fate, r.at, r.code ~= '' and r.code or nil
  count(r.fate)
  local name = campaign_of(r.id)
  if name then add('ledger:' .. name, r.fate, 1) end
  return true
end

local function apply(r)
  local m = record(r.id)
  local state = m.state
  if not state then return 'unknown' end
  local new = accept_late(c, r, retention_ms)
  if state ~= 'accepted' then count('by_receipt') end
  return (tell_fate(m, r) or new) and 'applied' or 'stale'
end

local function once(r)
  local event = key('event:' .. r.event)
  local known = redis.call('GET', event)
  if known then
    local by, answer = string.match(known, '^(%S+) (%S+)$')
    return by == token and answer or 'duplicate'
  end
  local answer = apply(r)
  redis.call('SET', event, token .. ' ' .. answer, 'PX', remembered_ms)
  count('receipts_' .. answer)
  return answer
end

local answers = {}
for i = 4, #ARGV, 6 do
  answers[#answers + 1] = once({
    event = ARGV[i], id = ARGV[i + 1], provider_id = ARGV[i + 2], fate = ARGV[i + 3], at = ARGV[i + 4],
    code = ARGV[i + 5],
  })
end
return answers
