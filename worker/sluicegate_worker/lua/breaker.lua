-- The breaker: while the provider fails or is silent, nobody sends, and one worker probes it.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: load, wait, cap, cause, which only read; hear_attempt, wait_for_answer, mind_silence,
--   order_probe, hear_probe, which change what was loaded; save.
-- Keys touched: those of leases.lua and counts.lua, breaker.
--
--   closed   opens after FAILS failures in a row, after half of at least FEW answers in FEW_MS were
--            failures, or when SILENT_POSTS POSTs wait longer than answers usually take, the first
--            of them far longer
--   open     grants nothing; each `interval` one worker asks something that costs nothing
--            (`probe`), and the interval doubles while that fails
--   half     one message at a time, and those that failed before only while no other is ready: GOOD
--            successes close it, a failure opens it again
-- After closing, the concurrency comes back over RAMP_MS. No attempt is charged for waiting.
-- `tally` is how many attempts failed when it opened ("5 of 5"), and `said` what was answered last.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local leases, counts = part('sluicegate.leases'), later('sluicegate.counts')
local max, min = math.max, math.min

local FAILS, FEW, FEW_MS, GOOD = 5, 10, 30000, 3
local SILENT_POSTS, SILENT_MS, SILENT_TIMES = 5, 1000, 10
local LATE_MS, LATE_TIMES = 250, 2
local FIRST_MS, LONGEST_MS = 1000, 15000 -- between two probes
local PROBER_MS = 10000 -- a worker that was to probe and says nothing for so long is not waited for
local RAMP_MS, RAMP_FROM = 10000, 0.1
local SAID_BYTES = 100
local FIRST = { -- its fields, as they are at first
  state = 'closed', fails = 0, count = 0, bad = 0, since = 0, begun = 0, unheard = 0, silent = 0,
  interval = 0, probe_at = 0, prober = '', good = 0, closed = 0, faults = '', opened = 0,
  tally = '', said = '',
  -- These are evidence.lua's.
  succeeded = 0, suspects = '', culprit = '', failures = 0, refused = '', refused_at = 0,
  refusals = 0,
}
local OR_FIRST = { __index = FIRST }

-- While all is well it has few fields: so all are read, and the others are as at first.
local function load()
  local stored, breaker, values = redis.call('HGETALL', key('breaker')), {}, {}
  for i = 1, #stored, 2 do
    local field = stored[i]
    local first = FIRST[field]
    if first then
      local value = stored[i + 1]
      if first == 0 then value = tonumber(value) or 0 end
      breaker[field], values[field] = value, value
    end
  end
  breaker.before, breaker.openings = setmetatable(values, OR_FIRST), 0
  return setmetatable(breaker, OR_FIRST)
end

local function text_of(value)
  if type(value) ~= 'number' then return value end
  return value % 1 == 0 and texts.whole_ms(value) or texts.ms(value)
end

