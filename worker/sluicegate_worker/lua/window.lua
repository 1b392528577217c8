-- How long the provider's window is: learned from how its count of us grows and comes down again.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: hear_limit, learn, which change the bucket that was loaded.
-- Keys touched: turns; and log, which it only reads.
--
-- An answer says how much of the limit is used, and so which of the requests in our own log are
-- counted no more: they are `gone`. How they go tells windows apart, with no clock but ours:
--
--   drops, age, refill   by the kind of limiter that it shows (kinds.lua)
--   quiet                none goes for longer than the window: it is longer. The guess grows with
--                        the silence
--   room                 a bucket that is full all the time may fill up faster: it is tried
--
-- What is configured, and what the provider names, is where it starts. A window that is claimed is
-- given up for a longer one only after silence, two drops or refusals, and for a shorter one by
-- what nobody else can fake.
local Bucket = part('sluicegate_worker.bucket')
local key, ms = part('sluicegate.account').key, part('sluicegate.texts').ms
local Clues, Kinds = part('sluicegate_worker.clues'), part('sluicegate_worker.kinds')
local Usual = part('sluicegate_worker.usual')
local likely = Usual.likely
local clues_of, LEAST_MS, MAX_RAISE, SEEN =
  Clues.of, Clues.LEAST_MS, Clues.MAX_RAISE, Clues.SEEN
local call = redis.call
local min, max, floor, abs, sqrt, exp =
  math.min, math.max, math.floor, math.abs, math.sqrt, math.exp
local huge = math.huge

local LOG_MOST = 10000  -- slots that are remembered for a window that is only guessed
local ROUNDED_MS = 2000 -- a reset may be so much too late: rounded up, and its date down
local SLOW_HALF = 0.5   -- of a window: in that time half of how slow requests were is forgotten
local BLURRED = 4       -- deviations of a request's time, in which the pace is looked at
local OLDER = 1.2       -- so many windows old: others alone do not make it look so
local ARRIVED = 0.35    -- of the limit: no more than that is on its way
local REFUSED = 3       -- so many refusals show that a window may be longer
local LIED = 0.1        -- of the limit: where more remained, nothing is refused
local EARLY = 0.9       -- of a claimed window: what comes back before that shows a shorter one
local NARROW = 0.25     -- of a window: the end of the first is known so well
local ALL = 0.8         -- of what was in use: nearly all came back at once
local CLEAR, CLEAR_ALONE = 10, 6 -- deviations: so long were they in use; where no other request
                        -- was near that might have overtaken
local WHY = { fixed = 'drops', sliding = 'age', bucket = 'refill' }
local GIVEN = { ['-'] = true, policy = true, limit = true } -- not guessed from what came back

-- From now on the window is that long. `claimed`: it is trusted; `doubt`: until it was seen.
local function believe(now, bucket, window, why, claimed, doubt)
  local known = clues_of(bucket)
  local fastest = MAX_RAISE * bucket.configured / bucket.configured_window
  window = max(window, bucket.limit / fastest, LEAST_MS)
  local other = abs(window - bucket.window) > 0.01 * bucket.window
  local found = bucket.doubt == 1 and not doubt
  if other then
    bucket.peak, bucket.last_peak, bucket.peak_at, bucket.margin = 0, 0, now.steady, 0
    known.since, known.forgiven, known.early = now.wall, bucket.refused, 0
    if not doubt then known.longest = 0 end
  end
  if found then -- what was ours before counting began, and looked like others', has gone
    local theirs = known.others * window
    bucket.peak, bucket.last_peak = min(bucket.peak, theirs), min(bucket.last_peak, theirs)
    bucket.margin = 0 -- what was refused till now was a try
  end
  if other or found then -- the slots since then, and the next one, were given at another pace
    bucket.unsettled = now.steady + 2 * window
    bucket.tat = min(bucket.tat, bucket.slot + window / bucket.limit)
  end
  call('DEL', key('turns'))
  known.why, known.claimed = why, claimed and 1 or 0
  bucket.window, bucket.learned, bucket.doubt = window, window, doubt and 1 or 0
