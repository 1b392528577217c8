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

local AFRESH = { 'attempts', 'maybe', 'age', 'request', 'key_at', 'code', 'reason', 'answer' }

local function change(m, name, content, lane, ticket)
  if name and lane ~= m.lane then redis.call('SADD', key('lanes:' .. name), lane) end
  m.content, m.lane, m.ticket = content, lane, ticket
end

local function replay(id, generation, content, lane, ticket)
  local m, name = record(id), campaign_of(id)
  if not m.state then return 'unknown' end
  if m.state ~= 'dead' then return m.state end
  if generation ~= '' and generation ~= (m.generation or '0') then return 'replayed meanwhile' end
  if name and campaign_state(name) == 'cancelled' then return 'in a cancelled campaign' end
  redis.call('ZREM', key('dead'), id)
  for _, field in ipairs(AFRESH) do m[field] = nil end
  add_to(m, 'generation', 1)
  become(id, 'waiting')
  m.token, m.at, m.replayed_by = token, whole_ms(c.wall), who
  if content ~= '' then change(m, name, content, lane, ticket) end
  to_tail(m.lane, m.ticket)
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
