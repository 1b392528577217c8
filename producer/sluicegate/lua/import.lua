-- Import a batch of a campaign's recipients: each once, whatever file and row it stands in.
-- KEYS[1] the account's key prefix.
-- ARGV[1] campaign, [2] its lane, [3] token of this batch, then four per recipient:
--   shard, hash of its key, to, ticket.
-- Returns: one letter per recipient: a added, d duplicate, s suppressed (opted out); or, as an error of
--   state, an array of the campaign's state ('unknown' where there is none).
--   A batch repeated with its token is answered as it was the first time.
-- Keys touched: campaign:<n>, import:<n>, members:<n>:*, optouts, unsent:<n>:suppressed, lane:*, ready:*,
--   ledger:<n>, running, totals, wake.
-- The first write grows the data, so a full server refuses the batch whole.
local name, lane, token = ARGV[1], ARGV[2], ARGV[3]
local REMEMBERED_MS = 86400000 -- the importer may ask late: it hears of a lost reply after its next batch is made
local last = redis.call('GET', key('import:' .. name)) or ''
if string.sub(last, 1, #token + 1) == token .. ' ' then return string.sub(last, #token + 2) end
local state = campaign_state(name)
if not state or state == 'cancelled' then return { state or 'unknown' } end

-- One question for all: nearly always nobody of a batch has opted out.
local FIELDS, size = 4, (#ARGV - 3) / 4
local recipients = {}
for n = 1, size do recipients[n] = ARGV[FIELDS * n + 2] end
fetch_optouts(recipients)

local args, answers, tickets, suppressed = ARGV, {}, {}, {}
local members = key('members:' .. name .. ':')
for n = 1, size do
  local i = FIELDS * n
  if redis.call('SADD', members .. args[i], args[i + 1]) == 0 then
    answers[n] = 'd'
  elseif has_opted_out(recipients[n]) then
    answers[n], suppressed[#suppressed + 1] = 's', args[i + 3]
  else
    answers[n], tickets[#tickets + 1] = 'a', args[i + 3]
  end
end
local ledger, new = key('ledger:' .. name), #tickets + #suppressed
if #suppressed > 0 then
  redis.call('RPUSH', key('unsent:' .. name .. ':suppressed'), unpack(suppressed))
  redis.call('HINCRBY', ledger, 'suppressed', #suppressed)
  count('suppressed', #suppressed)
end
if #tickets > 0 then
  redis.call('RPUSH', key('lane:' .. lane), unpack(tickets))
  redis.call('HINCRBY', ledger, 'waiting', #tickets)
  if state == 'finished' then run_again(name) end
  if state ~= 'draft' and state ~= 'paused' then
    activate(lane)
    wake()
  end
end
if new > 0 then
  redis.call('HINCRBY', ledger, 'imported', new)
  count('enqueued', new)
end
local text = table.concat(answers)
redis.call('SET', key('import:' .. name), token .. ' ' .. text, 'PX', REMEMBERED_MS)
return text