end

-- An answer names another limit than the one before, or another window. A limit that is above the
-- configured one may be for a longer window: until that is known the rate is not raised.
local function hear_limit(now, bucket, limit, window)
  local known = clues_of(bucket)
  local guessed = bucket.learned == 0 or known.claimed == 0
  bucket.said = limit
  -- What is used is counted up to the limit: a lower one would look as if the rest had come back.
  known.last_at, known.dropped = -1, 0
  Kinds.start_over(known)
  if window > 0 then
    bucket.limit = limit
    if window ~= bucket.policy then believe(now, bucket, window, 'policy', true, true) end
    bucket.policy = window
  elseif guessed and limit > bucket.configured then
    bucket.limit = min(limit, LOG_MOST)
    local guess = bucket.limit * bucket.configured_window / bucket.configured
    believe(now, bucket, guess, 'limit', false, true)
  elseif limit ~= bucket.limit and guessed then
    bucket.limit = limit
    believe(now, bucket, bucket.configured_window, 'limit', true, true)
  elseif limit ~= bucket.limit then -- in the same window, which is known as well as before
    local doubt = bucket.doubt
    bucket.limit = limit
    believe(now, bucket, bucket.window, known.why, true, doubt == 1)
    bucket.doubt = doubt
  end
  -- A higher limit in a window that is known already is bounded by a longer one as well.
  if bucket.limit > MAX_RAISE * bucket.configured * bucket.window / bucket.configured_window then
    believe(now, bucket, bucket.window, known.why, known.claimed == 1, true)
  end
end

-- What is seen of others: that more is used than we sent. What seemed to be taken, and comes back
-- before any window can have ended, was ours: requests had overtaken each other.
local function hear_others(bucket, seen, known, blur)
  local since, back = max(1, seen.at - known.last_at), seen.gone - known.last_gone
  local taken = max(0, -back - known.hidden - floor(2 * blur))
  if back > 0 and known.returns == 0 and seen.at - known.quiet < LEAST_MS then
    taken = -min(known.fallen, back)
  end
  local weight = 1 - exp(-since / max(2000, bucket.window / 4))
  known.others = max(0, known.others + weight * (taken / since - known.others))
  known.fallen = known.fallen + taken
end

-- Nothing of enough requests came back for longer than the window, give or take: it is longer.
local function outgrown(now, bucket, seen, known, tolerance, enough)
  local window = bucket.window
  local dry = max(seen.at, seen.throttled and known.last_at or 0) - known.quiet
  if dry <= window + max(0.15 * window + 2 * tolerance, 4 * window / bucket.limit) then return end
  local due = seen.at - window - tolerance
  if call('ZCOUNT', key('log'), ms(known.quiet), ms(due)) >= 2 + 2 * enough then
    known.kind = '-'
    believe(now, bucket, dry, 'quiet', false, true)
  end
end

-- Whether another window than the one that is claimed may be believed now: a longer one not on the
-- word of ages or a pace alone, and any only once it was seen twice.
local function may_change(bucket, known, sure)
  local longer = sure.window > bucket.window
  if longer and sure.kind ~= 'fixed' and bucket.refused < known.forgiven + REFUSED then
    known.pending = 0
    return false
  end
  local again = known.pending > 0 and abs(known.pending / sure.window - 1) < 0.15
  if not again then known.pending = sure.window end
  return again
end

-- Others blur ages and a pace too much to tell of a shorter window than one that was configured and
-- seen. Where that is too short, our own look like others: so a longer one is told.
local function blurred(bucket, sure)
  return sure.kind ~= 'fixed' and sure.window < bucket.window
    and bucket.window == bucket.configured_window and Bucket.is_shared(bucket)
end

