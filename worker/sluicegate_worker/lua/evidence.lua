-- Evidence: whether what went wrong tells of the provider, or of one message or recipient alone.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: FREE, is_suspect, passed_over, is_well, which only read; hear_success, hear_failure,
--   hear_refusal, which change the breaker that was loaded.
-- Keys touched: those of leases.lua, which it only reads.
--
-- A failure is *lone* if its message, or another one to its recipient, failed before, and one to
-- somebody else succeeded since: then the provider is well, and the failure is the message's own.
-- So is one of a sender that nobody knows (senders.lua) while the provider is well, and its 429.
-- The breaker keeps what this takes:
--   succeeded   wall ms of the last acceptance
--   suspects    |recipient=wall ms of its last failure|..., the latest SUSPECTS of them
--   culprit     the message that failed last, and failures: how often in a row
--   refused     the recipient that was refused last (429, full queue, halt), with no acceptance of
--               its own since; refused_at: wall ms of its first; refusals: how many in a row
local num, whole_ms = part('sluicegate.texts').num, part('sluicegate.texts').whole_ms
local leases = part('sluicegate.leases')
local find, sub, match = string.find, string.sub, string.match

local FREE = 5 -- attempts of a message that cost it nothing, at most
local SUSPECTS = 4
local UNDER_WAY_MS = 60000 -- no POST lasts longer
local WELL_MS = 30000      -- since an acceptance: so long is the provider known to be well

-- Where a recipient's entry among the suspects begins, and where its time does.
local function entry_of(breaker, to)
  local first, last = find(breaker.suspects, '|' .. to .. '=', 1, true)
  return first, last and last + 1
end

local function is_suspect(breaker, to) return entry_of(breaker, to) ~= nil end

-- The recipient that others go before: its message was refused last, and nobody else's was accepted
-- since. nil where there is none.
local function passed_over(breaker)
  if breaker.refused == '' or breaker.succeeded > breaker.refused_at then return nil end
  return breaker.refused
end

local function is_well(now, breaker)
  return breaker.succeeded > 0 and now.wall - breaker.succeeded < WELL_MS
end

local function without(breaker, to)
  local first, time = entry_of(breaker, to)
  if not first then return breaker.suspects end
  local rest = match(breaker.suspects, '^%d+(.*)$', time)
  local others = sub(breaker.suspects, 1, first - 1) .. rest
  return others == '|' and '' or others
end

local function suspect(now, breaker, to)
  local others = without(breaker, to)
  local suspects = '|' .. to .. '=' .. whole_ms(now.wall) .. (others == '' and '|' or others)
  local _, bars = string.gsub(suspects, '|', '')
  if bars > SUSPECTS + 1 then suspects = match(suspects, '^(.*|)[^|]*|$') end
  breaker.suspects = suspects
end

local function hear_success(now, breaker, id, lease)
  breaker.succeeded = now.wall
  if breaker.culprit == id then breaker.culprit, breaker.failures = '', 0 end
  if breaker.suspects == '' and breaker.refused == '' then return end -- nearly always
  local to = leases.ticket(lease).to
  breaker.suspects = without(breaker, to)
  if breaker.refused == to then breaker.refused = '' end
end

-- When this message, or another to its recipient, failed last (wall ms); nil where none did.
local function failed_at(breaker, record, to)
  local before = num(record.attempts, 0) + num(record.free, 0) + num(record.maybe, 0) > 0
  local own = before and num(record.at) or nil
  local _, time = entry_of(breaker, to)
  local of_recipient = time and tonumber(match(breaker.suspects, '^%d+', time))
  if own and of_recipient then return math.max(own, of_recipient) end
  return own or of_recipient
end

-- The provider, or the way to it, failed. Returns whether the failure is lone.
local function hear_failure(now, breaker, id, record, lease)
  local to = leases.ticket(lease).to
  local before = failed_at(breaker, record, to)
  suspect(now, breaker, to)
  breaker.failures = breaker.culprit == id and breaker.failures + 1 or 1
  breaker.culprit = id
  return before ~= nil and breaker.succeeded > before
end

-- A refusal that should be everybody's: 429, a full queue, a halt. Returns whether others were
-- accepted since this recipient's refusals began, and how many those are, with nobody else refused
-- between. What was under way when a halt began may be accepted a little later.
local function hear_refusal(now, breaker, lease, halting)
  local to = leases.ticket(lease).to
  if breaker.refused ~= to then
    breaker.refused, breaker.refused_at, breaker.refusals = to, now.wall, 0
  end
  breaker.refusals = breaker.refusals + 1
  local since = breaker.refused_at + (halting and UNDER_WAY_MS or 0)
  return breaker.succeeded > since, breaker.refusals
end

return {
  FREE = FREE, is_suspect = is_suspect, passed_over = passed_over, is_well = is_well,
  hear_success = hear_success, hear_failure = hear_failure, hear_refusal = hear_refusal,
}
