-- The token bucket: paced, about two tokens deep, sized by what the provider's headers say.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: GROUP, LEAST_JITTER, LEAST_JITTER_MS, load, kept_ms, jitter, budget, look, is_shared,
--   which only read; next_slots, which changes the room alone; save.
-- Keys touched: bucket, log.
--
-- What decides is our own log of granted slots, on one clock: in every stretch of window + jitter
-- there are at most `limit` of them, whatever the provider's window looks like. Its answers correct
-- it (rate_headers.lua), tell how long the window is (window.lua), and slots.lua takes what it
-- offers. No clock but the server's is ever read. A configured ceiling bounds the log the same way,
-- whatever they say. While the window is in doubt, what the provider says remains bounds us, and
-- bulk spreads it; the log does so as well where spreading.lua says. Where others use much of it,
-- what remains paces us (shared.lua).
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local clues, shared = later('sluicegate_worker.clues'), later('sluicegate_worker.shared')
local spreading = later('sluicegate_worker.spreading')
local key, ms = account.key, texts.ms
local call = redis.call
local min, max, floor, ceil, sqrt = math.min, math.max, math.floor, math.ceil, math.sqrt

local CATCH_UP = 0.03       -- so much faster come slots to make up for lost ones
local BEHIND = 0.1          -- of a window: a log that lacks more was not there, or not asked
local SAVING = 0.5          -- so much slower come slots where a bucket is empty, and less
local SAVED = 0.1           -- where it holds what others send in a window, or this of the limit
local MAX_FOREIGN = 0.9     -- however much others seem to use, a tenth of the limit goes on trying
local SHARED = 0.02         -- of the limit: others who use more are reckoned with
local GROUP = 8             -- slots less than so many ms apart go together: a call starts several
local PIECE = 50            -- slots of the log that are read together
local KEEP_FROM = 20        -- slots in a window from which bulk leaves one
local KEEP_FROM_STEADY = 100 -- the same where requests take nearly the same time:
local STEADY = 0.014        -- their jitter is no larger a share of a window
local LEAST_JITTER, LEAST_JITTER_MS = 0.01, 50 -- of a window, and no more ms than that
local TIMES = 13            -- so many of its fields, the first, are ms
local FIELDS = {
  'tat', 'block', 'margin_at', 'rtt', 'rtt_var', 'peak_at', 'gate', 'slot', 'shared', 'shared_at',
  'unsettled', 'urgent_at', 'late_until',
  'limit', 'configured', 'margin', 'peak', 'last_peak', 'seq', 'limit_seq', 'heard', 'streak',
  'window', 'policy', 'reset', 'said', 'learned', 'trimmed', 'refused', 'doubt', 'urgent', 'clues',
}

-- What was seen fades: a margin by half in two windows, others' peak after one to two.
local function age(bucket, now)
  local window = bucket.window
  bucket.margin = bucket.margin * 0.5 ^ ((now.steady - bucket.margin_at) / max(30000, 2 * window))
  bucket.margin_at = now.steady
  local held = now.steady - bucket.peak_at
  if held >= window then
    bucket.last_peak = held < 2 * window and bucket.peak or 0
    bucket.peak, bucket.peak_at = 0, now.steady
  end
end

-- So many slots in so many ms as the configured ceiling allows; nil where there is none. A second
-- holds whole slots, so what is counted in is as near to it as holds a whole number of them.
local function ceiling_of(per_second)
  if per_second <= 0 then return nil end
  local slots = max(1, floor(per_second))
  return { slots = slots, window = 1000 * slots / per_second }
end

-- The bucket as it is now. Its `doubt` is 1 while the window is in doubt, 0 once it is known, and 2
-- where it is known to be a bucket's: that gives back by time, so the log does not bound it.
-- `limit`, `window` and `ceiling` (requests per second, 0 for none) are
-- the configured ones.
local function load(now, limit, window, ceiling)
  local stored, bucket, values = call('HGETALL', key('bucket')), {}, {}
  for i = 1, #stored, 2 do
    local field, value = stored[i], stored[i + 1]
    value = tonumber(value) or value
    bucket[field], values[field] = value, value
  end
  bucket.before = values
  if #stored < 2 * #FIELDS then -- it is new, or an older version's
    for _, field in ipairs(FIELDS) do bucket[field] = bucket[field] or 0 end
  end
  local configured, configured_window = values.configured or limit, values.window or window
  bucket.limit, bucket.configured = values.limit or limit, limit
  bucket.doubt, bucket.clues = values.doubt or 1, values.clues or ''
  bucket.window, bucket.configured_window = window, window
  bucket.margin_at, bucket.peak_at = values.margin_at or now.steady, values.peak_at or now.steady
  -- A changed configuration starts over from its own limit and window; headers go on correcting
  -- both.
  if configured ~= limit or configured_window ~= window then
    bucket.limit, bucket.limit_seq, bucket.policy, bucket.reset = limit, bucket.seq, 0, 0
    bucket.said, bucket.learned, bucket.doubt, bucket.clues = 0, 0, 1, ''
  end
  local told = bucket.learned > 0 and bucket.learned or bucket.policy
  if told > 0 then bucket.window = told end
  local most = ceiling_of(ceiling)
  bucket.ceiling = most
  bucket.capped = most and most.slots * bucket.window < bucket.limit * most.window or false
  age(bucket, now)
  return bucket