-- Others blur what is seen. A window that is configured or named, and that nothing but them speaks
-- against, stays, once it has passed. Returns whether it does.
local function stay(now, bucket, seen, known)
  local passed = seen.at - known.begun > 1.1 * bucket.window
  local may = known.claimed == 1 and GIVEN[known.why] and bucket.window >= LEAST_MS
  if not may or bucket.doubt ~= 1 or not passed then return false end
  believe(now, bucket, bucket.window, known.why, true, false)
  return true
end

-- A window was seen, by a limiter of that kind. Returns whether it is believed.
local function settle(now, bucket, seen, known, sure, tolerance)
  local inside = sure.low <= bucket.window and bucket.window <= sure.high
  -- A longer one counts some that are far older than the window that is claimed, unless they are
  -- others': those make what is ours look older by as much as they use.
  local longer = sure.kind ~= 'fixed' and not inside and sure.window > bucket.window
  local alone = known.strangers + known.others * bucket.window <= SEEN * bucket.limit
  local counted = alone and known.oldest > OLDER * bucket.window + tolerance
  if known.claimed == 1 and longer and not counted then return stay(now, bucket, seen, known) end
  -- A shorter one by its pace: what was on its way at first looks as if it had come back.
  local shorter = sure.kind == 'bucket' and not inside and not longer
  if known.claimed == 1 and shorter and bucket.doubt ~= 2
    and seen.gone - known.pace_gone < ARRIVED * bucket.limit then
    return false
  end
  if known.claimed == 1 and bucket.doubt ~= 1 and not inside
    and (blurred(bucket, sure) or not may_change(bucket, known, sure)) then
    return false
  end
  known.kind, known.pending, known.full = sure.kind, 0, 0
  if bucket.doubt == 1 or not inside then
    local same = inside and known.claimed == 1 and GIVEN[known.why]
    believe(now, bucket, same and bucket.window or sure.window, WHY[sure.kind], true, false)
  end
  bucket.doubt = sure.kind == 'bucket' and 2 or 0
  if sure.kind ~= 'bucket' then return true end
  -- Requests that overtake each other must not find it empty.
  local lacking = max(0, 2 - seen.room)
  if lacking > 0 then
    bucket.tat = max(bucket.tat, now.steady + lacking * bucket.window / bucket.limit)
  end
  return true
end

-- Something came back: what that tells of the window.
local function conclude(now, bucket, seen, known, tolerance, blur)
  -- What others sent before, or we and have forgotten, comes back as if the window were another.
  if known.claimed == 1 and known.strangers > SEEN * bucket.limit
    and seen.at - known.begun < 1.1 * bucket.window then
    return
  end
  local kinds, sure = Kinds.weigh(bucket, seen, known, tolerance, blur)
  if kinds == 0 then
    local shared = known.others * bucket.window > SEEN * bucket.limit
    if shared then stay(now, bucket, seen, known) end
    return Kinds.start_over(known)
  end
  if not sure then
    if known.fixed_high > 0 and bucket.doubt == 1 then
      local window = likely(bucket.configured_window, known.fixed_low, known.fixed_high)
      if known.claimed == 0 or window < bucket.window then
        believe(now, bucket, window, 'drops', true, true)
      end
    end
  elseif bucket.doubt ~= 1 and Kinds.fits(bucket, known, tolerance) then
    known.pending = 0
    -- The longer a bucket is looked at, the better its pace is told.
    local looked = sure.kind ~= 'bucket' or seen.at - known.pace_at > bucket.window
    if looked then Kinds.start_over(known) end
  elseif settle(now, bucket, seen, known, sure, tolerance) or sure.kind ~= 'bucket' then
    Kinds.start_over(known)
  end
end

-- All came back at once, and `reset` named a usual window then.
local function hear_reset(now, bucket, seen, known, tolerance)
  if seen.left <= ROUNDED_MS then return end
  local named = likely(bucket.configured_window, seen.left - ROUNDED_MS, seen.left)
  if named < seen.left and named >= known.last_at - known.quiet - tolerance then
    believe(now, bucket, named, 'reset', true, true)
  end
