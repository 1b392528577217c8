-- An account's two clocks, because the server's own may be set back or forward under us.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: read, save.
-- Keys touched: clock.
--
--   wall    what people mean: due times, expiry, what a record shows.
--   steady  never goes back: slots, leases, the bucket. It is wall plus every step back so far.
-- A silence longer than GAP_MS (the server was away, or its clock was set forward) is remembered:
-- no lease is ended before its holder has had the time of one more lease since then to renew it.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local server_ms = part('sluicegate.time').server_ms
local key, num, ms = account.key, texts.num, texts.ms

local GAP_MS = 10000

-- The time of this call: wall, steady, offset (steady - wall) and gap (steady, when the last
-- silence ended). It only reads.
local function read()
  local wall = server_ms()
  local saved = redis.call('HMGET', key('clock'), 'wall', 'offset', 'gap')
  local last, offset, gap = num(saved[1], wall), num(saved[2], 0), num(saved[3], 0)
  if wall < last then offset = offset + last - wall end
  local steady = wall + offset
  if wall - last > GAP_MS then gap = steady end
  return { wall = wall, steady = steady, offset = offset, gap = gap }
end

local function save(now)
  redis.call('HSET', key('clock'), 'wall', ms(now.wall), 'offset', ms(now.offset),
    'gap', ms(now.gap))
end

return { read = read, save = save }
