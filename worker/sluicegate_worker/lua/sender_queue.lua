-- The queue that the provider keeps for each sender, and how long the sender waits for it.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: FULL_MS, hold, hold_full.
-- Keys touched: those of levels.lua.
local levels, sender_of = part('sluicegate.levels'), part('sluicegate.lane_names').sender_of
local num, ms = part('sluicegate.texts').num, part('sluicegate.texts').ms
local max, min = math.max, math.min

local LEAST_HOLD_MS = 1000  -- a shorter queue at the provider is no reason to slow down
local MAX_HOLD_MS = 900000
local FULL_MS = 30000

-- It queues the sender's messages for so many ms: the sender waits until they are worked off.
local function hold(now, lane, queued_ms)
  if queued_ms < LEAST_HOLD_MS then return end
  local level = 'sender:' .. sender_of(lane)
  levels.use(level, max(levels.used_until(level), now.steady + min(queued_ms, MAX_HOLD_MS)))
end

-- It is full: the sender waits, and twice as long each time that another recipient finds it full
-- again.
local function hold_full(now, lane, by_another)
  local level = 'full:' .. sender_of(lane)
  local ends, length = string.match(levels.usage(level) or '', '^(%S+) (%S+)$')
  ends, length = num(ends, -math.huge), num(length, 0)
  if now.steady < ends then return end -- of one burst of refusals only the first counts
  local again = by_another and now.steady <= ends + length
  length = again and min(2 * length, MAX_HOLD_MS) or FULL_MS
  levels.use(level, ms(now.steady + length) .. ' ' .. ms(length))
  hold(now, lane, length)
end

return { FULL_MS = FULL_MS, hold = hold, hold_full = hold_full }
