-- What is known of the provider's window while it is learned.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: LEAST_MS, MAX_RAISE, LIES, SEEN; of, text, deviation, unanswered, overtaken, left_over.
-- Keys touched: none; those of leases.lua are counted.
--
-- It is one field of the bucket's, since most calls need none of it. spreading.lua goes by it.
local leases = part('sluicegate.leases')
local max, sqrt = math.max, math.sqrt

local LEAST_MS = 500   -- no window is shorter
local LIES = 3         -- so often what is said to remain may be wrong
local SEEN = 0.02      -- of the limit: others use so much, or our count of them is a mistake
local MAX_RAISE = 10   -- a rate is tried, and believed, up to so many times the configured one

-- Two words: the kind that the provider's limiter seems to be, and what told the window. Then
-- numbers.
--   claimed   1 where the window is taken for right until shown wrong; 0 where it is a guess
--   since     when the window was found to be that long; `forgiven` refusals were before
--   room      what the newest answer (to slot `seen`, begun at `told_at`) left, -1 where it did not
--             say; `left`: ms that it named until the window ends, -1 where none; `again`: when a
--             refusal said to try again; `lied`: how often one came though much remained
--   begun     when the provider's count was first heard, or last all of ours came back
--   dated     when nothing had been told for long: how old slots before that are is not known
--   quiet     the slot since which nothing that we used has come back; `paced`: the same, moved
--             only as far as a share of all that was used had come back; `longest`: such a silence
--   others    how many a ms others use; `fallen`: what they took since something came back
--   strangers how many were in use that were not ours, when counting began
--   slow      by how many ms more than usual the slowest request was lately, as of `slow_at`
--   last_...  of the answer before: when, how many were gone, used, and sent in all; `hidden`: how
--             many it had overtaken, and so may not have been gone; `base`: gone, but for what
--             overtaking answers hide
--   returns   how often something came back; `silent`: how long nothing had before the first of
--             them, `before`: how many were gone then, `had`: how many were in use then
--   oldest, youngest   as a sliding window: between these ages it is; `early`: 1 once some came
--             back that was younger than the window that is claimed
--   pace_...  as a bucket: since when, and what was gone then; at least and at most that pace;
--             `full`: how often it was full since `full_at`, when `full_gone` were gone; `tried`:
--             until when it need not be tried upwards
--   partly    as a fixed window: how many came back in between; `dropped`: 1 once all came back
--             at once, between `drop_from` and `drop_at`, 2 where that were few; `ends`: when that
--             was, as near as any such end told; `fixed_low`, `fixed_high`: its length, `firm`: 1
--             where neither drop was of few
--   pending   a window that was seen once, while another is believed
local CLUES = {
  'claimed', 'since', 'forgiven', 'seen', 'room', 'told_at', 'left', 'again', 'lied', 'begun',
  'dated', 'quiet', 'paced', 'longest', 'others', 'fallen', 'strangers', 'slow', 'slow_at',
  'last_at', 'last_gone', 'last_used', 'last_sent', 'hidden', 'base', 'returns', 'silent', 'before',
  'had', 'oldest', 'youngest', 'early', 'pace_at', 'pace_gone', 'pace_least', 'pace_most',
  'full', 'full_at', 'full_gone', 'tried', 'partly', 'dropped', 'drop_at', 'drop_from', 'ends',
  'fixed_low', 'fixed_high', 'firm', 'pending',
}
local UNKNOWN = {
  claimed = 1, seen = -1, room = -1, left = -1, youngest = -1, last_at = -1, pace_at = -1,
}

-- The bucket's clues as a table, read when first asked for.
local function of(bucket)
  if bucket.known then return bucket.known end
  local known, all, numbers, n = { kind = '-', why = '-' }, {}, {}, 0
  for text in string.gmatch(bucket.clues, '%S+') do
    n = n + 1
    all[n] = text
  end
  -- An older version's are others: the window that it learned stays, and is looked at again.
  if n == #CLUES + 2 then
    known.kind, known.why = all[1], all[2]
  else
    if n > 1 then known.why = all[2] end
    all = {}
  end
  for i, name in ipairs(CLUES) do
    numbers[i] = tonumber(all[i + 2]) or false
    known[name] = numbers[i] or UNKNOWN[name] or 0
  end
  known.texts, known.numbers = all, numbers
  bucket.known = known
  return known
end

-- A number takes half a microsecond to become text, and most stay as they were read.
local function text(known)
  local all, numbers = known.texts, known.numbers
  all[1], all[2] = known.kind, known.why
  for i, name in ipairs(CLUES) do
    local number = known[name]
    if number ~= numbers[i] then all[i + 2] = string.format('%.16g', number) end
  end
  return table.concat(all, ' ')
end

-- By how much requests' times differ: the first few tell too little.
local function deviation(bucket) return max(sqrt(bucket.rtt_var), 0.1 * bucket.rtt) end

-- How many of ours are granted or under way.
local function unanswered() return leases.count('granted') + leases.count('started') end

-- How many requests the newest answer has overtaken: they may not have arrived yet.
local function overtaken(bucket)
  return max(0, unanswered() - (bucket.seq - of(bucket).seen))
end

-- Whether what was in use when counting began has begun to come back: there will be no more of it,
-- so a newer answer tells what is left.
local function left_over(bucket, seq)
  local known = of(bucket)
  return known.strangers > 0 and known.returns > 0 and seq > known.seen
end

return {
  LEAST_MS = LEAST_MS, MAX_RAISE = MAX_RAISE, LIES = LIES, SEEN = SEEN, of = of, text = text,
  deviation = deviation, unanswered = unanswered, overtaken = overtaken, left_over = left_over,
}
