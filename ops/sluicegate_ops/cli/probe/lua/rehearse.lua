-- Rehearsing: what a probe's answers would tell the bucket of the provider's limit and window.
-- KEYS[1] a key prefix that is nobody else's.
-- ARGV[1] configured limit, [2] configured window in ms; then of each call, in order: when it was
--   sent (ms), how long it took (ms), limit, remaining, window, reset and wait (ms; -1 where not
--   said), and 1 where the rate limit refused it.
-- Returns: limit, window (ms), what told the window ('' where nothing did), 1 where it is in doubt.
-- Keys touched: log, which is gone at its end.
local key = part('sluicegate.account').key
local Bucket, Window = part('sluicegate_worker.bucket'), part('sluicegate_worker.window')
local report = part('sluicegate_worker.rate_headers').report
local clues_of = part('sluicegate_worker.clues').of

local FIELDS = 8

local function numbers(first)
  local all = {}
  for n = 0, FIELDS - 1 do all[n + 1] = tonumber(ARGV[first + n]) end
  return unpack(all)
end

redis.call('DEL', key('log'))
local now = { steady = tonumber(ARGV[3]) or 0, wall = tonumber(ARGV[3]) or 0 }
local bucket = Bucket.load(now, tonumber(ARGV[1]), tonumber(ARGV[2]), 0)
for first = 3, #ARGV, FIELDS do
  local at, took, limit, remaining, window, reset, wait, refused = numbers(first)
  bucket.seq = bucket.seq + 1
  redis.call('ZADD', key('log'), at, bucket.seq)
  now = { steady = at + took, wall = at + took }
  report(now, bucket, { slot = at, started = at, seq = bucket.seq }, {
    took = took, limit = limit, remaining = remaining, window = window, reset = reset,
    throttled = refused == 1, wait = wait,
  })
  if bucket.newest then Window.learn(now, bucket) end
  bucket.newest = nil
end
redis.call('DEL', key('log'))
local told = bucket.learned > 0 and clues_of(bucket).why or ''
return { tostring(bucket.limit), tostring(bucket.window), told, bucket.doubt }