end

-- The first time that all came back at once, as a usual window had passed since counting began: so
-- it is with a provider whose window begins with the first request.
local function hear_first_drop(now, bucket, seen, known, tolerance)
  local low, high = known.last_at - known.begun - tolerance, seen.at - known.begun + tolerance
  if known.strangers > 0 or low <= LEAST_MS or high - low > NARROW * high then return end
  if known.claimed == 1 and bucket.window <= high or Usual.between(low, high) ~= 1 then return end
  believe(now, bucket, likely(bucket.configured_window, low, high), 'drops', true, true)
end

-- Of ours some are gone that were not before: all of them at once, or in part. A drop is no drop
-- where no answer came for so long that nobody knows when (one that came back shortly before may be
-- a mistake); the first of all may be of few, if they were in use for `clear` ms: a window that had
-- just begun to be used has ended.
local function came_back(now, bucket, seen, known, tolerance, enough, clear)
  local dry, since = seen.at - known.quiet, seen.at - known.last_at
  local all = seen.gone - seen.overtaken - known.last_gone >= ALL * known.last_used
  local many = known.last_used >= max(3, enough)
  local first = known.returns == 0 and known.dropped == 0 and dry >= clear
  known.longest = max(known.longest, known.last_at - known.quiet)
  if all and many and seen.at - known.paced <= 2 * since then
    known.dropped = 0
    Kinds.start_over(known)
  elseif all and (many or first) then
    -- What others used, or we and have forgotten, has gone as well.
    if many and bucket.doubt == 1 then bucket.peak, bucket.last_peak = 0, 0 end
    local again = Kinds.hear_drop(bucket, seen, known, many, tolerance)
    if not again and bucket.doubt == 1 then
      if many and known.returns == 0 then hear_first_drop(now, bucket, seen, known, tolerance) end
      if not first then hear_reset(now, bucket, seen, known, tolerance) end
    end
  else
    known.partly = known.partly + seen.gone - known.base
  end
  known.returns = known.returns + 1
  if known.returns == 1 then
    known.silent, known.before, known.had = all and 0 or dry, known.base, seen.used
  end
end

-- From here the next silence is counted.
local function count_anew(seen, known)
  local gained = seen.gone - known.base
  local share = min(1, gained / (1 + 0.1 * (seen.used + gained)))
  known.paced = known.paced + (seen.at - known.paced) * share
  known.quiet, known.base, known.fallen = seen.at, seen.gone, 0
end

-- A refusal: nothing comes back before it may be tried again, and a wait is rounded up.
local function hear_refusal(now, bucket, seen, known, tolerance)
  known.again = seen.at + max(0, seen.wait) + 1
  if known.last_at < 0 then return end
  local until_ms = max(known.last_at, seen.at + max(0, seen.wait - 1000))
  known.oldest, known.last_at = known.oldest + until_ms - known.last_at, until_ms
  outgrown(now, bucket, seen, known, tolerance, 1)
end

-- Whether it was counted after all others that its call answers: none hides what came back.
local function counted_last(seen)
  return seen.overtaken == 0 and seen.least < huge and seen.room < min(seen.least, seen.before)
end

