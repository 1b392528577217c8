-- What each kind of limiter says of the window, by how our requests stop being counted.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: weigh, fits, which only read the clues; hear_ages, hear_pace, hear_drop, start_over,
--   which change them.
-- Keys touched: log, which it only reads.
--
-- Until a kind is refuted, the window is between two lengths by it:
--
--   sliding  each goes at the same age. Each answer bounds it: the oldest of ours that is counted
--            is younger, the youngest that is not is older
--   bucket   they go in step with time. Each answer bounds the pace, while the bucket is not full
--   fixed    all go at once. From one such drop to the next it is one window
--
-- Others of the same key hide some of what comes back. That makes a window look longer by age and
-- by pace; what says that it is shorter, nobody can fake.
local key = part('sluicegate.account').key
local Usual, LEAST_MS =
  part('sluicegate_worker.usual'), part('sluicegate_worker.clues').LEAST_MS
local call = redis.call
local min, max, floor, sqrt, huge = math.min, math.max, math.floor, math.sqrt, math.huge

local HIDDEN = 2.2        -- others use up to so many times what our answers show of them
local TIGHT, ROUGH = 0.85, 0.6 -- two ages that are so near to each other tell the window; the
                          -- same where one usual window is between them
local TURNED = 1.25       -- of what was in use: once so much came back, any window shows
local TOLD = 0.1          -- of what is in use: so much must come back to tell anything
local PARTLY = 0.15       -- of the limit: no more than that comes back between two drops
local SLACK = 1.5         -- requests by which a bucket's count is off, which gives back whole ones,
local OVERTAKE = 5        -- and by how many more of those that may have overtaken each other
local PACED = 6           -- so many must have come back to tell a pace
local LOOSE = 1.5         -- a pace is told once its bounds are so near to each other
local FULL = 12           -- a bucket that was full so often is tried upwards,
local NOT_FULL = 2        -- times as many in use as a full bucket may show: it was not full
local QUIET_WINDOWS = 20  -- and not again for so many windows

local function start_over(known)
  known.returns, known.oldest, known.youngest, known.pace_at = 0, 0, -1, -1
  known.partly, known.fixed_low, known.fixed_high = 0, 0, 0
end

local function slot_at(rank)
  return tonumber(call('ZRANGE', key('log'), rank, rank, 'WITHSCORES')[2])
end

-- The answer's place in the log: how old the oldest of ours is that must still be counted, and the
-- youngest that must be gone (huge where the log does not go back so far). Answers that overtake
-- each other, and others, blur the count.
local function ages(bucket, seen, rank, known, blur)
  local slack = 1 + floor(2 * blur)
  local gone = rank - seen.used - slack - seen.overtaken
  local youngest = gone >= 0 and seen.at - slot_at(gone) or huge
  local others = HIDDEN * known.others * min(youngest, bucket.window)
  local oldest = floor(rank - seen.used + slack + 1 + others)
  if oldest > rank then return 0, youngest end
  local slot = slot_at(max(0, oldest))
  return slot > known.dated and max(0, seen.at - slot) or 0, youngest
end

-- How old what is counted is. Returns how old the youngest is that is not: it counts once
-- something has come back.
local function hear_ages(bucket, seen, rank, known, blur)
  local oldest, youngest = ages(bucket, seen, rank, known, blur)
  known.oldest = max(known.oldest, oldest)
  return youngest
end

-- At which pace a bucket gives back. It may have been full in between, and then gave back nothing
-- for a while. Returns a window, where it was full so often that it may well fill up faster than is
-- believed: the one at whose pace we sent meanwhile, or while none is in doubt, the same once more.
local function hear_pace(now, bucket, seen, known, blur)
  local slack = SLACK + OVERTAKE * blur + 2 * sqrt(known.fallen)
  if known.pace_at < 0 or seen.used <= seen.sent - known.last_sent + slack then
    known.pace_at, known.pace_gone = seen.at, seen.gone
    known.pace_least, known.pace_most = 0, huge
    if bucket.doubt == 0 then return nil end
    if seen.used > 1 + slack or known.full == 0 then
      known.full, known.full_at, known.full_gone = 1, seen.at, seen.gone
      return nil
    end
    known.full = known.full + 1
    if known.full < FULL or now.steady < known.tried then return nil end
    known.full = 0
    if bucket.doubt == 1 then
      local ours = (seen.gone - known.full_gone) / (seen.at - known.full_at)
      return ours > 0 and bucket.limit / ours or nil
    end
    known.tried = now.steady + QUIET_WINDOWS * bucket.window
    return bucket.window
  end
  if seen.used > NOT_FULL * (1 + slack) then known.full = 0 end
  local span, gained = seen.at - known.pace_at, seen.gone - known.pace_gone
  if span > 0 then
    known.pace_least = max(known.pace_least, (gained - slack) / span)
    known.pace_most = min(known.pace_most, (gained + slack) / span)
  end
  return nil
end

local function came_partly(bucket, known) return known.partly > 2 + PARTLY * bucket.limit end

