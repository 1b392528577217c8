-- Enqueue a batch of messages: each id once, its content pinned, its ticket in a lane or its time in the due set.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this batch, ARGV[2] retention_ms, then seven per message:
--   id, digest of the content, lane, ticket, to, content, send_at_ms ('' for now).
-- Returns one letter per message: e enqueued, s suppressed (the recipient opted out), k known, r reused (other
--   content). A batch repeated with its token is answered as it was the first time.
-- Keys touched: clock, m:<id>, optouts, due, lane:*, ready:*, totals, wake.
-- The first write grows the data, so a full server refuses the batch whole. Lua hands some thousands of values
-- to one command and no more, so neither may a batch be larger.
local FIELDS = 7
local args, token, retention_ms = ARGV, ARGV[1], ARGV[2]
local c = clock()
save_clock(c)
local now = whole_ms(c.wall)

-- Nearly every batch is all new, and to nobody who opted out: two commands tell, in place of two a message.
local records, recipients, prefix, size = {}, {}, key('m:'), (#args - 2) / FIELDS
for n = 1, size do
  records[n] = prefix .. args[FIELDS * n - 4]
  recipients[n] = args[FIELDS * n]
end
local any_known = size > 0 and redis.call('EXISTS', unpack(records)) > 0
fetch_optouts(recipients)

local made = {} -- answers of this batch by record: an id may stand in it twice
local function repeated(m, digest)
  local known = redis.call('HMGET', m, 'digest', 'token', 'state')
  if not known[1] then return nil end
  if known[1] ~= digest then return 'r' end
  if known[2] ~= token then return 'k' end
  return made[m] or known[3] == 'suppressed' and 's' or 'e'
end

local fresh, answers = 0, {}
local lanes, tickets = {}, {} -- lanes in the order of their first tickets, which go in with one command
for n = 1, size do
  local m, i = records[n], FIELDS * n - 4
  local answer = (any_known or made[m]) and repeated(m, args[i + 1])
  if not answer then
    fresh, answer = fresh + 1, 'e'
    local lane, ticket, send_at = args[i + 2], args[i + 3], args[i + 6]
    redis.call('HSET', m, 'digest', args[i + 1], 'to', args[i + 4], 'content', args[i + 5], 'enqueued', now,
      'token', token, 'state', 'waiting')
    if has_opted_out(args[i + 4]) then
      finish(c, args[i], 'suppressed', retention_ms, token)
      answer = 's'
    elseif send_at ~= '' and num(send_at, 0) > c.wall then
      redis.call('HSET', m, 'state', 'scheduled', 'lane', lane, 'ticket', ticket)
      redis.call('ZADD', key('due'), send_at, args[i])
    else
      local waiting = tickets[lane]
      if not waiting then
        waiting = {}
        tickets[lane], lanes[#lanes + 1] = waiting, lane
      end
      waiting[#waiting + 1] = ticket
    end
    made[m] = answer
  end
  answers[n] = answer
end
for _, lane in ipairs(lanes) do
  redis.call('RPUSH', key('lane:' .. lane), unpack(tickets[lane]))
  activate(lane)
end
if fresh > 0 then
  count('enqueued', fresh)
  wake()
end
return table.concat(answers)
