-- What is known of the provider's window while it is learned, and how bulk goes meanwhile.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: LEAST_MS, MAX_RAISE, LIES, SEEN; of, text, deviation, unanswered, overtaken, left_over,
--   by_room, least_gap, bulk_gap, patience.
-- Keys touched: none; those of leases.lua are counted.
--
-- It is one field of the bucket's, since most calls need none of it.
local next_end = part('sluicegate_worker.usual').next_end
local leases = part('sluicegate.leases')
local max, min, floor, sqrt = math.max, math.min, math.floor, math.sqrt

local LEAST_MS = 500   -- no window is shorter
local LEFT_BLUR = 2000 -- ms by which a reset may be rounded up, and its date down
local KEEP_FROM, KEPT = 5, 0.02 -- slots in a window from which bulk leaves some, and their share
local FEW = 20         -- slots in a window that are spread wider, since each tells much
local UNTOLD = 20      -- so many answers without a word of what remains: nothing is known of it;
local FEW_UNTOLD = 3   -- the same once a window that is claimed has passed
local FAR = 0.15       -- of a window: a provider so far away tells its end late
local ENDS = 1.02      -- of a claimed window: by then its first slots came back, or it is longer
local NEARLY, RESERVED = 0.95, 0.2 -- of a silence that was seen, and of the limit, kept till then
local SOON_MS = 62     -- from so early on the first slots are spread
local BEGINS = 1 / 40  -- of a claimed window: the same
local BEGINS_FEW = LEAST_MS / 4 -- the same of few, whose claimed window is shorter than any
local LIES = 3         -- so often what is said to remain may be wrong
local SEEN = 0.02      -- of the limit: others use so much, or our count of them is a mistake
local AGAIN_MS = 250   -- for so long nothing is tried that may find nothing
local NEARER = 8       -- times nearer than an eighth of the log: gaps of a few slots tell as well
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
--   last_...  of the answer before: when, how many were gone, used, and sent in all; `base`: gone,
--             but for what overtaking answers hide
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
  'last_at', 'last_gone', 'last_used', 'last_sent', 'base', 'returns', 'silent', 'before',
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

-- How many slots may still be sent by the newest answer, which may have overtaken others; nil where
-- none told it lately: since then a window that is claimed has passed, or answers said nothing.
local function room_of(now, bucket)
  local known = of(bucket)
  local since = bucket.seq - known.seen
  local passed = known.claimed == 1 and now.steady - known.quiet > ENDS * bucket.window
  local silent = since - unanswered() >= (passed and FEW_UNTOLD or UNTOLD)
  if known.room < 0 or silent then return nil end
  local told_ago = now.steady - known.told_at
  if known.claimed == 1 and told_ago > max(2 * LEAST_MS, bucket.window) then return nil end
  local spread = bucket.slot - known.told_at
  local unsure = spread > 0 and floor(2 * since * deviation(bucket) / spread) or 0
  return known.room - max(since, unanswered()) - unsure
end

-- While the window is in doubt, what the provider says remains paces what is sent, and not a window
-- that may be another. Returns what remains, nil where the log paces it: also once it was refused
-- often though much remained. And whether the log bounds it as well: that of a window that is
-- claimed does, until something shows that it is shorter.
local function by_room(now, bucket)
  local known = of(bucket)
  if bucket.capped or known.lied >= LIES then return nil, true end
  return room_of(now, bucket), known.claimed == 1 and known.early == 0
end

-- While some remains: so many go before the time since anything came back has grown by the factor
-- e. So some remains, and what comes back is seen soon, however long the window turns out to be: it
-- need not be guessed. One goes as each usual window ends, the last of all only then. Of a window
-- that is claimed all are used by its end.
local function some_gap(bucket, known, remains, quiet, since, claimed)
  local limit, window = bucket.limit, bucket.window
  local kept = limit < KEEP_FROM and 0 or max(1, KEPT * limit)
  if not claimed and quiet < NEARLY * known.longest then kept = max(kept, RESERVED * limit) end
  local free = max(1, remains - kept)
  local within = claimed and quiet < ENDS * window
  local share = (within or limit < FEW) and 2 or 1.5
  if claimed and known.quiet == known.begun then since = max(since, BEGINS * window) end
  if not claimed and known.claimed == 1 and limit < FEW then since = max(since, BEGINS_FEW) end
  local ends = max(1, next_end(bucket.configured_window, quiet, deviation(bucket)) - quiet)
  local gap = remains < 2 and ends or min(ends, since * max(share / free, 5 / limit))
  if not claimed and remains >= 2 and quiet < 1.5 * known.longest then
    gap = min(gap, max(NEARLY * known.longest - quiet, 0.15 * quiet))
  end
  -- Of one that drops have shown some go at its end too: else half its length would look the same.
  local shown = known.fixed_low <= window and window <= known.fixed_high
  if within and shown then gap = max(gap, (0.9 * window - quiet) / free) end
  if within then
    gap = min(gap, ENDS * window - quiet, max(0.5 * window, 0.97 * window - quiet) / free)
  elseif claimed and quiet < 1.15 * window then
    gap = min(gap, 0.5 * window / free)
  end
  if known.left > window + LEFT_BLUR then
    gap = max(gap, min(known.left, 8 * (quiet + 1000)) / free)
  end
  return gap
