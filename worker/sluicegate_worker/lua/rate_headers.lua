-- What the headers of the provider's answers tell the bucket.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: report, which changes the bucket that was loaded.
-- Keys touched: log.
--
--   limit                       sets the size
--   limit - remaining - ours    what others use, or what we forgot; its peak is held for one to two
--                               windows
--   the newest of them          how long the window is (window.lua)
--   429                         a margin that halves with time, and a block until retry-after
local key, ms = part('sluicegate.account').key, part('sluicegate.texts').ms
local Bucket = part('sluicegate_worker.bucket')
local jitter, LEAST_JITTER, LEAST_JITTER_MS =
  Bucket.jitter, Bucket.LEAST_JITTER, Bucket.LEAST_JITTER_MS
local window_of, clues = later('sluicegate_worker.window'), later('sluicegate_worker.clues')
local min, max, sqrt, huge = math.min, math.max, math.sqrt, math.huge

local MAX_MARGIN = 0.25
local LATE, STRAGGLES = 1, 3 -- so many deviations longer: a request is late, or a straggler
local SHARED_HALF = 3000 -- ms in which half of what was known of others' use is replaced

local function throttled(now, bucket, wait)
  if now.steady >= bucket.gate then -- one step per burst of refusals, not one per refusal
    bucket.margin = min(MAX_MARGIN * bucket.limit, bucket.margin + 1 + 0.003 * bucket.limit)
    bucket.gate = now.steady + 2 * bucket.rtt
  end
  bucket.block = max(bucket.block, now.steady + max(wait, 1))
end

-- What others use on average over the last seconds, for people: the peak that the budget goes by
-- is gone while we hardly send. One answer may be far off; several in a row are not.
local function hear_others(now, bucket, foreign)
  local since = max(0, now.steady - bucket.shared_at)
  local weight = min(0.5, max(0.1, 1 - 0.5 ^ (since / SHARED_HALF)))
  bucket.shared = bucket.shared + weight * (max(0, foreign) - bucket.shared)
  bucket.shared_at = now.steady
end

-- How many slots of ours the provider may have counted when it answered a request begun then, which
-- is logged `late` ms after its slot. A call starts many at once, so it is asked once for all of
-- them that were not late.
local counted, counted_for = {}, nil -- by the start; for which window
local function ours_before(bucket, started, late)
  if counted_for ~= bucket.window then counted, counted_for = {}, bucket.window end
  local ours = late == 0 and counted[started]
  if not ours then
    -- Requests overtake each other: those of ours that may have been counted are not foreign.
    local slack = jitter(bucket, bucket.window) / 2
    local first, last = started - bucket.window - slack, started + late + slack
    ours = redis.call('ZCOUNT', key('log'), '(' .. ms(first), ms(last))
    if late == 0 then counted[started] = ours end
  end
  return ours
end

-- How much longer than usual an answer took. A window is wider than the limit's by what is usual; a
-- request that took longer is logged as late as it may have arrived, and a straggler does not widen
-- it. Returns how late that is, 0 where it was not.
local function hear_time(now, bucket, lease, beyond)
  local late = 0
  if beyond > LEAST_JITTER * bucket.window / 4 or beyond > LEAST_JITTER_MS / 4 then
    local usual, deviation = jitter(bucket, bucket.window), sqrt(bucket.rtt_var)
    -- In a long window the jitter has room for all but stragglers.
    local slack = usual < LEAST_JITTER_MS and max(usual / 4, LATE * deviation) or usual
    if beyond > min(usual, slack) then
      late = beyond
      local arrived = min(lease.slot + late, now.steady)
      redis.call('ZADD', key('log'), 'XX', ms(arrived), lease.seq)
      bucket.late_until = max(bucket.late_until, arrived)
    end
    beyond = min(beyond, max(usual, STRAGGLES * deviation))
  end
  bucket.rtt = bucket.rtt + 0.1 * beyond
  local square = (0.9 * beyond) ^ 2 - bucket.rtt_var
  bucket.rtt_var = bucket.rtt_var + max(0.01, 1 / bucket.seq) * square
  return late
end

-- An answer to an older request cannot undo what a newer one said of the limit.
local function hear_limit(now, bucket, seq, limit, window)
  if seq < bucket.limit_seq then return end
  bucket.limit_seq = seq
  if limit ~= bucket.said or window > 0 and window ~= bucket.policy then
    window_of().hear_limit(now, bucket, limit, window)
  end
end

-- What one answer tells: its limit, remaining, wait, window and reset (negative where not said),
-- throttled, and `took` in ms.
local function report(now, bucket, lease, answer)
  bucket.heard = 1
  local late = lease.started - lease.slot + answer.took
  if bucket.rtt == 0 then bucket.rtt = late end
  local beyond = late - bucket.rtt
  local logged_late = hear_time(now, bucket, lease, beyond)
  if beyond > (bucket.slowest or 0) then bucket.slowest = beyond end
  local seq = tonumber(lease.seq)
  if answer.limit > 0 then hear_limit(now, bucket, seq, answer.limit, answer.window) end
  -- The longest: shown where it says that the window is longer.
  if answer.reset > bucket.reset then bucket.reset = answer.reset end
  if answer.throttled then
    bucket.refused = bucket.refused + 1
    throttled(now, bucket, answer.wait)
  end
  local remaining = answer.throttled and 0 or answer.remaining
  if answer.limit > 0 and remaining >= 0 then
    -- Begun before a late one of ours may have arrived, it may count that, and our log does not.
    local late_one = lease.started + logged_late < bucket.late_until and 1 or 0
    local ours = ours_before(bucket, lease.started, logged_late) + late_one
    -- Of its own limit: one that a newer answer has changed would show as others' use.
    local foreign = answer.limit - remaining - ours
    local left_over = bucket.doubt == 1 and clues().left_over(bucket, seq)
    bucket.peak = left_over and foreign or max(bucket.peak, foreign)
    hear_others(now, bucket, foreign)
    local newest = bucket.newest
    if newest and seq < newest.seq then
      newest.least = min(newest.least, remaining)
    else
      bucket.newest = {
        -- Some say that more remains than the limit.
        seq = seq, at = lease.started, room = min(remaining, answer.limit),
        used = max(0, answer.limit - remaining),
        left = answer.reset, throttled = answer.throttled, wait = answer.wait,
        late = logged_late, least = newest and min(newest.least, newest.room) or huge,
      }
    end
  end
end

return { report = report }
