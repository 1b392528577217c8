-- Taking the bucket's slots: its log, and the turns of workers that came too early.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: forget_old, take, save_log, turn, end_turn.
-- Keys touched: log, turns.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local Bucket, clues = part('sluicegate_worker.bucket'), later('sluicegate_worker.clues')
local shared = later('sluicegate_worker.shared')
local key, num, ms, GROUP = account.key, texts.num, texts.ms, Bucket.GROUP
local call, min, max = redis.call, math.min, math.max

local REMEMBERED = 10000    -- slots that are kept at most while the window is in doubt
local TRIMMED = 200         -- slots that leave the log in one call
local BEFORE = 60000        -- ms for which the log remembers more than a window: late answers ask
local MAX_TURN = 5000       -- ms for which a worker is sent away at most
local OVERDUE = 1000        -- ms for which the turn of a worker that does not come is kept
local TAG = 4               -- characters of a token that name its worker

-- Take slots that nobody will ask for any more out of the log. While the window is in doubt, all
-- that may be counted are asked for.
local function forget_old(now, bucket)
  local since = now.steady - Bucket.kept_ms(bucket) - BEFORE
  local old = call('ZCOUNT', key('log'), '-inf', '(' .. ms(since))
  if old > 0 and bucket.doubt == 1 and clues().of(bucket).room >= 0 then
    old = min(old, call('ZCARD', key('log')) - min(bucket.limit, REMEMBERED))
  end
  if old > 0 then
    bucket.trimmed = bucket.trimmed + call('ZREMRANGEBYRANK', key('log'), 0, min(old, TRIMMED) - 1)
  end
end

-- Take the slot that `next_slots` named, for bulk or not; returns its number in the log.
local function take(bucket, room, slot, bulk)
  if not bulk and Bucket.is_shared(bucket) then shared().hear_urgent(bucket, slot) end
  bucket.seq, bucket.slot = bucket.seq + 1, slot
  room.next = max(room.next, slot - max(GROUP, min(20, 2 * room.step))) + room.step
  bucket.tat = room.next
  room.taken[#room.taken + 1] = slot
  return bucket.seq
end

local function save_log(bucket, room)
  local command, before = { 'ZADD', key('log') }, bucket.seq - #room.taken
  for i, slot in ipairs(room.taken) do
    command[2 * i + 1], command[2 * i + 2] = ms(slot), before + i
  end
  account.run(command)
end

local function worker_of(token) return string.sub(token, 1, TAG) end

-- The time of the slot for which a worker that came too early comes again. Workers take turns, lest
-- all of them come for one slot: each is told a later one than the last, and keeps it until it is
-- granted one, whatever wakes it meanwhile. `free` is when the next slot is.
local function turn(now, room, token, free, horizon)
  local worker = worker_of(token)
  call('ZREMRANGEBYSCORE', key('turns'), '-inf', '(' .. ms(now.steady - OVERDUE))
  local mine = num(call('ZSCORE', key('turns'), worker))
  if mine and mine <= free + MAX_TURN then return max(mine, free) end
  local last = num(call('ZRANGE', key('turns'), -1, -1, 'WITHSCORES')[2], 0)
  local given = max(free, last + max(room.apart or room.step, horizon / 2))
  if given > free + MAX_TURN then given = free end
  call('ZADD', key('turns'), ms(given), worker)
  return tonumber(ms(given))
end

local function end_turn(token) call('ZREM', key('turns'), worker_of(token)) end

return {
  forget_old = forget_old, take = take, save_log = save_log, turn = turn, end_turn = end_turn,
}
