-- Trends: what an account and its campaigns have counted, at the end of each minute and each hour.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: write_due.
-- Keys touched: trends_due, trend_minutes:*, trend_hours:*; it reads totals, ledger:<campaign>,
--   campaign:<name>, running, granted, started, doubts, dead.
--
-- What stands in a bucket is not what came in its time, but all that was counted until its end:
-- whoever reads takes the one before away. So it does not matter how many workers sweep, and where
-- none did a bucket is missing: nobody takes that for a zero. Mirrored by TrendCounts
-- (stored/trend.py).
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local num, rounded = texts.num, texts.rounded
local call, floor = redis.call, math.floor

local MOST = 40               -- campaigns noted at one call
local LATE_MS = 30000         -- a look so long after the end of a bucket still tells how it ended
local RECEIPTS_MS = 259200000 -- for three days receipts come after a campaign has ended
local MINUTE_MS, HOUR_MS = 60000, 3600000
local SPANS = {
  { name = 'trend_minutes:', ms = MINUTE_MS, per_key = 60, kept_seconds = 3 * 3600 },
  { name = 'trend_hours:', ms = HOUR_MS, per_key = 24, kept_seconds = 32 * 86400 },
}

local function of_account(used)
  local t = call('HMGET', key('totals'), 'enqueued', 'accepted', 'dead', 'delivered', 'failed',
    'cancelled', 'expired', 'suppressed', 'purged')
  for i = 1, 9 do t[i] = num(t[i], 0) end
  local unsent, doubts = t[6] + t[7] + t[8] + t[9], call('ZCARD', key('doubts'))
  local elsewhere = t[2] + unsent + doubts + call('ZCARD', key('dead'))
    + call('ZCARD', key('granted')) + call('ZCARD', key('started'))
  local waiting = math.max(0, t[1] - elsewhere)
  return { t[1], t[2], t[3], t[4], t[5], unsent, waiting, doubts, used / 1024 }
end

local function of_campaign(name)
  local t = call('HMGET', key('ledger:' .. name), 'imported', 'accepted', 'dead', 'delivered',
    'failed', 'cancelled', 'expired', 'suppressed', 'purged', 'waiting', 'retrying', 'in_doubt')
  for i = 1, 12 do t[i] = num(t[i], 0) end
  return { t[1], t[2], t[3], t[4], t[5], t[6] + t[7] + t[8] + t[9], t[10] + t[11], t[12], 0 }
end

-- A look at the end of a bucket tells how that ended; any other, how its own stands. Where none
-- was before it, it is what the next one is reckoned from: the end of the bucket before.
local function write(now, due, suffix, counted)
  for i, count in ipairs(counted) do counted[i] = rounded(count) end
  local in_time = due > 0 and now.wall - due <= LATE_MS
  local numbers = table.concat(counted, ' ')
  for _, span in ipairs(SPANS) do
    local function place(bucket)
      return key(span.name .. rounded(floor(bucket / span.per_key)) .. suffix),
        rounded(bucket % span.per_key)
    end
    local function is_there(bucket) return call('HEXISTS', place(bucket)) == 1 end
    local bucket = floor((in_time and due - 1 or now.wall) / span.ms)
    if not is_there(bucket) and not is_there(bucket - 1) then
      bucket = floor(now.wall / span.ms) - 1
    end
    local name, field = place(bucket)
    local text = rounded(now.wall - bucket * span.ms) .. ' ' .. numbers
    if call('HSET', name, field, text) == 1 then call('EXPIRE', name, span.kept_seconds) end
  end
end

local function next_end(now, ms) return rounded((floor(now.wall / ms) + 1) * ms) end

local function write_campaign(now, due, level)
  local name = string.sub(level, #'campaign:' + 1)
  local fields = call('HMGET', key(level), 'state', 'ended')
  local over = fields[1] ~= 'running' and num(fields[2], now.wall) < now.wall - RECEIPTS_MS
  if not fields[1] or over then return call('ZREM', key('trends_due'), level) end
  write(now, due, ':' .. name, of_campaign(name))
  local pace = fields[1] == 'running' and MINUTE_MS or HOUR_MS
  call('ZADD', key('trends_due'), next_end(now, pace), level)
end

-- Also of those that ran before there were trends, or whose entry was lost.
local function note_running()
  for _, name in ipairs(call('SRANDMEMBER', key('running'), MOST)) do
    call('ZADD', key('trends_due'), 'NX', 0, 'campaign:' .. name)
  end
end

local function write_due(now, due, used)
  for i = 1, #due, 2 do
    local level, at = due[i], tonumber(due[i + 1])
    if level == 'account' then
      write(now, at, '', of_account(used))
      call('ZADD', key('trends_due'), next_end(now, MINUTE_MS), level)
      note_running()
    else
      write_campaign(now, at, level)
    end
  end
end

return { write_due = write_due }
