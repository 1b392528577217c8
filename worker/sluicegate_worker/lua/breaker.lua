-- The breaker: while the provider fails or falls silent, nobody sends, and one worker at a time asks for it.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: those of records.lua, breaker.
--
--   closed   opens after FAILS failures in a row, after half of at least FEW answers in FEW_MS were failures,
--            or when SILENT_POSTS POSTs wait longer than answers use to take, the first of them far longer
--   open     grants nothing; each `interval` one worker asks something that costs nothing (`probe`), and the
--            interval doubles while that fails
--   half     one message at a time: GOOD successes close it, a failure opens it again
-- After closing, the concurrency comes back over RAMP_MS. No attempt is charged for waiting.
local load_breaker, save_breaker, hear_attempt, wait_for_answer, mind_silence, hear_probe, breaker_wait, breaker_cap
do -- what follows stays within: a script has room for 200 names

local FAILS, FEW, FEW_MS, GOOD = 5, 10, 30000, 3
local SILENT_POSTS, SILENT_MS, SILENT_TIMES = 5, 1000, 10
local LATE_MS, LATE_TIMES = 250, 2
local FIRST_MS, LONGEST_MS = 1000, 15000 -- between two probes
local PROBER_MS = 10000 -- a worker that was to probe and says nothing for so long is not waited for
local RAMP_MS, RAMP_FROM = 10000, 0.1
local FIELDS = { 'state', 'fails', 'count', 'bad', 'since', 'begun', 'unheard', 'silent', 'interval', 'probe_at',
  'prober', 'good', 'closed', 'faults', 'opened' }

function load_breaker()
  local found, br = redis.call('HMGET', key('breaker'), unpack(FIELDS)), {}
  for i, name in ipairs(FIELDS) do br[name] = tonumber(found[i]) or 0 end
  br.state, br.prober, br.faults = found[1] or 'closed', found[11] or '', found[14] or ''
  br.was = { unpack(found) }
  return br
end

function save_breaker(br)
  local changed = { 'HSET', key('breaker') }
  for i, name in ipairs(FIELDS) do
    local value = br[name]
    local text = type(value) == 'number' and (value % 1 == 0 and whole_ms(value) or ms(value)) or value
    if text ~= (br.was[i] or (type(value) == 'number' and '0' or '')) then
      changed[#changed + 1], changed[#changed + 2] = name, text
    end
  end
  if #changed > 2 then redis.call(unpack(changed)) end
end

local function open_breaker(c, br)
  if br.state == 'closed' then
    br.interval, br.opened = FIRST_MS, c.steady
    count('breaker_opened')
  else
    br.interval = math.min(LONGEST_MS, 2 * br.interval)
  end
  br.state, br.probe_at, br.prober, br.good, br.begun = 'open', c.steady + br.interval, '', 0, 0
end

-- One attempt has come to an end: `answered` by the provider or not, `failing` by its fault.
function hear_attempt(c, br, answered, failing)
  if answered then br.begun = 0 end
  if c.steady - br.since > FEW_MS then br.since, br.count, br.bad = c.steady, 0, 0 end
  br.count = br.count + 1
  if failing then
    br.fails, br.bad = br.fails + 1, br.bad + 1
    local half_failed = br.count >= FEW and 2 * br.bad >= br.count
    if br.state == 'half' or br.state == 'closed' and (br.fails >= FAILS or half_failed) then open_breaker(c, br) end
  elseif answered then
    br.fails = 0
    if br.state == 'open' then br.state = 'half' end -- it answers one that was under way
    if br.state == 'half' then
      br.good = br.good + 1
      if br.good >= GOOD then
        br.state, br.closed, br.since, br.count, br.bad = 'closed', c.steady, c.steady, 0, 0
      end
    end
  end
end

-- A POST is begun: when the first was since the last answer, and when so many that they can be silent. One slow
-- answer is no silence, nor is what a worker that died left behind.
function wait_for_answer(c, br)
  if br.begun == 0 or lease_count('started') == 1 then br.begun, br.unheard = 0, c.steady end
  br.begun = br.begun + 1
  if br.begun == SILENT_POSTS then br.silent = c.steady end
end

function mind_silence(c, br, b)
  if br.state ~= 'closed' or br.begun < SILENT_POSTS then return end
  local usual = b.rtt + 2 * math.sqrt(b.rtt_var)
  if c.steady - br.unheard <= math.max(SILENT_MS, SILENT_TIMES * usual) then return end
  if c.steady - br.silent <= math.max(LATE_MS, LATE_TIMES * usual) then return end
  if lease_count('started') >= SILENT_POSTS then open_breaker(c, br) end
end

-- What the worker that was told to probe found out; of another than that one it means nothing.
function hear_probe(c, br, prober, well)
  if prober == '' or prober ~= br.prober then return end
  br.prober = ''
  if br.state ~= 'open' then return end -- an answer to what was under way came first
  if well then
    br.state, br.good, br.fails, br.begun = 'half', 0, 0, 0
  else
    br.interval = math.min(LONGEST_MS, 2 * br.interval)
    br.probe_at = c.steady + br.interval
  end
end

-- Whether a claim may go on: nil, or the ms to wait; 0 is an order to probe, given to one at a time.
function breaker_wait(c, br, token)
  if br.state ~= 'open' then return nil end
  if c.steady < br.probe_at then return br.probe_at - c.steady end
  br.prober, br.probe_at = token, c.steady + PROBER_MS
  return 0
end

function breaker_cap(c, br, cap)
  if br.state == 'half' then return math.min(1, cap) end
  local since = br.closed > 0 and c.steady - br.closed or RAMP_MS
  if since >= RAMP_MS then return cap end
  return math.max(1, math.floor(cap * (RAMP_FROM + (1 - RAMP_FROM) * since / RAMP_MS)))
end

end
