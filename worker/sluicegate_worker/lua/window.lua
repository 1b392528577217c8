-- How long the provider's window is: learned from how its count of us grows and comes down again.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: hear_limit, learn, which change the bucket that was loaded.
-- Keys touched: turns; and log, which it only reads.
--
-- An answer says how much of the limit is used, and so which of the requests in our own log are
-- counted no more: they are `gone`. How they go tells windows apart, with no clock but ours:
--
--   quiet    none goes for longer than the window: it is longer. The guess grows with the silence
--   drops    all go at once: a fixed window. From one drop to the next it is one window
--   age      each goes at the same age, however fast we send: that age is a sliding window
--   refill   they go in step with time: a token bucket, whose limit / window is that pace
--   room     all are gone at once after each answer: there is room. It is tried at up to four times
--            the rate, which tells a window that is shorter from a bucket that fills up faster
--
-- What is configured, and what the provider names, is where it starts. Others of the same key hide
-- some of what comes back, and so make each of these look longer. So a window that is claimed is
-- given up for a longer one only after silence, and for a shorter one by what nobody else can fake.
local Bucket = part('sluicegate_worker.bucket')
local key, ms = part('sluicegate.account').key, part('sluicegate.texts').ms
local Clues = part('sluicegate_worker.clues')
local clues_of, HASTE = Clues.of, Clues.HASTE
local call = redis.call
local min, max, floor, sqrt, exp = math.min, math.max, math.floor, math.sqrt, math.exp
local huge = math.huge

local LEAST_MS = 500
local LOG_MOST = 10000  -- slots that are remembered for a window that is only guessed
local ROUNDED_MS = 2000 -- a reset may be so much too late: rounded up, and its date down
local HIDDEN = 2.2      -- others use up to so many times what our answers show of them
local QUIET_WINDOWS = 20 -- for which a bucket is not tried upwards
local SHARED_MOST = 3   -- a bucket that others share looks up to so many times slower
local UNSEEN_MOST = 1.5 -- the same where little is seen of them
local DRAWN = 0.1       -- of the limit: a bucket that is fuller takes back only what was drawn
local REFUTED = 1.5     -- a bucket never fills up so many times faster than its pace
local NEAR = 0.95       -- a pace that is so near to the configured one is that
local SLOW_HALF = 0.5   -- of a window: in that time half of how slow requests were is forgotten
local BLURRED = 4       -- deviations of a request's time, in which the pace is looked at
local IN_USE = 0.42     -- of the limit: less shows that a window that was seen is shorter now
local NOISY = 0.15      -- of a window: requests that vary by more hide what comes back
local MAX_RAISE = Bucket.MAX_RAISE
local USUAL_MS = {
  86400000, 43200000, 21600000, 10800000, 7200000, 3600000, 1800000, 900000, 600000, 300000,
  120000, 60000, 30000, 20000, 15000, 10000, 5000, 2000, 1000, 500,
}

-- From now on the window is that long. `claimed`: it is trusted; `doubt`: until it was seen.
local function believe(now, bucket, window, why, claimed, doubt)
  local known = clues_of(bucket)
  local fastest = MAX_RAISE * bucket.configured / bucket.configured_window
  window = max(window, bucket.limit / fastest, LEAST_MS)
  if math.abs(window - bucket.window) > 0.01 * bucket.window then
    bucket.unsettled = now.steady + 2 * window
    bucket.peak, bucket.last_peak, bucket.peak_at, bucket.margin = 0, 0, now.steady, 0
    known.since = now.wall
    -- The next slot and the turns were given at another pace.
    bucket.tat = min(bucket.tat, bucket.slot + window / bucket.limit)
  end
  if bucket.doubt == 1 and not doubt then bucket.unsettled = now.steady + 2 * window end
  call('DEL', key('turns'))
  known.why, known.claimed = why, claimed and 1 or 0
  bucket.window, bucket.learned, bucket.doubt = window, window, doubt and 1 or 0
end

-- A window between two lengths: the configured one, or else the longest that is usual, or else the
-- longer of the two.
local function likely(bucket, low, high)
  local configured = bucket.configured_window
  if low <= configured and configured <= high then return configured end
  for _, usual in ipairs(USUAL_MS) do
    if low <= usual and usual <= high then return usual end
  end
  return high
end

local function start_over(known)
  known.events, known.oldest, known.youngest = 0, 0, -1
end

