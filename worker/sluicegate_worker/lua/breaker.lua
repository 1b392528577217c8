-- The breaker: while the provider fails or is silent, nobody sends, and one worker probes it.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: SILENT_POSTS, load, may_be_silent, wait, cap, cause, which only read; save.
-- Keys touched: those of counts.lua, breaker.
--
-- health.lua opens and closes it.
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
local counts = later('sluicegate.counts')
local max, min = math.max, math.min

local SILENT_POSTS = 5
local RAMP_MS, RAMP_FROM = 10000, 0.1
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

-- Whether so many POSTs wait for an answer that silence would be heard.
local function may_be_silent(breaker)
  return breaker.state == 'closed' and breaker.begun >= SILENT_POSTS
end

-- Whether a claim may go on: nil, or the ms to wait; 0 where it is time for a probe.
local function wait(now, breaker)
  if breaker.state ~= 'open' then return nil end
  return max(0, breaker.probe_at - now.steady)
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
  SILENT_POSTS = SILENT_POSTS, load = load, save = save, may_be_silent = may_be_silent,
  wait = wait, cap = cap, cause = cause,
}
