-- Apply a batch of receipts: what the provider says became of messages after it accepted them.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this batch, [2] retention_ms, [3] ms for which an event's id is remembered, then
--   seven per receipt: event id, id, provider_id, delivery (delivered | failed | unconfirmed; sent
--   once it was handed to the carrier, '' before that), ms of its occurrence, code, bill
--   (bills.lua; '' where it says nothing).
-- Returns: one text per receipt: applied | twice (applied, and the provider has the message under a
--   second id) | stale (it told nothing new) | duplicate (of an event seen before) | archived
--   (perhaps: it is set aside for the archiver, which repeats it) | unknown (no such message). A
--   batch repeated with its token is answered as it was the first time.
-- Keys touched: those of acceptance.lua and late.lua, clock, event:<id>, m:<id>, ledger:<n>,
--   totals.
-- The first write frees, so that a full server still takes receipts.
--
-- Receipts come before the settle, twice and out of order. Whatever state a message is in, a
-- receipt proves that the provider has it: a retry ends, a doubt is resolved, a dead letter lives.
-- Its delivery is told once, and stays: that it was sent counts only before. Its cost is the one
-- told last (costs.lua).
local key, clock = part('sluicegate.account').key, part('sluicegate.clock')
local records, counts = part('sluicegate.records'), part('sluicegate.counts')
local acceptance, campaigns = part('sluicegate.acceptance'), part('sluicegate.campaigns')
local count, late = counts.count, later('sluicegate.late')
local guards = later('sluicegate.guards')
local call = redis.call

local APPLIED, TWICE, ARCHIVED, SENT = 'applied', 'twice', 'archived', 'sent'
local FIELDS = 7
local token, retention_ms, remembered_ms = ARGV[1], ARGV[2], ARGV[3]
call('ZREM', key('granted'), '')
local now = clock.read()
clock.save(now)

-- Returns whether the receipt told something that was not known before.
local function tell_delivery(record, receipt)
  if record.delivery then return false end
  if receipt.delivery == '' then
    if not receipt.sent or record.sent_at then return false end
    record.sent_at = receipt.occurred_ms
    return true
  end
  record.sent_at = nil
  record.delivery, record.delivery_at = receipt.delivery, receipt.occurred_ms
  record.delivery_code = receipt.code ~= '' and receipt.code or nil
  count(receipt.delivery)
  local campaign = campaigns.of(receipt.id)
  if campaign then counts.add('ledger:' .. campaign, receipt.delivery, 1) end
  return true
end

-- A final word on a message whose campaign is guarded.
local function mind_guards(record, receipt)
  local campaign = campaigns.of(receipt.id)
  if not (campaign and campaigns.facts(campaign).guards) then return end
  guards().heard(now, campaign, record.delivery, {
    to = record.to, code = record.delivery_code, bill = record.bill, at = record.at,
  })
end

-- `waits`: whether it was set aside before.
local function apply(receipt, waits)
  local record = records.get(receipt.id)
  local state = record.state
  if not state then
    local fields = receipt.first
    local kept = waits or late().set_aside(unpack(ARGV, fields, fields + FIELDS - 1))
    return kept and ARCHIVED or 'unknown'
  end
  local told = tell_delivery(record, receipt)
  local new, billed = acceptance.accept_late(now, receipt, retention_ms)
  if told then
    record.at_brand = nil -- a final word
    if record.delivery then mind_guards(record, receipt) end
  end
  if state ~= 'accepted' then count('by_receipt') end
  if new and acceptance.is_second(receipt) then return TWICE end
  return (told or new or billed) and APPLIED or 'stale'
end

local function apply_once(receipt)
  local event = key('event:' .. receipt.event)
  local by, before = string.match(call('GET', event) or '', '^(%S+) (%S+)$')
  if by == token then return before end
  if before and before ~= ARCHIVED then return 'duplicate' end
  local answer = apply(receipt, before == ARCHIVED)
  if answer == before then return 'duplicate' end
  call('SET', event, token .. ' ' .. answer, 'PX', remembered_ms)
  local told = answer == TWICE and APPLIED or answer
  count('receipts_' .. told)
  return answer
end

local answers = {}
for i = 4, #ARGV, FIELDS do
  answers[#answers + 1] = apply_once({
    first = i, event = ARGV[i], id = ARGV[i + 1], provider_id = ARGV[i + 2],
    delivery = ARGV[i + 3] ~= SENT and ARGV[i + 3] or '', sent = ARGV[i + 3] == SENT,
    occurred_ms = ARGV[i + 4], code = ARGV[i + 5], bill = ARGV[i + 6],
  })
end
return answers
