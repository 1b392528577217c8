-- Enqueue a batch of messages: each id once, its content pinned, its ticket in a lane or its time in the due set.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this batch, ARGV[2] retention_ms, then seven per message:
--   id, digest of the content, lane, ticket, to, content, send_at_ms ('' for now).
-- Returns one text per message: enqueued | suppressed (the recipient opted out) | known | reused (other content).
--   A batch repeated with its token is answered as it was the first time.
-- Keys touched: clock, m:<id>, optouts, due, lane:*, ready:*, totals, wake.
-- The first write grows the data, so a full server refuses the batch whole.
local token, retention_ms = ARGV[1], ARGV[2]
local c = clock()
save_clock(c)

local fresh = 0
local function add(id, digest, lane, ticket, to, content, send_at)
  local m = key('m:' .. id)
  local known = redis.call('HMGET', m, 'digest', 'token', 'state')
  if known[1] then
    if known[1] ~= digest then return 'reused' end
    if known[2] ~= token then return 'known' end
    return known[3] == 'suppressed' and 'suppressed' or 'enqueued'
  end
  fresh = fresh + 1
  redis.call('HSET', m, 'digest', digest, 'to', to, 'content', content, 'enqueued', whole_ms(c.wall),
    'token', token, 'state', 'waiting')
  if redis.call('HEXISTS', key('optouts'), to) == 1 then
    finish(c, id, 'suppressed', retention_ms, token)
    return 'suppressed'
  end
  if num(send_at, 0) > c.wall then
    redis.call('HSET', m, 'state', 'scheduled', 'lane', lane, 'ticket', ticket)
    redis.call('ZADD', key('due'), send_at, id)
  else
    to_tail(lane, ticket)
  end
  return 'enqueued'
end

local answers = {}
for i = 3, #ARGV, 7 do
  answers[#answers + 1] = add(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
end
if fresh > 0 then
  count('enqueued', fresh)
  wake()
end
return answers