local function save(breaker)
  local changed, before = { 'HSET', key('breaker') }, breaker.before
  for field, value in pairs(breaker) do
    if FIRST[field] and value ~= before[field] then
      changed[#changed + 1], changed[#changed + 2] = field, text_of(value)
    end
  end
  if #changed > 2 then redis.call(unpack(changed)) end
  if breaker.openings > 0 then counts().count('breaker_opened', breaker.openings) end
end

local function open(now, breaker, tally)
  if breaker.state == 'closed' then
    breaker.tally = tally
    breaker.interval, breaker.opened = FIRST_MS, now.steady
    breaker.openings = breaker.openings + 1
  else
    breaker.interval = min(LONGEST_MS, 2 * breaker.interval)
  end
  breaker.state, breaker.probe_at, breaker.prober = 'open', now.steady + breaker.interval, ''
  breaker.good, breaker.begun = 0, 0
end

local function tally_of(bad, all)
  return texts.rounded(bad) .. ' of ' .. texts.rounded(all)
end

local function hear_failure(now, breaker, said)
  breaker.fails, breaker.bad = breaker.fails + 1, breaker.bad + 1
  local half_failed = breaker.count >= FEW and 2 * breaker.bad >= breaker.count
  local in_a_row = breaker.fails >= FAILS
  breaker.said = string.sub(said, 1, SAID_BYTES)
  if breaker.state == 'half' or breaker.state == 'closed' and (in_a_row or half_failed) then
    open(now, breaker, in_a_row and tally_of(breaker.fails, breaker.fails)
      or tally_of(breaker.bad, breaker.count))
  end
end

local function hear_success(now, breaker)
  breaker.fails = 0
  if breaker.state == 'open' then breaker.state = 'half' end -- it answers one that was under way
  if breaker.state ~= 'half' then return end
  breaker.good = breaker.good + 1
  if breaker.good >= GOOD then
    breaker.state, breaker.closed, breaker.since = 'closed', now.steady, now.steady
    breaker.count, breaker.bad = 0, 0
  end
end

-- One attempt has come to an end: `answered` by the provider or not, `failing` by its fault, which
-- is what it `said`. A `lone` failure (evidence.lua) is the message's own, and not heard.
local function hear_attempt(now, breaker, answered, failing, lone, said)
  if answered then breaker.begun = 0 end
  if lone then return end
  if now.steady - breaker.since > FEW_MS then
    breaker.since, breaker.count, breaker.bad = now.steady, 0, 0
  end
  breaker.count = breaker.count + 1
  if failing then
    hear_failure(now, breaker, said or '')
  elseif answered then
    hear_success(now, breaker)
  end
end

-- A POST is begun: note when the first was since the last answer, and when there were so many that
-- they can be silent. One slow answer is no silence, nor is what a worker that died left behind.
local function wait_for_answer(now, breaker)
  if breaker.begun == 0 or leases.count('started') == 1 then
    breaker.begun, breaker.unheard = 0, now.steady
  end
  breaker.begun = breaker.begun + 1
  if breaker.begun == SILENT_POSTS then breaker.silent = now.steady end
end

local function mind_silence(now, breaker, bucket)
  if breaker.state ~= 'closed' or breaker.begun < SILENT_POSTS then return end
  local usual = bucket.rtt + 2 * math.sqrt(bucket.rtt_var)
  if now.steady - breaker.unheard <= max(SILENT_MS, SILENT_TIMES * usual) then return end
  if now.steady - breaker.silent <= max(LATE_MS, LATE_TIMES * usual) then return end
  local unanswered = leases.count('started')
  if unanswered < SILENT_POSTS then return end
  breaker.said = 'no answer'
  open(now, breaker, tally_of(unanswered, unanswered))
end

-- Whether a claim may go on: nil, or the ms to wait; 0 where it is time for a probe.
local function wait(now, breaker)
  if breaker.state ~= 'open' then return nil end
  return max(0, breaker.probe_at - now.steady)
end

-- Order the caller to probe: one at a time.
local function order_probe(now, breaker, token)
  breaker.prober, breaker.probe_at = token, now.steady + PROBER_MS
end

-- What the worker that was told to probe has learned; of any other it means nothing.
local function hear_probe(now, breaker, prober, well)
  if prober == '' or prober ~= breaker.prober then return end
  breaker.prober = ''
  if breaker.state ~= 'open' then return end -- an answer to what was under way came first
  if well then
    breaker.state, breaker.good, breaker.fails, breaker.begun = 'half', 0, 0, 0
  else
    breaker.interval = min(LONGEST_MS, 2 * breaker.interval)
    breaker.probe_at = now.steady + breaker.interval
  end
end

-- Why it is not closed: "5 of 5: HTTP 503"; '' where it is.
local function cause(breaker)
  if breaker.state == 'closed' then return '' end
  if breaker.said == '' then return breaker.tally end
  return breaker.tally == '' and breaker.said or breaker.tally .. ': ' .. breaker.said
end

-- How many messages may be under way, of `most`.
local function cap(now, breaker, most)
  if breaker.state == 'half' then return min(1, most) end
  local since = breaker.closed > 0 and now.steady - breaker.closed or RAMP_MS
  if since >= RAMP_MS then return most end
  return max(1, math.floor(most * (RAMP_FROM + (1 - RAMP_FROM) * since / RAMP_MS)))
end

return {
  load = load, save = save, hear_attempt = hear_attempt, wait_for_answer = wait_for_answer,
  mind_silence = mind_silence, wait = wait, order_probe = order_probe, hear_probe = hear_probe,
  cap = cap, cause = cause,
}