-- Of ours some are gone: the next silence is counted from here.
local function came_back(known, seen)
  known.quiet, known.from, known.base, known.fallen = seen.at, known.last_at, seen.gone, 0
  known.still = seen.at
end

-- An answer names another limit than the one before, or another window. A limit that is above the
-- configured one may be for a longer window: until that is known the rate is not raised.
local function hear_limit(now, bucket, limit, window)
  local known = clues_of(bucket)
  local guessed = bucket.learned == 0 or known.claimed == 0
  bucket.said = limit
  -- What is used is counted up to the limit: a lower one would look as if the rest had come back.
  known.last_at, known.dropped = -1, 0
  start_over(known)
  if window > 0 then
    bucket.limit = limit
    if window ~= bucket.policy then believe(now, bucket, window, 'policy', true, true) end
    bucket.policy = window
  elseif guessed and limit > bucket.configured then
    bucket.limit = min(limit, LOG_MOST)
    local guess = bucket.limit * bucket.configured_window / bucket.configured
    believe(now, bucket, guess, 'limit', false, true)
  elseif limit ~= bucket.limit then
    bucket.limit = limit
    local same = guessed and bucket.configured_window or bucket.window
    believe(now, bucket, same, guessed and 'limit' or known.why, true, true)
  end
  -- A higher limit in a window that is known already is bounded by a longer one as well.
  if bucket.limit > MAX_RAISE * bucket.configured * bucket.window / bucket.configured_window then
    believe(now, bucket, bucket.window, known.why, known.claimed == 1, true)
  end
end

