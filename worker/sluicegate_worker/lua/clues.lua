-- What is known of the provider's window while it is learned, and how bulk goes meanwhile.
-- KEYS none. ARGV none.
-- Returns: of, text, bulk_gap.
-- Keys touched: none.
--
-- It is one field of the bucket's, since most calls need none of it.
local max, min, floor = math.max, math.min, math.floor

local LEFT_BLUR = 2000 -- ms by which a reset may be rounded up, and its date down
local KEEP_FROM = 20   -- slots in a window from which bulk leaves some of what remains
local UNTOLD = 20      -- after so many slots without a word of what remains, nothing is known of it
local KEPT = 0.02      -- how many: that share of the limit

-- Two words: the kind that the provider's limiter seems to be, and what told the window. Then
-- numbers; those in the first line tell bulk how to spread what remains.
--   claimed  1 where the window is taken for right until shown wrong; 0 where it is a guess
--   room     what the newest answer (to slot `seen`) left, -1 where it did not say; `left`: ms that
--            it named until the window ends, -1 where none
--   quiet    the slot since which nothing that we used has come back
local CLUES = {
  'claimed', 'seen', 'room', 'left', 'quiet', 'since',
  'from', 'base', 'fallen', 'others', 'oldest', 'youngest', 'fewest', 'events',
  'first_at', 'first_gone', 'first_dry', 'last_at', 'last_gone', 'last_used', 'dropped',
  'pending', 'no_room',
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

-- While the window is in doubt: what the provider says remains is spread over the time that the
-- window may yet last. That grows with the time in which nothing came back, so that some remains
-- however long the window turns out to be. A window that is claimed is trusted for its own length,
-- with half of the limit.
local function doubtful_gap(bucket)
  local known = of(bucket)
  if known.room < 0 or bucket.seq - known.seen > max(UNTOLD, bucket.limit / 2) then return 0 end
  local room, window, limit = known.room - (bucket.seq - known.seen), bucket.window, bucket.limit
  local quiet, claimed = max(0, bucket.slot - known.quiet), known.claimed == 1
  if claimed and quiet <= window and room > limit / 2 then return 0 end
  local over = max(window / 2, claimed and quiet - window or quiet)
  if known.left > window + LEFT_BLUR then
    over = max(over, min(known.left, 8 * (quiet + 1000)))
  end
  local kept = limit < KEEP_FROM and 0 or max(1, KEPT * limit)
  local gap = over / max(room - kept, room >= 1 and 1 or 0.5)
  return claimed and min(gap, window / max(1, limit / 10)) or gap -- a tenth always goes on
end

-- For some time after the window was found to be another, the log may be uneven: bulk goes slowly
-- enough not to stand still once the log is full. `left` is the bucket's.
local function uneven_gap(bucket, room, left)
  local one = room.bounds[1]
  local ahead = floor(one.size / 4)
  if ahead < 2 then return 0 end
  local gap = (left(room, one.span, one.size - ahead) - bucket.slot) / ahead
  return gap > 1.5 * room.step and gap or 0
end

-- How long bulk waits after a slot at least.
local function bulk_gap(bucket, room, left)
  local gap = uneven_gap(bucket, room, left)
  return bucket.doubt == 1 and max(gap, doubtful_gap(bucket)) or gap
end

return { of = of, text = text, bulk_gap = bulk_gap }