-- All came back at once, of `many` or of few, which a blur may show as well. Returns whether it did
-- so before, and little came back in between.
local function hear_drop(bucket, seen, known, many, tolerance)
  local again = known.dropped > 0 and not came_partly(bucket, known)
  if again then
    known.firm = many and known.dropped or 0
    known.fixed_low = known.last_at - known.drop_at - tolerance
    known.fixed_high = seen.at - known.drop_from + tolerance
  end
  -- An end that was seen from nearer tells this one's too, a whole number of windows later.
  local ends = known.ends + floor((seen.at - known.ends) / bucket.window) * bucket.window
  known.ends = ends > known.last_at and ends or seen.at
  known.dropped, known.partly = many and 1 or 2, 0
  known.drop_at, known.drop_from = seen.at, known.last_at
  return again
end

-- By each kind: whether the window is told, between which lengths it is, and whether those tell it
-- where it can be of no other kind; nothing where it cannot be of that kind.
local by = {}

function by.fixed(bucket, seen, known)
  if came_partly(bucket, known) then return end
  local low, high = known.fixed_low, known.fixed_high
  if high == 0 then return false, seen.at - known.quiet, huge end
  local told = known.claimed == 1 or Usual.between(low, high) <= 1
  return known.firm == 1 and told, low, high
end

function by.sliding(bucket, seen, known, tolerance)
  local low, high = known.oldest, known.youngest
  if high < 0 then return false, max(0, low - tolerance), huge end
  if low > high + tolerance + 0.02 * low or high < 0.9 * LEAST_MS then return end
  local gained = seen.gone - known.before
  local enough = gained >= 1 + TOLD * (seen.used + gained)
  local shown = known.silent >= 0.5 * low or gained >= TURNED * known.had + 2
  local from, to = max(0, low - tolerance), max(low, high) + tolerance
  local near = low + tolerance >= TIGHT * high
    or low >= ROUGH * high and Usual.between(from, to) == 1
  -- A fixed window shows the same where all came back at once.
  local at_once = known.dropped > 0 and not came_partly(bucket, known)
  return enough and shown and near and not at_once, from, to, enough and near
end

function by.bucket(bucket, seen, known, _, blur)
  if known.pace_at < 0 then return false, 0, huge end
  local least, most = known.pace_least, known.pace_most
  if least > 1.03 * most then return end
  local enough = seen.gone - known.pace_gone >= PACED + 3 * blur
  local slowest = least > 0 and 1.02 * bucket.limit / least or huge
  return enough and most <= LOOSE * least, 0.98 * bucket.limit / most, slowest
end

-- What the kinds say together: how many are not refuted, and the one that tells the window and
-- that the others do not contradict, with its `kind`, `low`, `high` and likely `window`; nil where
-- none does.
local function weigh(bucket, seen, known, tolerance, blur)
  local ranges, sure = {}, nil
  local function add(kind)
    local told, low, high, alone = by[kind](bucket, seen, known, tolerance, blur)
    if not low then return end
    ranges[#ranges + 1] = { kind = kind, low = low, high = high, alone = alone }
    if told and not sure then sure = ranges[#ranges] end
  end
  -- A limiter of a kind that was seen stays of that kind while it may be, also while a faster pace
  -- is tried.
  local stays = bucket.doubt ~= 1 or known.why == 'room'
  if stays and by[known.kind] then add(known.kind) end
  if #ranges == 0 then
    for _, kind in ipairs({ 'fixed', 'sliding', 'bucket' }) do add(kind) end
  end
  if #ranges == 1 and ranges[1].alone then sure = ranges[1] end
  if not sure then return #ranges, nil end
  sure.window = Usual.likely(bucket.configured_window, sure.low, sure.high)
  for _, other in ipairs(ranges) do
    local from, to = other.low, other.high
    if sure.window < 0.98 * from or sure.window > 1.02 * to then return #ranges, nil end
    -- Two drops may as well be those of a longer window.
    if other.kind == 'fixed' and other ~= sure and to < huge
      and Usual.likely(bucket.configured_window, from, to) > 1.02 * sure.window then
      return #ranges, nil
    end
  end
  return #ranges, sure
end

-- Whether what was seen fits the window that is believed, by the kind that it was learned as.
local function fits(bucket, known, tolerance)
  local window = bucket.window
  if known.kind == 'bucket' then
    local pace = bucket.limit / window
    return known.pace_at < 0
      or known.pace_least <= 1.02 * pace and pace <= 1.02 * known.pace_most
  elseif known.kind == 'sliding' then
    return known.youngest < 0 or known.oldest <= 1.05 * window + tolerance
      and window <= 1.05 * known.youngest + tolerance
  end
  local between = known.fixed_low <= 1.05 * window and window <= 1.05 * known.fixed_high
  return not came_partly(bucket, known) and (known.fixed_high == 0 or between)
end

return {
  weigh = weigh, fits = fits, hear_ages = hear_ages, hear_pace = hear_pace, hear_drop = hear_drop,
  start_over = start_over,
}
