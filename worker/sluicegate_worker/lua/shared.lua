-- How slots come where others use the same limit: by what answers say remains. Our own log does not
-- know what others send: a guess that is high enough leaves much of the limit unused, and one that
-- is not lets a transactional message wait for others' share to come back.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: hear_urgent, which changes the bucket that was loaded; next_slots, which changes the
--   room alone.
-- Keys touched: log, which it only reads; those of leases.lua are counted.
--
-- Bulk leaves what others and transactional messages are likely to use before more comes back.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local clues = part('sluicegate_worker.clues')
local max, min, sqrt, log = math.max, math.min, math.sqrt, math.log

local URGENT_HALF_MS = 10000 -- half of what transactional messages took is forgotten by then
local LIKELY = 3       -- deviations of what is used before more comes back
local BACK_MS = 300    -- a sliding window and a bucket give something back within that time
local PATIENT_MS = 200 -- a message may wait as long for the end of a fixed window
local UNTOLD = 3       -- so many go once a fixed window has ended, before an answer tells more
local NOT_NOW_MS = 60  -- later than what a call grants
local AGAIN = 8        -- parts of a fixed window's rest: after one of them it is looked at again
local AHEAD = 1 / 8    -- of a window: for so long bulk is paced by what remains and comes back;
local EVENLY = 1 / 4   -- the same of a sliding one, where each gap comes back a window later
local GAPS = { 0, 1 / 32, 1 / 8, 1 / 4, 1 / 2 } -- of a window: so far ahead gaps are looked for
local MOST_KEPT = 0.25 -- of the limit, for them

-- What is left at that time of what transactional messages took.
local function remembered(bucket, at)
  return bucket.urgent * 0.5 ^ (max(0, at - bucket.urgent_at) / URGENT_HALF_MS)
end

-- A slot goes to a transactional message.
local function hear_urgent(bucket, slot)
  bucket.urgent, bucket.urgent_at = 1 + remembered(bucket, slot), max(slot, bucket.urgent_at)
end

-- How many slots a ms such messages took lately.
local function urgent(now, bucket)
  return remembered(bucket, now.steady) * log(2) / URGENT_HALF_MS
end

-- How many a ms others use: lately, or in all of a fixed window so far, which counts no other.
local function theirs(bucket, known)
  if known.kind ~= 'fixed' then return bucket.shared / bucket.window end
  return max(known.others, known.fallen / max(bucket.window / 8, known.told_at - known.quiet))
end

-- How many others use in a window at least: of a sliding one what comes back hides what they take.
local function used_by_others(bucket, known)
  local lately = known.others * bucket.window
  return known.kind == 'sliding' and max(lately, bucket.shared) or lately
end

-- By each kind of limiter: how many come back from then to then, as far as is known. What others
-- use of a sliding window comes back as fast as it goes.
local back = {}

function back.sliding(bucket, _, room, from, to)
  local first, last = from - bucket.window, to - room.bounds[1].span
  return redis.call('ZCOUNT', account.key('log'), texts.ms(first), texts.ms(last))
end

function back.bucket(bucket, _, _, from, to)
  return (to - from) * (bucket.limit - bucket.shared) / bucket.window
end

function back.fixed(_, known, _, from, to) return (from - to) * known.others end

-- Others may hide of what kind it is: what has come back, only the next answer tells.
back['-'] = function(bucket, known, room, from, to)
  return from > known.told_at and back.bucket(bucket, known, room, from, to) or 0
end

-- How many of the limit remain now, and for how many ms none comes back: until a fixed window ends;
-- nil where no answer told lately.
local function remaining(now, bucket, room, known)
  local told_ago, came_back = now.steady - known.told_at, back[known.kind]
  local good_for = known.kind == '-' and BACK_MS + bucket.rtt or bucket.window
  if not came_back or known.room < 0 or told_ago > good_for or known.lied >= clues.LIES
    or used_by_others(bucket, known) < clues.SEEN * bucket.limit then
    return nil
  end
  local sent = max(bucket.seq - known.seen, clues.unanswered())
  local rest = room.step
  if known.kind == 'fixed' then
    rest = known.ends + bucket.window - now.steady
    -- More may be held by a worker that died: they must not hold up everybody.
    if rest <= 0 and sent >= UNTOLD then return nil end
    if rest <= 0 then return min(bucket.limit, UNTOLD) - sent, room.step end
  end
  local more = came_back(bucket, known, room, known.told_at, now.steady)
  return min(bucket.limit, known.room + more) - sent, rest
end

-- How many may be used where that many are on average.
local function at_most(used) return used + LIKELY * sqrt(used) end

-- How many of a sliding window bulk leaves, so that a gap in what comes back can be waited out.
-- What others sent comes back as ours does: where we could send nothing they were refused as well.
local function kept_for_gaps(now, bucket, known, room, rate)
  local all, most = bucket.limit / max(1, bucket.limit - bucket.shared), 1
  for _, share in ipairs(GAPS) do
    local ahead = max(BACK_MS, share * bucket.window)
    local more = all * back.sliding(bucket, known, room, now.steady, now.steady + ahead)
    most = max(most, at_most(rate * ahead) - more)
  end
  return min(most, MOST_KEPT * bucket.limit)
end

-- How many bulk leaves for others and for what is transactional.
local function kept(now, bucket, known, room, rest)
  local rate = theirs(bucket, known) + urgent(now, bucket)
  if known.kind == 'fixed' then return at_most(max(0, rest - PATIENT_MS) * rate) end
  -- What is left in a bucket is not lost.
  if known.kind == 'bucket' then return LIKELY * sqrt(rate * AHEAD * bucket.window) end
  if known.kind == '-' then return LIKELY * sqrt(2 * rate * BACK_MS) end
  -- The slots of one call are too near to each other to tell more.
  room.kept = room.kept or kept_for_gaps(now, bucket, known, room, rate)
  return room.kept
end

-- When the next slot is, and the next for bulk; nil where our own log tells that better.
local function next_slots(now, bucket, room)
  local known = clues.of(bucket)
  local remains, rest = remaining(now, bucket, room, known)
  if not remains then return nil end
  local fixed = known.kind == 'fixed'
  local next_slot = max(now.steady, bucket.slot + room.step / 2)
  if remains < 1 then next_slot = max(next_slot, now.steady + max(NOT_NOW_MS, rest)) end
  local spare = remains - kept(now, bucket, known, room, rest)
  local bulk_slot
  if spare < 1 then
    bulk_slot = now.steady + max(NOT_NOW_MS, room.step, fixed and rest / AGAIN or 0)
  elseif fixed then
    bulk_slot = bucket.slot + min(rest / spare, room.step)
  else
    local ahead = bucket.window * (known.kind == 'sliding' and EVENLY or AHEAD)
    local more = back[known.kind](bucket, known, room, now.steady, now.steady + ahead)
    bulk_slot = bucket.slot + ahead / (spare + more)
    if known.kind == 'sliding' then next_slot = max(now.steady, min(next_slot, bulk_slot)) end
  end
  return next_slot, max(next_slot, bulk_slot)
end

return { hear_urgent = hear_urgent, next_slots = next_slots }