end

-- Once nothing remains, the next try comes when a usual window ends that is no shorter than nothing
-- came back before, or after twice the time since anything did; where others use some, sooner.
local function none_gap(bucket, known, quiet, claimed)
  local least = max(SOON_MS, min(AGAIN_MS, bucket.window / 4))
  local shared = known.others * quiet > SEEN * bucket.limit
  local gap = (shared and 0.5 or 2) * max(least, quiet)
  if not shared or known.longest > 0 then
    local beyond = max(quiet, 0.97 * known.longest, 1.4 * LEAST_MS)
    gap = min(gap, max(1, next_end(bucket.configured_window, beyond, deviation(bucket)) - quiet))
  end
  if claimed and quiet < ENDS * bucket.window then
    gap = min(gap, ENDS * bucket.window - quiet)
  end
  return gap
end

-- How long anything waits after a slot while the window is in doubt: requests that overtake each
-- other tell less of what remains.
local function least_gap(bucket)
  local slot = bucket.configured_window / bucket.configured
  return max(slot / MAX_RAISE, min(slot, deviation(bucket) / 2))
end

-- How long bulk waits after a slot while the window is in doubt and so many remain.
local function doubtful_gap(bucket, remains)
  local known = of(bucket)
  local on_its_way = bucket.rtt > FAR * bucket.window and bucket.rtt or 0
  local quiet = max(0, bucket.slot - known.quiet - on_its_way)
  local since = max(SOON_MS, bucket.slot - known.paced - on_its_way)
  local claimed = known.claimed == 1 and bucket.window >= LEAST_MS
  -- A ceiling that bounds us leaves most of a claimed window's limit over: no need to spread it.
  if bucket.capped and claimed and remains > bucket.limit / 2 then return 0 end
  local gap = (remains < 1 and none_gap(bucket, known, quiet, claimed))
    or some_gap(bucket, known, remains, quiet, since, claimed)
  gap = max(gap, least_gap(bucket))
  if known.again > bucket.slot then gap = min(gap, known.again - bucket.slot) end
  -- However much others seem to use, a tenth always goes on.
  local theirs = max(bucket.peak, bucket.last_peak) > bucket.limit / 2
  local goes_on = claimed and (remains >= 1 or theirs)
  return goes_on and min(gap, bucket.window / max(1, bucket.limit / 10)) or gap
end

-- How many ms a worker waits at most while the window is in doubt: what the next answer tells may
-- make slots come sooner.
local function patience(now, bucket)
  return max(20, (now.steady - of(bucket).quiet) / 40)
end

-- For some time after the window was found to be another, the log may be uneven: bulk goes slowly
-- enough not to stand still once the log is full. `left` is the bucket's.
local function uneven_gap(bucket, room, left)
  if bucket.capped then return 0 end -- the ceiling goes on as before
  local one, most = room.bounds[1], 0
  local part_of = one.size < 80 and 4 or 8 -- of a few, fewer tell nothing
  for _, parts in ipairs({ part_of, NEARER * part_of }) do
    local ahead = floor(one.size / parts)
    if ahead >= 2 then
      local gap = (left(room, one.span, one.size - ahead) - bucket.slot) / ahead
      if gap > 1.3 * one.span / one.size then most = max(most, gap) end
    end
  end
  return most
end

-- How long bulk waits after a slot at least, and whether nothing remains for anybody.
local function bulk_gap(now, bucket, room, left)
  local remains = bucket.doubt == 1 and room_of(now, bucket)
  if not remains then return uneven_gap(bucket, room, left), false end
  local gap, known = doubtful_gap(bucket, remains), of(bucket)
  -- Of a claimed window, of which something came back, the log tells when the next does.
  if remains < 1 and known.claimed == 1 and bucket.window >= LEAST_MS
    and known.quiet > known.begun then
    local one = room.bounds[1]
    local next_left = left(room, one.span, one.size) - bucket.slot
    gap = min(gap, max(one.span / one.size / 2, next_left))
  end
  return gap, remains < 1
end

return {
  LEAST_MS = LEAST_MS, MAX_RAISE = MAX_RAISE, LIES = LIES, SEEN = SEEN, of = of, text = text,
  deviation = deviation, unanswered = unanswered, overtaken = overtaken, left_over = left_over,
  by_room = by_room, least_gap = least_gap, bulk_gap = bulk_gap, patience = patience,
}
