-- Shares: how many may be under way, and what bulk has of that and of the slots. It only reads.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: under_way, caps, bulk_is_owed, last_slots.
-- Keys touched: those of leases.lua, none of which it changes.
local leases, Breaker = part('sluicegate.leases'), part('sluicegate_worker.breaker')
local max, min = math.max, math.min

local BULK_SHARE = 0.95   -- of the concurrency; the rest is kept for transactional messages
local PROBES = 2          -- POSTs under way at most before the first answer was heard
local BULK_EVERY = 10     -- while both wait, bulk gets one slot in so many: its floor
local BULK_AHEAD = 0.7    -- of the horizon: a transactional message waits for what bulk was granted

-- How many messages are granted or started.
local function under_way() return leases.count('started') + leases.count('granted') end

-- How many may be, of all messages and of bulk, and what a claim beyond that is refused for.
local function caps(now, breaker, bucket, concurrency)
  local heard = bucket.heard == 1
  local cap = Breaker.cap(now, breaker, heard and concurrency or min(PROBES, concurrency))
  return cap, max(1, math.floor(cap * BULK_SHARE)), heard and 'concurrency' or 'probing'
end

-- Whether bulk has waited for as many messages as its floor lets go before it.
local function bulk_is_owed(bucket) return bucket.streak >= BULK_EVERY - 1 end

-- The last slots that a claim grants for a horizon: of transactional messages, of bulk, and of bulk
-- that is not owed one.
local function last_slots(now, bucket, horizon)
  local last, bulk_last = now.steady + horizon, now.steady + BULK_AHEAD * horizon
  return last, bulk_is_owed(bucket) and last or bulk_last, bulk_last
end

return {
  under_way = under_way, caps = caps, bulk_is_owed = bulk_is_owed, last_slots = last_slots,
}