end

-- What has changed. A margin is not kept in whole microseconds: rounded at each of a thousand calls
-- a second, it would never fade.
local function save(bucket)
  local changed, before = { 'HSET', key('bucket') }, bucket.before
  bucket.clues = bucket.known and clues().text(bucket.known) or bucket.clues
  for i = 1, #FIELDS do
    local field = FIELDS[i]
    local value = field == 'window' and bucket.configured_window or bucket[field]
    if value ~= before[field] then
      changed[#changed + 1] = field
      changed[#changed + 1] = i <= TIMES and ms(value)
        or field == 'clues' and value or string.format('%.17g', value)
    end
  end
  account.run(changed)
end

-- How much later than planned a request may arrive, where a window is that long: two deviations of
-- the time it takes.
local function jitter(bucket, window)
  local least = min(LEAST_JITTER_MS, LEAST_JITTER * window)
  return max(least, min(0.1 * window, 2 * sqrt(bucket.rtt_var)))
end

-- For how many ms the log must know its slots.
local function kept_ms(bucket)
  local window = max(bucket.window, bucket.ceiling and bucket.ceiling.window or 0)
  return window + jitter(bucket, window)
end

-- How many slots a window may have: the limit, less what others use and a margin; no more than the
-- ceiling.
local function budget(bucket)
  local limit, ceiling = bucket.limit, bucket.ceiling
  local foreign = min(max(0, bucket.peak, bucket.last_peak), MAX_FOREIGN * limit)
  local slots = max(limit - foreign - bucket.margin, limit / 10, 1)
  return ceiling and min(slots, ceiling.slots * bucket.window / ceiling.window) or slots
end

-- At most `slots` in any `window`, and of bulk some fewer. A fraction makes the window longer for
-- whole ones: rounded down, a trace of a margin would cost a tenth of a limit of ten.
local function bound(bucket, slots, window)
  local size, late = max(1, ceil(slots)), jitter(bucket, window)
  local least = late > STEADY * window and KEEP_FROM or KEEP_FROM_STEADY
  local kept = size < least and 0 or 1
  return { size = size, for_bulk = max(1, size - kept), span = window * size / slots + late }
end

-- The slot taken `n` before the next one; nil where the log is shorter.
local function slot_before(room, n)
  local own = #room.taken - n + 1
  if own > 0 then return room.taken[own] end
  local rank = room.logged - 1 + own
  if rank < 0 then return nil end
  if not room.slots[rank] then
    local piece = call('ZRANGE', key('log'), rank, rank + PIECE - 1, 'WITHSCORES')
    for i = 2, #piece, 2 do room.slots[rank + i / 2 - 1] = tonumber(piece[i]) end
  end
  return room.slots[rank]
end

-- When the slot taken `n` before the next one has left a window; 0 where the log is shorter.
local function left(room, span, n)
  local slot = slot_before(room, n)
  return slot and slot + span or 0
end

-- The pace: a window's slots spread over it, and a little faster where some of the last window's
-- were lost. Always faster, it would fill the log early and stand still until the first leaves:
-- at a limit per hour for a minute, in every hour. What it lacks for having been in doubt is made
-- up for as well. A bucket's log lacks nothing.
local function pace(now, bucket, room)
  local one = room.bounds[1]
  local step = one.span / one.size
  if one.refills then
    -- Requests that overtake each other must not find it empty, nor what others send meanwhile.
    local held, others = clues().of(bucket).room, clues().of(bucket).others
    local theirs = min(others * bucket.window, SAVED * bucket.limit)
    local needs = 2 + (one.span - bucket.window) / step + theirs
    return held >= 0 and held < needs and step * (1 + SAVING * (1 - held / needs)) or step
  end
  local behind = (room.next - left(room, one.span, one.size)) / one.span
  local unsettled = now.steady < bucket.unsettled
  if behind <= 0 or behind >= BEHIND and not unsettled then return step end
  return step / (1 + CATCH_UP)
end

-- The room that the bucket has:
--   bounds         of each window: how many slots (`size`) in how many ms (`span`), and how many of
--                  those bulk may take (`for_bulk`)
--   step           the pace; `apart`: how far apart workers come, where what remains sets another
--   next           when the next slot would be by the pace alone
--   logged, slots  the log's length, and its slots by rank, which are read in pieces
--   taken          the slots taken from it (slots.lua)
--   doubtful       what paces it while the window is in doubt (spreading.lua)
--   kept           how many bulk leaves of a sliding window that others share (shared.lua)
local function look(now, bucket)
  local slots_a_window, ceiling = budget(bucket), bucket.ceiling
  local bounds = { bound(bucket, slots_a_window, bucket.window) }
  bounds[1].refills = bucket.doubt == 2
  if ceiling then bounds[2] = bound(bucket, ceiling.slots, ceiling.window) end
  local late = min(20, 2 * bucket.window / slots_a_window)
  local room = {
    bounds = bounds, next = max(bucket.tat, now.steady - late),
    logged = call('ZCARD', key('log')), slots = {}, taken = {},
  }
  room.step = pace(now, bucket, room)
  -- Slots by what remained may have come faster than the pace, which must not be made up for.
  if bucket.doubt ~= 1 then
    room.next = max(now.steady - late, min(room.next, bucket.slot + room.step))
  end
  return room
end

-- A slot at that time or later, as a lease stores it: a repeated claim is answered to the digit.
-- Where they are `grouped`, slots that are near to each other go together.
local function slot_after(bucket, slot, grouped)
  -- Where nothing went lately there is nobody to come together with.
  if grouped and slot < bucket.slot + GROUP then slot = ceil(slot / GROUP) * GROUP end
  slot = max(slot, bucket.slot + 0.001)
  return floor(slot * 1000 + 0.5) / 1000
end

-- Whether others use so much of the limit that it tells. Of a few, overtaking answers show as many.
local function is_shared(bucket)
  return max(bucket.peak, bucket.last_peak) > 2 + SHARED * bucket.limit
end

-- Where others use much of the limit: the next slot, and the next for bulk, by what remains; nil
-- where the log tells that better.
local function by_remaining(now, bucket, room, doubt)
  if doubt == 1 or not is_shared(bucket) then return nil end
  local next_slot, bulk_slot = shared().next_slots(now, bucket, room)
  if not next_slot then return nil end
  room.next = min(room.next, now.steady + room.step)
  room.apart = min(room.step, max(0, bulk_slot - max(now.steady, bucket.slot)))
  if doubt == 2 then return next_slot, bulk_slot end
  -- Whatever remains, no window has more of ours than the limit.
  return max(next_slot, left(room, room.bounds[1].span, bucket.limit)), bulk_slot
end

-- When the next slot would be: paced, after the last, and not before the slot that came `size`
-- earlier has left the window. The second is when it would be for bulk, which leaves some slots of
-- a window free, so that a transactional message never waits for one; it is not reckoned where
-- there is `no_bulk`. While the window is in doubt bulk is spread, and what is transactional as
-- well once nothing remains.
local function next_slots(now, bucket, room, no_bulk)
  local bounds, doubt = room.bounds, bucket.doubt
  -- Before an answer told anything of it there is nothing to go by but the log.
  if doubt == 1 and bucket.clues == '' and not bucket.known then doubt = 0 end
  local doubtful = doubt == 1 and spreading().look(now, bucket, room)
  local by_room = doubtful and doubtful.paces
  local told, bulk = by_remaining(now, bucket, room, doubt)
  local paced = told or max(now.steady, by_room and bucket.slot + doubtful.least or room.next)
  bulk = max(bulk or paced, paced)
  for i = (told or bounds[1].refills or by_room and not doubtful.is_logged) and 2 or 1, #bounds do
    local one = bounds[i]
    paced = max(paced, left(room, one.span, one.size))
    if not no_bulk then bulk = max(bulk, left(room, one.span, one.for_bulk)) end
  end
  -- What goes at a distance from the last slot would be thrown back to the next group each time.
  local grouped = room.step < GROUP and not by_room and not told
  local next_slot = slot_after(bucket, paced, grouped)
  if no_bulk and doubt ~= 1 then return next_slot, next_slot end
  local bulk_slot = bulk > paced and slot_after(bucket, bulk, grouped) or next_slot
  if doubt == 1 or doubt == 0 and not told and now.steady < bucket.unsettled then
    -- Not before they are put together: a gap of nothing would part what may go together.
    local gap, none = spreading().bulk_gap(bucket, room, left)
    bulk_slot = max(bulk_slot, ceil((bucket.slot + gap) * 1000) / 1000)
    if none then next_slot = bulk_slot end
  end
  return next_slot, bulk_slot
end

return {
  GROUP = GROUP, LEAST_JITTER = LEAST_JITTER,
  LEAST_JITTER_MS = LEAST_JITTER_MS, load = load, save = save,
  kept_ms = kept_ms, jitter = jitter, budget = budget, look = look, is_shared = is_shared,
  next_slots = next_slots,
}
