-- Replay dead letters: the same messages, their next generations, at the ends of their lanes.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] who replays, [3] the audit's entry (audit.lua), then five per letter: id, the
--   generation that it must be of ('' for any), and content, lane and ticket, '' where they stay as they are.
-- Returns one text per letter: replayed | unknown | the state that it is in instead.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of books.lua and audit.lua, clock, dead, running, lanes:<n>, wake.
-- The new generation gives it a new idempotency key: the provider will not know it again.
local token, who, said = ARGV[1], ARGV[2], ARGV[3]
local before = answered(token)
if before then return before end
local c = clock()

local function change(m, name, was, content, lane, ticket)
  redis.call('HSET', m, 'content', content, 'lane', lane, 'ticket', ticket)
  if name and lane ~= was then redis.call('SADD', key('lanes:' .. name), lane) end
end

local function replay(id, generation, content, lane, ticket)
  local m, name = key('m:' .. id), campaign_of(id)
  local r = redis.call('HMGET', m, 'state', 'lane', 'ticket', 'generation')
  if not r[1] then return 'unknown' end
  if r[1] ~= 'dead' then return r[1] end
  if generation ~= '' and generation ~= (r[4] or '0') then return 'replayed meanwhile' end
  if name and campaign_state(name) == 'cancelled' then return 'in a cancelled campaign' end
  redis.call('ZREM', key('dead'), id)
  redis.call('HDEL', m, 'attempts', 'maybe', 'age', 'request', 'key_at', 'code', 'reason', 'answer')
  redis.call('HINCRBY', m, 'generation', 1)
  become(id, 'waiting')
  redis.call('HSET', m, 'token', token, 'at', whole_ms(c.wall), 'replayed_by', who)
  if content ~= '' then
    change(m, name, r[2], content, lane, ticket)
  else
    lane, ticket = r[2], r[3]
  end
  to_tail(lane, ticket)
  if name and campaign_state(name) == 'finished' then run_again(name) end
  count('dead_replayed')
  return 'replayed'
end

local answers, woken = {}, false
for i = 4, #ARGV, 5 do
  local one = replay(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  if one == 'replayed' and not woken then
    woken = true
    wake()
  end
  answers[#answers + 1] = one
end
return answer(c, token, said, answers, 'replayed')