-- An answer that was in time: what it says of ours, and of others.
local function heard(now, bucket, seen, known, rank, tolerance)
  local varies = max(Clues.deviation(bucket), known.slow / 2)
  local since = '(' .. ms(seen.at - BLURRED * varies)
  local near = call('ZCOUNT', key('log'), since, ms(seen.at + seen.late))
  local blur = max(0, near - 1) / BLURRED
  hear_others(bucket, seen, known, blur)
  local youngest = Kinds.hear_ages(bucket, seen, rank, known, blur)
  local faster = Kinds.hear_pace(now, bucket, seen, known, blur)
  if faster and faster <= bucket.window then believe(now, bucket, faster, 'room', true, true) end
  -- An answer that overtook others moves it little.
  known.base = max(min(known.base, seen.gone), known.base - 0.5)
  local unsure = counted_last(seen) and 0 or 3 * blur
  local enough = max(1, 0.75 + unsure + 3 * sqrt(known.fallen))
  if seen.gone - seen.overtaken - known.base < enough then
    return outgrown(now, bucket, seen, known, tolerance, enough)
  end
  local clear = (blur == 0 and CLEAR_ALONE or CLEAR) * varies
  came_back(now, bucket, seen, known, tolerance, enough, clear)
  if youngest < huge then
    known.youngest = known.youngest < 0 and youngest or min(known.youngest, youngest)
    if youngest < EARLY * bucket.window - tolerance then known.early = 1 end
  end
  conclude(now, bucket, seen, known, tolerance, blur)
  count_anew(seen, known)
end

-- Nothing was told for far longer than we would wait for something to come back: nothing was sent,
-- or the server's clock was set. The time until then tells of no window, nor do slots before it.
local function look_away(bucket, seen, known, told_at)
  local patience = 3 * max(told_at - known.quiet, bucket.window)
  if seen.at <= max(told_at, known.again) + patience then return end
  known.quiet, known.paced = seen.at - told_at + known.quiet, seen.at - told_at + known.paced
  known.dated, known.dropped, known.longest = seen.at, 0, 0
  Kinds.start_over(known)
end

-- An answer that the newest has overtaken: it may have been counted after it.
local function hear_overtaken(seen, known)
  if seen.room >= known.room - known.hidden then known.room = min(known.room, seen.room) end
end

-- What the newest answer of the call tells: `seen` is its slot's number, when its request began,
-- how much was used of its limit, and how long until the window ends (negative: not said).
local function learn(now, bucket)
  local seen = bucket.newest
  if not seen then return end
  local known = clues_of(bucket)
  if seen.seq <= known.seen then return hear_overtaken(seen, known) end
  local remained = known.room - (seen.seq - known.seen)
  if seen.throttled and remained >= max(1, LIED * bucket.limit) then known.lied = known.lied + 1 end
  if known.told_at > 0 then look_away(bucket, seen, known, known.told_at) end
  seen.before = known.room
  known.seen, known.room, known.left, known.told_at = seen.seq, seen.room, seen.left, seen.at
  if known.quiet == 0 then -- the first answer, a refusal or not
    known.quiet, known.paced, known.begun = seen.at, seen.at, seen.at
  end
  local kept = 0.5 ^ (max(0, seen.at - known.slow_at) / max(LEAST_MS, SLOW_HALF * bucket.window))
  known.slow, known.slow_at = max(bucket.slowest or 0, known.slow * kept), seen.at
  local jitter = Bucket.jitter(bucket, bucket.window)
  local tolerance = max(2 * jitter, known.slow)
  if seen.throttled then return hear_refusal(now, bucket, seen, known, tolerance) end
  -- One that was slow itself may have been counted before others, or after them.
  local rank = seen.late <= jitter and call('ZRANK', key('log'), seen.seq)
  if not rank then return end
  -- Of all that were sent and not refused; slots that were given back are not in the log.
  seen.sent = bucket.trimmed + rank + 1 - bucket.refused
  seen.gone = seen.sent - seen.used
  seen.overtaken = Clues.overtaken(bucket)
  if known.last_at < 0 then
    known.strangers, known.base = max(0, -seen.gone), seen.gone
    known.quiet, known.begun, known.paced = seen.at, seen.at, seen.at
  else
    heard(now, bucket, seen, known, rank, tolerance)
  end
  known.last_at, known.last_gone = seen.at, seen.gone
  known.last_used, known.last_sent, known.hidden = seen.used, seen.sent, seen.overtaken
end

return { hear_limit = hear_limit, learn = learn }
