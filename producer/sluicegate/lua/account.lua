-- What every script begins with: one account's keys, its two clocks, its totals, its tickets and leases.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: clock, totals, wake, started, granted, leases.
--
-- Two clocks, because the server's own may be set back or forward under us:
--   wall    what people mean: due times, expiry, what a record shows.
--   steady  never goes back: slots, leases, the bucket. It is wall plus every step back so far.
-- A silence longer than GAP_MS (server away, or its clock set forward) is remembered: no lease is
-- ended before its holder had one more lease's time since then to renew it.

local GAP_MS = 10000
local WAKE_TOKENS = 8 -- at most so many workers are woken for what one of them may finish alone

local function key(name) return KEYS[1] .. name end
local function num(text, default) return tonumber(text) or default end
-- Lua's own number to text keeps 14 digits; milliseconds since 1970 with a fraction need 16.
local function ms(t) return string.format('%.3f', t) end
local function whole_ms(t) return string.format('%.0f', t) end

local function clock()
  local wall = server_ms()
  local saved = redis.call('HMGET', key('clock'), 'wall', 'offset', 'gap')
  local last, offset, gap = num(saved[1], wall), num(saved[2], 0), num(saved[3], 0)
  if wall < last then offset = offset + last - wall end
  local steady = wall + offset
  if wall - last > GAP_MS then gap = steady end
  return { wall = wall, steady = steady, offset = offset, gap = gap }
end

local function save_clock(c)
  redis.call('HSET', key('clock'), 'wall', ms(c.wall), 'offset', ms(c.offset), 'gap', ms(c.gap))
end

local function count(name, by) redis.call('HINCRBY', key('totals'), name, by or 1) end

local function wake()
  if redis.call('LLEN', key('wake')) < WAKE_TOKENS then redis.call('LPUSH', key('wake'), '1') end
end

-- A ticket is id|segments|type|expires_ms|to: all that a claim must know before it takes it.
local function read_ticket(ticket)
  local id, segments, kind, expires, to =
    string.match(ticket, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)')
  return { text = ticket, id = id, segments = num(segments, 1), kind = kind, expires = tonumber(expires), to = to }
end

-- A lease is token|slot|seq|started|lane|ticket; started is empty while it is only granted.
local function read_lease(id)
  local text = redis.call('HGET', key('leases'), id)
  if not text then return nil end
  local token, slot, seq, started, lane, ticket =
    string.match(text, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  return {
    token = token, slot = tonumber(slot), seq = seq, started = tonumber(started), lane = lane, ticket = ticket,
  }
end

local function write_lease(id, lease)
  local started = lease.started and ms(lease.started) or ''
  redis.call('HSET', key('leases'), id,
    lease.token .. '|' .. ms(lease.slot) .. '|' .. lease.seq .. '|' .. started .. '|' .. lease.lane .. '|' .. lease.ticket)
end

local function drop_lease(id, lease)
  redis.call('ZREM', key(lease.started and 'started' or 'granted'), id)
  redis.call('HDEL', key('leases'), id)
end
