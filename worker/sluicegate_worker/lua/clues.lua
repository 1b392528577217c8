-- What is known of the provider's window while it is learned, and how bulk goes meanwhile.
-- KEYS none. ARGV none.
-- Returns: HASTE; of, text, is_far, bulk_gap, haste, patience.
-- Keys touched: none.
--
-- It is one field of the bucket's, since most calls need none of it.
local max, min, floor = math.max, math.min, math.floor

local LEFT_BLUR = 2000 -- ms by which a reset may be rounded up, and its date down
local KEEP_FROM = 20   -- slots in a window from which bulk leaves some of what remains
local UNTOLD = 20      -- after so many slots without a word of what remains, nothing is known of it
local KEPT = 0.02      -- how many: that share of the limit
local HASTE = 4        -- so many times faster come slots that show how what they use comes back
local FIFTH = 5        -- of a smaller limit a fifth is not one slot
local FAR = 0.15       -- of a window: a provider so far away tells its end late
local ENDS = 1.02      -- of a claimed window: by then its first slots came back, or it is longer

-- Two words: the kind that the provider's limiter seems to be, and what told the window. Then
-- numbers; those in the first line tell bulk how to spread what remains.
--   claimed  1 where the window is taken for right until shown wrong; 0 where it is a guess
--   room     what the newest answer (to slot `seen`) left, -1 where it did not say; `left`: ms that
--            it named until the window ends, -1 where none
--   quiet    the slot since which nothing that we used has come back
--   slow     by how many ms more than usual the slowest request was lately, as of `slow_at`
--   strangers how many were in use that were not ours, when counting began
--   told_at  when the request of the newest answer began
--   still    until when surely nothing came back, since `quiet`
local CLUES = {
  'claimed', 'seen', 'room', 'left', 'quiet', 'since',
  'from', 'base', 'fallen', 'others', 'oldest', 'youngest', 'fewest', 'events',
  'first_at', 'first_gone', 'first_dry', 'last_at', 'last_gone', 'last_used', 'dropped',
  'pending', 'no_room', 'had', 'drop_at', 'drop_from', 'told_at',
  'slow', 'slow_at', 'strangers', 'still',
}
local UNKNOWN = { claimed = 1, seen = -1, room = -1, left = -1, youngest = -1, last_at = -1 }

-- The bucket's clues as a table, read when first asked for.
local function of(bucket)
  if bucket.known then return bucket.known end
  local known, all, n = { kind = '-', why = '-' }, {}, 0
  for text in string.gmatch(bucket.clues, '%S+') do
    n = n + 1
    all[n] = text
  end
  if n > 0 then known.kind, known.why = all[1], all[2] end
  for i, name in ipairs(CLUES) do known[name] = tonumber(all[i + 2]) or UNKNOWN[name] or 0 end
  bucket.known = known
  return known
end

local function text(known)
  local all = { known.kind, known.why }
  for i, name in ipairs(CLUES) do all[i + 2] = string.format('%.16g', known[name]) end
  return table.concat(all, ' ')
end

-- How many slots may still be sent by the newest answer; nil where none told it lately: since then
-- a window that is claimed has passed, or many slots were taken.
local function room_of(now, bucket)
  local known = of(bucket)
  local since = bucket.seq - known.seen
  if known.room < 0 or since > max(UNTOLD, bucket.limit / 2) then return nil end
  if known.claimed == 1 and now.steady - known.told_at > bucket.window then return nil end
  return known.room - since
end

-- Whether a request's own time hides much of what comes back meanwhile.
local function is_far(bucket) return bucket.rtt > FAR * bucket.window end

-- While the window is in doubt: how many of what the provider says remains go before the time since
-- anything came back has grown by the factor e. So some remains, and what comes back is seen soon,
-- however long the window turns out to be: it need not be guessed. Where a window is claimed, more
-- go as it ends.
local function doubtful_gap(now, bucket)
  local room = room_of(now, bucket)
  if not room then return 0 end
  local known, window, limit = of(bucket), bucket.window, bucket.limit
  local on_its_way = is_far(bucket) and bucket.rtt or 0
  local quiet, claimed = max(0, bucket.slot - known.quiet - on_its_way), known.claimed == 1
  -- A ceiling that bounds us leaves most of a claimed window's limit over: no need to spread it.
  if bucket.capped and claimed and room > limit / 2 then return 0, false end
  local kept = limit < KEEP_FROM and 0 or max(1, KEPT * limit)
  local free = max(room - kept, room >= 1 and 1 or 0.5)
  local share = claimed and quiet < window and 2 or 3
  if free < 1 then share = known.others > 0 and 0.25 or 1 end
  local gap = quiet / min(limit / 5, free / share)
  -- A claimed window's end is not missed; a third of what remains goes then.
  if claimed and quiet < ENDS * window then
    gap = min(gap, ENDS * window - quiet)
  elseif claimed and quiet < 1.15 * window then
    gap = min(gap, 0.5 * window / free)
  end
  gap = max(gap, window / (claimed and 8 or 2) / free)
  if known.left > window + LEFT_BLUR then
    gap = max(gap, min(known.left, 8 * (quiet + 1000)) / free)
  end
  if claimed then gap = min(gap, window / max(1, limit / 10)) end -- a tenth always goes on
  return gap, room < 1
end

-- How many ms a worker waits at most while the window is in doubt: what the next answer tells may
-- make slots come sooner.
local function patience(now, bucket)
  return max(20, (now.steady - of(bucket).quiet) / 40)
end

-- How much faster slots come while the window is in doubt. The first fifth of the limit shows soon
-- whether it comes back sooner than a claimed window says; what has begun to come back, how.
local function haste(now, bucket)
  local room, known = room_of(now, bucket), of(bucket)
  if not room or bucket.limit < FIFTH then return 1 end
  local enough = known.events > 0 and 0.5 or known.claimed == 1 and 0.8 or 1
  return room > enough * bucket.limit and HASTE or 1
end

-- For some time after the window was found to be another, the log may be uneven: bulk goes slowly
-- enough not to stand still once the log is full. `left` is the bucket's.
local function uneven_gap(bucket, room, left)
  if bucket.capped then return 0 end -- the ceiling goes on as before
  local one = room.bounds[1]
  local ahead = floor(one.size / (one.size < 80 and 4 or 8)) -- of a few, fewer tell nothing
  if ahead < 2 then return 0 end
  local gap = (left(room, one.span, one.size - ahead) - bucket.slot) / ahead
  return gap > 1.3 * one.span / one.size and gap or 0
end

-- How long bulk waits after a slot at least, and whether nothing remains for anybody.
local function bulk_gap(now, bucket, room, left)
  local gap = uneven_gap(bucket, room, left)
  if bucket.doubt ~= 1 then return gap, false end
  local doubtful, none = doubtful_gap(now, bucket)
  return max(gap, doubtful), none
end

return {
  HASTE = HASTE, of = of, text = text, is_far = is_far, bulk_gap = bulk_gap, haste = haste,
  patience = patience,
}
