-- How slots are spread while the window is in doubt, and while the log is uneven for that.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: look and bulk_gap, which change the room alone; patience, which only reads.
-- Keys touched: none; those of clues.lua are read.
local clues, next_end = part('sluicegate_worker.clues'), part('sluicegate_worker.usual').next_end
local of, deviation, unanswered = clues.of, clues.deviation, clues.unanswered
local LEAST_MS, LIES = clues.LEAST_MS, clues.LIES
local SEEN, MAX_RAISE = clues.SEEN, clues.MAX_RAISE
local max, min, floor = math.max, math.min, math.floor

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
local AGAIN_MS = 250   -- for so long nothing is tried that may find nothing
-- A try would end a silence of so long: where a usual window ends within so many times that, it is
-- waited for.
local FURTHER = 1.5
local MANY = 1000      -- remain: the slots of one call are too near to each other to tell more
local NEARER = 8       -- times nearer than an eighth of the log: gaps of a few slots tell as well

-- How many slots may still be sent by the newest answer, which may have overtaken others; nil where
-- none told it lately: since then a window that is claimed has passed, or answers said nothing.
local function room_of(now, bucket)
  local known = of(bucket)
  local since, under_way = bucket.seq - known.seen, unanswered()
  local passed = known.claimed == 1 and now.steady - known.quiet > ENDS * bucket.window
  local silent = since - under_way >= (passed and FEW_UNTOLD or UNTOLD)
  if known.room < 0 or silent then return nil end
  local told_ago = now.steady - known.told_at
  if known.claimed == 1 and told_ago > max(2 * LEAST_MS, bucket.window) then return nil end
  local spread = bucket.slot - known.told_at
  local unsure = spread > 0 and floor(2 * since * deviation(bucket) / spread) or 0
  return known.room - max(since, under_way) - unsure
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
-- came back before, or after twice the time since anything did, unless one ends soon after that;
-- where others use some, sooner. Less than one request of theirs is none that was seen. A try that
-- is answered slowly makes its own end look as if it were to come: the next is not at once.
local function none_gap(bucket, known, quiet, claimed)
  local least = max(SOON_MS, min(AGAIN_MS, bucket.window / 4))
  local shared = known.others * quiet > max(1, SEEN * bucket.limit)
  local gap = (shared and 0.5 or 2) * max(least, quiet)
  if not shared or known.longest > 0 then
    local beyond = max(quiet, 0.97 * known.longest, 1.4 * LEAST_MS)
    local ends = next_end(bucket.configured_window, beyond, deviation(bucket))
    if ends < (shared and 1 or FURTHER) * (quiet + gap) then gap = max(SOON_MS, ends - quiet) end
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

-- While the window is in doubt, what the provider says remains paces what is sent, and not a window
-- that may be another:
--   remains    how many; nil where no answer told it lately
--   paces      whether they do: not once it was refused often though much remained
--   is_logged  whether the log bounds it as well: that of a window that is claimed does, until
--              something shows that it is shorter
--   least      how long anything waits after a slot
--   gap        how long bulk does, where many remain
local function look(now, bucket, room)
  if room.doubtful and room.doubtful.gap then return room.doubtful end
  local known, remains = of(bucket), room_of(now, bucket)
  local paces = remains and not bucket.capped and known.lied < LIES
  room.doubtful = {
    remains = remains, paces = paces, least = remains and least_gap(bucket),
    is_logged = known.claimed == 1 and known.early == 0,
  }
  return room.doubtful
end

-- How long bulk waits after a slot while the window is in doubt and so many remain.
local function doubtful_gap(bucket, remains, least)
  local known = of(bucket)
  local on_its_way = bucket.rtt > FAR * bucket.window and bucket.rtt or 0
  local quiet = max(0, bucket.slot - known.quiet - on_its_way)
  local since = max(SOON_MS, bucket.slot - known.paced - on_its_way)
  local claimed = known.claimed == 1 and bucket.window >= LEAST_MS
  -- A ceiling that bounds us leaves most of a claimed window's limit over: no need to spread it.
  if bucket.capped and claimed and remains > bucket.limit / 2 then return 0 end
  local gap = (remains < 1 and none_gap(bucket, known, quiet, claimed))
    or some_gap(bucket, known, remains, quiet, since, claimed)
  gap = max(gap, least)
  if known.again > bucket.slot then gap = min(gap, known.again - bucket.slot) end
  -- However much others seem to use, a tenth always goes on.
  local theirs = max(bucket.peak, bucket.last_peak) > bucket.limit / 2
  local goes_on = claimed and (remains >= 1 or theirs)
  return goes_on and min(gap, bucket.window / max(1, bucket.limit / 10)) or gap
end

-- How many ms a worker waits at most while the window is in doubt: what the next answer tells may
-- make slots come sooner, and the very first one most of all. Answers that tell nothing leave
-- `quiet` at 0: then there is nothing to come back for.
local function patience(now, bucket)
  local since = bucket.heard == 1 and of(bucket).quiet or bucket.slot
  return max(20, (now.steady - since) / 40)
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

-- How long bulk waits after a slot at least, and whether nothing remains for anybody; while the
-- window is in doubt by what `look` saw.
local function bulk_gap(bucket, room, left)
  local doubtful = room.doubtful
  local remains = doubtful and doubtful.remains
  if not remains then return uneven_gap(bucket, room, left), false end
  if doubtful.gap then return doubtful.gap, false end
  local gap, known = doubtful_gap(bucket, remains, doubtful.least), of(bucket)
  if remains > MANY then doubtful.gap = gap end
  -- Of a claimed window, of which something came back, the log tells when the next does. What one
  -- answer shows of it may be too little to be believed, but is worth a try.
  if remains < 1 and known.claimed == 1 and bucket.window >= LEAST_MS
    and (known.quiet > known.begun or known.last_gone > known.base) then
    local one = room.bounds[1]
    local next_left = left(room, one.span, one.size) - bucket.slot
    gap = min(gap, max(one.span / one.size / 2, next_left))
  end
  return gap, remains < 1
end

return { look = look, bulk_gap = bulk_gap, patience = patience }
