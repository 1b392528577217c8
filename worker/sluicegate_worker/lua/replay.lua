-- Replay dead letters: the same messages, their next generations, at the ends of their lanes.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] who replays, [3] the audit's entry (audit.lua), then five per
--   letter:
--   id, the generation that it must be of ('' for any), and content, lane and ticket, '' where they
--   stay as they are.
-- Returns: one text per letter: replayed | unknown | the state that it is in instead.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of states.lua and audit.lua, clock, dead, running, lanes:<n>, wake.
-- The new generation gives it a new idempotency key: the provider will not know it again.
local account, records = part('sluicegate.account'), part('sluicegate.records')
local campaigns, states = part('sluicegate.campaigns'), part('sluicegate.states')
local lanes, audit = part('sluicegate.lanes'), part('sluicegate.audit')
local texts, count = part('sluicegate.texts'), part('sluicegate.counts').count
local key, call = account.key, redis.call
local num, whole_ms = texts.num, texts.whole_ms

local AFRESH = {
  'attempts', 'free', 'maybe', 'age', 'request', 'key_at', 'text', 'counted', 'code', 'reason',
  'answer', 'at_brand',
}

local token, who, said = ARGV[1], ARGV[2], ARGV[3]
local before = audit.answered(token)
if before then return before end
local now = part('sluicegate.clock').read()

local function change(record, campaign, content, lane, ticket)
  if campaign and lane ~= record.lane then call('SADD', key('lanes:' .. campaign), lane) end
  if record.trace then content = content .. ' ' end -- enqueue.lua
  record.content, record.lane, record.ticket = content, lane, ticket
end

local function refusal(id, record, generation)
  if not record.state then return 'unknown' end
  if record.state ~= 'dead' then return record.state end
  if generation ~= '' and generation ~= (record.generation or '0') then
    return 'replayed meanwhile'
  end
  return states.stopped(id, record)
end

local function replay(id, generation, content, lane, ticket)
  local record, campaign = records.get(id), campaigns.of(id)
  local refused = refusal(id, record, generation)
  if refused then return refused end
  call('ZREM', key('dead'), id)
  if num(record.maybe, 0) > 0 then records.add(record, 'maybe_before', num(record.maybe)) end
  for _, field in ipairs(AFRESH) do record[field] = nil end
  records.add(record, 'generation', 1)
  states.become(id, 'waiting')
  record.token, record.at, record.replayed_by = token, whole_ms(now.wall), who
  if content ~= '' then change(record, campaign, content, lane, ticket) end
  lanes.to_tail(record.lane, record.ticket)
  if campaign and campaigns.state(campaign) == 'finished' then states.run_again(campaign) end
  count('dead_replayed')
  return 'replayed'
end

local answers, woken = {}, false
for i = 4, #ARGV, 5 do
  local answer = replay(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  if answer == 'replayed' and not woken then
    woken = true
    account.wake()
  end
  answers[#answers + 1] = answer
end
return audit.answer(now, token, said, answers, 'replayed')
