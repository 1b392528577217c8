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
local last = redis.call('GET', key('import:' .. name)) or ''
if string.sub(last, 1, #token + 1) == token .. ' ' then return string.sub(last, #token + 2) end
local state = campaign_state(name)
if not state or state == 'cancelled' then return { state or 'unknown' } end

local answers, tickets, suppressed = {}, {}, {}
local any_optouts = redis.call('EXISTS', key('optouts')) == 1
for i = 4, #ARGV, 4 do
  local answer = 'd'
  if redis.call('SADD', key('members:' .. name .. ':' .. ARGV[i]), ARGV[i + 1]) == 1 then
    local out = any_optouts and redis.call('HEXISTS', key('optouts'), ARGV[i + 2]) == 1
    answer = out and 's' or 'a'
    table.insert(out and suppressed or tickets, ARGV[i + 3])
  end
  answers[#answers + 1] = answer
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
redis.call('SET', key('import:' .. name), token .. ' ' .. text, 'PX', 60000)
return text
