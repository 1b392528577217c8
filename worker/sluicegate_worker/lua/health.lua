-- Health: what attempts, silence and probes say of the provider opens the breaker, or closes it.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: hear_attempt, wait_for_answer, mind_silence, order_probe, hear_probe, which change the
--   breaker that was loaded (breaker.lua).
-- Keys touched: those of leases.lua.
local texts, leases = part('sluicegate.texts'), part('sluicegate.leases')
local Breaker = part('sluicegate_worker.breaker')
local max, min = math.max, math.min

local FAILS, FEW, FEW_MS, GOOD = 5, 10, 30000, 3
local SILENT_POSTS, SILENT_MS, SILENT_TIMES = Breaker.SILENT_POSTS, 1000, 10
local LATE_MS, LATE_TIMES = 250, 2
local FIRST_MS, LONGEST_MS = 1000, 15000 -- between two probes
local PROBER_MS = 10000 -- a worker that was to probe and says nothing for so long is not waited for
local SAID_BYTES = 100

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
  if not Breaker.may_be_silent(breaker) then return end
  local usual = bucket.rtt + 2 * math.sqrt(bucket.rtt_var)
  if now.steady - breaker.unheard <= max(SILENT_MS, SILENT_TIMES * usual) then return end
  if now.steady - breaker.silent <= max(LATE_MS, LATE_TIMES * usual) then return end
  local unanswered = leases.count('started')
  if unanswered < SILENT_POSTS then return end
  breaker.said = 'no answer'
  open(now, breaker, tally_of(unanswered, unanswered))
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

return {
  hear_attempt = hear_attempt, wait_for_answer = wait_for_answer, mind_silence = mind_silence,
  order_probe = order_probe, hear_probe = hear_probe,
}