-- The answer's place in the log: how old the oldest of ours is that must still be counted, and the
-- youngest that must be gone (huge where the log does not go back so far). Answers that overtake
-- each other, and others, blur the count.
local function ages(bucket, seen, rank, known, blur)
  local slack = 1 + floor(2 * blur)
  local gone = rank - seen.used - slack
  local oldest = gone + 1 + 2 * slack
  local near = call('ZRANGE', key('log'), max(0, gone), min(rank, max(0, oldest)), 'WITHSCORES')
  local youngest = gone >= 0 and seen.at - tonumber(near[2]) or huge
  local others = HIDDEN * known.others * min(youngest, bucket.window)
  oldest = floor(oldest + others)
  if oldest > rank then return 0, youngest end
  local slot = others < 1 and near[#near]
    or call('ZRANGE', key('log'), max(0, oldest), max(0, oldest), 'WITHSCORES')[2]
  return max(0, seen.at - tonumber(slot)), youngest
end

-- What is seen of others: that more is used than we sent.
local function hear_others(bucket, known, gone, since, blur)
  local taken = max(0, known.last_gone - gone - floor(2 * blur))
  local weight = 1 - exp(-since / max(2000, bucket.window / 4))
  known.others = known.others + weight * (taken / since - known.others)
  known.fallen = known.fallen + taken
end

-- A window between two lengths was seen, by a limiter of that kind; where that is `weak`, a shorter
-- one stays in doubt. One that is known already is given up only for what was seen twice.
local function consider(now, bucket, low, high, kind, why, weak)
  local known = clues_of(bucket)
  local window = likely(bucket, low, high)
  local shared = known.others * bucket.window > 0.02 * bucket.limit
  local configured = bucket.configured_window
  local lowest = shared and low / HIDDEN or NEAR * low
  if kind == 'bucket' and lowest <= configured and NEAR * configured <= high then
    window = configured
  end
  local by_others = kind == 'sliding'
    or kind == 'bucket' and (window < (shared and SHARED_MOST or UNSEEN_MOST) * bucket.window
      or known.fewest < DRAWN * bucket.limit)
  if known.claimed == 1 and window > bucket.window and by_others then
    known.kind = known.kind == '-' and kind or known.kind
    if bucket.doubt == 1 then believe(now, bucket, bucket.window, known.why, true, false) end
    return
  end
  local same = known.kind == kind and math.abs(window / bucket.window - 1) < 0.1
  local again = known.pending > 0 and math.abs(known.pending / window - 1) < 0.15
  if bucket.doubt == 1 or known.kind == '-' or same or again then
    local fits = low <= bucket.window and bucket.window <= high
    -- A bucket that fills up more slowly than it is tried looks like a shorter window at first,
    -- and a few answers that overtook others like a drop.
    local shorter = weak and window < 0.9 * bucket.window
    if bucket.doubt == 1 or not fits then believe(now, bucket, window, why, true, shorter) end
    known.kind, known.pending = kind, 0
    if kind == 'bucket' then bucket.doubt = 2 end
  else
    known.pending = window
  end
end

-- Whether no more came back in `span` ms than a bucket of the pace that is claimed gives back.
local function as_bucket(bucket, known, gained, span, blur)
  return known.claimed == 1
    and gained <= 1 + 2 * blur + REFUTED * span * bucket.limit / bucket.window
end

-- Some of ours have gone, and not all at once.
local function gradual(now, bucket, seen, known, dry, tolerance, blur)
  local low, high = known.oldest, known.youngest
  if high < 0 then return end
  if known.events == 1 then
    -- Most went while hardly any answer came: the window is between those two ages.
    local many = seen.gone - known.last_gone >= max(0.25 * bucket.limit, 4)
    local between = likely(bucket, low - tolerance, high + tolerance)
    -- One that is claimed is given up for a longer one after silence only: others make ages longer.
    local longer = known.claimed == 1 and between > bucket.window
    if many and bucket.doubt == 1 and known.kind ~= 'bucket' and low <= high and not longer
      and not as_bucket(bucket, known, seen.gone - known.last_gone, dry, blur) then
      believe(now, bucket, between, 'age', true, true)
      start_over(known)
    end
    return
  end
  local gained = seen.gone - known.first_gone
  if low <= high + tolerance + 0.02 * low then
    local windowed = known.first_dry >= max(4 * dry, 0.5 * low, 2 * bucket.window / bucket.limit)
      and (known.why ~= 'room' or gained >= 3)
    if known.events < 3 and not windowed and low >= bucket.window / 8 then return end
    if bucket.doubt ~= 1 and high >= 0.9 * bucket.window then return start_over(known) end
    if windowed or low >= bucket.window / 4 then
      if known.kind == 'fixed' and bucket.doubt ~= 1 then return end
      -- Once all that was in use has gone, a bucket that fills up slower than we send has shown.
      local rises = seen.used > 1.2 * known.had + 1 + 2 * blur
      local as_believed = low >= 0.75 * bucket.window and low - tolerance <= bucket.window
        and bucket.window <= max(low, high) + tolerance
        and bucket.window == bucket.configured_window
      local turned = known.kind ~= 'bucket'
        and gained >= (rises and 2 or 1.25) * known.had + 2
      if not (windowed or as_believed or turned) then return end
      -- A bucket may be as it should; one whose window was seen is none where little is in use.
      local bucket_like = bucket.doubt == 1 or seen.used > IN_USE * bucket.limit
      if not windowed and high + tolerance < bucket.window and bucket_like
        and as_bucket(bucket, known, gained, seen.at - known.first_at, blur) then
        return start_over(known)
      end
      consider(now, bucket, low - tolerance, max(low, high) + tolerance, 'sliding', 'age',
        not windowed)
      start_over(known)
    elseif now.steady >= known.no_room and low < bucket.window / 4
      and not as_bucket(bucket, known, gained, seen.at - known.first_at, blur) then
      known.kind = '-'
      believe(now, bucket, max(bucket.window / 4, low), 'room', false, true)
      start_over(known)
    end
  elseif gained >= 6 and known.events >= 3 then
    if known.fewest < 2 then return start_over(known) end
    local pace, off = gained / (seen.at - known.first_at), 2 / gained + 0.02
    -- What is on its way looks as if it had come back, and at our own pace. A slower bucket still
    -- counts some that the window believed in would not.
    local longer = max(bucket.window, known.claimed == 0 and bucket.configured_window or 0)
    local low_window = bucket.limit / (pace + HIDDEN * known.others) * (1 - off)
    local slower = known.kind ~= 'bucket' and low_window > longer
    if slower and known.oldest <= longer + tolerance then
      if seen.at - known.first_at > 2 * longer then start_over(known) end
      return
    end
    consider(now, bucket, low_window, bucket.limit / pace * (1 + off), 'bucket', 'refill')
    if known.kind ~= 'bucket' then start_over(known) end
    known.no_room = now.steady + QUIET_WINDOWS * bucket.window
  end
end

-- More has come back than a bucket of that pace holds, which nobody else can fake: it was none.
local function overflowed(now, bucket, seen, known, enough)
  if known.kind ~= 'bucket' or bucket.doubt == 1 or known.events < 3 then return false end
  local gained, span = seen.gone - known.first_gone, seen.at - known.first_at
  local spare = max(2 * enough, DRAWN * bucket.limit)
  if gained < spare + REFUTED * span * bucket.limit / bucket.window then return false end
  known.kind, known.no_room = '-', 0
  believe(now, bucket, likely(bucket, 0, span * bucket.limit / gained), 'room', true, true)
  start_over(known)
  return true
end

-- All of ours have gone at once, after nothing went for `dry` ms, give or take.
local function dropped(now, bucket, seen, known, least, most, tolerance)
  -- Where something came back in between, that was a drop that answers out of order have hidden.
  local missed = known.quiet > known.drop_at and least - tolerance > bucket.window
  if known.dropped > 0 and not (missed and known.claimed == 1) then
    local weak = known.dropped == 2
    consider(now, bucket, least - tolerance, most + tolerance, 'fixed', 'drops', weak)
  elseif known.dropped > 0 then
    known.pending = 0
  elseif bucket.doubt == 1 and known.claimed == 1 and least - tolerance <= bucket.window
    and bucket.window <= most + tolerance then
    known.kind = 'fixed'
    believe(now, bucket, bucket.window, 'drops', true, false)
  elseif bucket.doubt == 1 then
    local left, named = seen.left, nil
    if left > ROUNDED_MS then named = likely(bucket, left - ROUNDED_MS, left) end
    if named and named < left and named >= least - tolerance then
      believe(now, bucket, named, 'reset', true, true)
    elseif least > bucket.window + tolerance then
      believe(now, bucket, least, 'quiet', false, true)
    end
  end
  known.dropped = 1
  start_over(known)
end

-- Something is still counted though it is older than the window, and nobody else is seen, now or
-- at first: the window is longer, and one that is shorter than configured was an error.
local function outlived(now, bucket, known, oldest, tolerance)
  local shorter = bucket.window < NEAR * bucket.configured_window and bucket.learned > 0
  local sure = bucket.doubt == 0 and known.kind == 'sliding'
  if not (sure or shorter and known.claimed == 1 and bucket.doubt ~= 2)
    or oldest <= 1.15 * bucket.window + tolerance
    or known.others * bucket.window + known.strangers >= 0.02 * bucket.limit then
    return false
  end
  known.kind, known.pending = '-', 0
  believe(now, bucket, likely(bucket, oldest, 2 * oldest), 'age', true, true)
  return true
end

-- Nothing of enough requests came back for longer than the window, give or take: it is longer.
local function outgrown(now, bucket, seen, known, tolerance, enough)
  local window, dry = bucket.window, seen.at - known.quiet
  if dry <= window + max(0.15 * window + 2 * tolerance, 4 * window / bucket.limit) then return end
  local due = seen.at - window - tolerance
  if call('ZCOUNT', key('log'), ms(known.quiet), ms(due)) >= 2 + 2 * enough then
    known.kind = '-'
    believe(now, bucket, dry, 'quiet', false, true)
  end
end

-- What the newest answer of the call tells: `seen` is its slot's number, when its request began,
-- how much was used of its limit, and how long until the window ends (negative: not said).
local function learn(now, bucket)
  local seen = bucket.newest
  if not seen then return end
  local known = clues_of(bucket)
  if seen.seq <= known.seen then return end
  known.seen, known.room, known.left, known.told_at = seen.seq, seen.room, seen.left, seen.at
  if known.quiet == 0 then known.quiet = seen.at end -- the first answer, a refusal or not
  local kept = 0.5 ^ (max(0, seen.at - known.slow_at) / max(LEAST_MS, SLOW_HALF * bucket.window))
  known.slow, known.slow_at = max(bucket.slowest or 0, known.slow * kept), seen.at
  local tolerance = max(2 * Bucket.jitter(bucket, bucket.window), known.slow)
  if seen.throttled then
    -- Nothing comes back before it may be tried again: a wait is rounded up.
    local until_ms = seen.at + max(0, seen.wait - 1000)
    if known.last_at >= 0 and until_ms > known.last_at then
      known.oldest = known.oldest + until_ms - known.last_at
      known.last_at = until_ms
    end
    if known.last_at >= 0 then outgrown(now, bucket, seen, known, tolerance, 1) end
    return
  end
  -- One that was slow itself may have been counted before others, or after them.
  local rank = not seen.slow and call('ZRANK', key('log'), seen.seq)
  if not rank then return end
  -- Of all that were sent and not refused; slots that were given back are not in the log.
  seen.gone = bucket.trimmed + rank + 1 - bucket.refused - seen.used
  local since = max(1, seen.at - known.last_at)
  local deviation = max(sqrt(bucket.rtt_var), 0.1 * bucket.rtt) -- the first few tell too little
  local varies = max(deviation, known.slow / 2)
  local blur = bucket.limit / bucket.window * varies
  local hasty = bucket.doubt == 1 and not bucket.capped
  if hasty and not Clues.is_far(bucket) then
    blur = HASTE * blur
  elseif hasty then -- at most: what is believed may be slower than what comes
    local span = BLURRED * varies
    local lately = call('ZCOUNT', key('log'), '(' .. ms(seen.at - span), ms(seen.at))
    blur = max(blur, min(HASTE * blur, lately / BLURRED))
  end
  if known.last_at < 0 then
    known.strangers = max(0, -seen.gone)
    known.base, known.quiet, known.from, known.still = seen.gone, seen.at, seen.at, seen.at
    known.last_at, known.last_gone, known.last_used = seen.at, seen.gone, seen.used
    return
  end
  hear_others(bucket, known, seen.gone, since, blur)
  local oldest, youngest = ages(bucket, seen, rank, known, blur)
  known.oldest, known.fewest = max(known.oldest, oldest), min(known.fewest, seen.used)
  -- An answer that overtook others moves it little.
  known.base = max(min(known.base, seen.gone), known.base - 0.5)
  if seen.gone < known.base + max(1, DRAWN * seen.used) then known.still = seen.at end
  local dry = seen.at - known.quiet
  if outlived(now, bucket, known, oldest, tolerance) then start_over(known) end
  -- That nothing goes for so long is no bucket's way: what went before was not ours, or a blur.
  local refuted = known.youngest >= 0 and known.oldest > known.youngest + tolerance
  local missed = (known.last_gone - known.first_gone) / max(1, known.quiet - known.first_at) * dry
  if refuted and dry >= 0.5 * oldest and missed >= 3 then
    start_over(known)
    known.oldest = oldest
  end
  local enough = max(1, 0.75 + 2 * blur + 3 * sqrt(known.fallen))
  if overflowed(now, bucket, seen, known, enough) then
    came_back(known, seen)
  elseif seen.gone - known.base >= enough then
    local had = known.last_used
    local all, first = seen.gone - known.last_gone >= 0.8 * had, known.first_at == 0
    local noisy = known.slow > NOISY * bucket.window and known.kind ~= 'bucket'
    -- A bucket is silent for no longer than until what it gives back shows.
    local silent = known.still - known.quiet - enough * bucket.window / bucket.limit
    local windowed = bucket.doubt ~= 1 or silent >= 0.5 * dry
      or not as_bucket(bucket, known, seen.gone - known.base, dry, blur)
    local many = not noisy and all and had >= max(3, enough) and dry >= 2 * since and windowed
    if noisy then
      start_over(known)
    elseif many then
      local least, most = known.last_at - known.quiet, seen.at - known.from
      if known.dropped > 0 then
        least, most = known.last_at - known.drop_at, seen.at - known.drop_from
      end
      dropped(now, bucket, seen, known, least, most, tolerance)
    else
      known.events = known.events + 1
      if known.events == 3 or not first and not all then known.dropped = 0 end
      if known.events == 1 then
        known.first_at, known.first_gone = seen.at, seen.gone
        known.first_dry = silent
        known.fewest, known.had = seen.used, seen.used
      end
      if youngest < huge then
        known.youngest = known.youngest < 0 and youngest or min(known.youngest, youngest)
      end
      gradual(now, bucket, seen, known, dry, tolerance, blur)
    end
    -- The first of all may be few: a window that had just begun to be used has ended.
    if many or all and first and (known.dropped == 0 or dry > bucket.window / 4) then
      known.dropped, known.drop_at, known.drop_from = many and 1 or 2, seen.at, known.last_at
    end
    if known.events == 0 then known.oldest = 0 end
    came_back(known, seen)
    if known.kind == 'bucket' and seen.used < 3 then start_over(known) end
  else
    outgrown(now, bucket, seen, known, tolerance, enough)
  end
  known.last_at, known.last_gone, known.last_used = seen.at, seen.gone, seen.used
end

return { hear_limit = hear_limit, learn = learn }
