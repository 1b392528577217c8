-- What every script begins with: one account's keys, its two clocks and its tickets.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: clock, wake.
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

-- Times as texts: Lua's own numbers to text keep 14 digits, and milliseconds since 1970 with a fraction need 16. A
-- call says the same few times of all its messages, and each text costs as much as a small command: so they are kept.
local texts, whole_texts, times = {}, {}, {}
local function ms(t)
  local text = texts[t]
  if not text then
    text = string.format('%.3f', t)
    texts[t] = text
  end
  return text
end
local function rounded(t) return string.format('%d', math.floor(t + 0.5)) end -- half the work of %.0f
local function whole_ms(t)
  local text = whole_texts[t]
  if not text then
    text = rounded(t)
    whole_texts[t] = text
  end
  return text
end
local function from_ms(text)
  local t = times[text]
  if t == nil then
    t = tonumber(text) or false
    times[text] = t
    if t then texts[t] = text end
  end
  return t
end

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

local function wake()
  if redis.call('LLEN', key('wake')) < WAKE_TOKENS then redis.call('LPUSH', key('wake'), '1') end
end

-- A ticket is id|segments|type|expires_ms|to: all that a claim must know before it takes it.
local function read_ticket(ticket)
  local id, segments, kind, expires, to =
    string.match(ticket, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)')
  return { text = ticket, id = id, segments = num(segments, 1), kind = kind, expires = tonumber(expires), to = to }
end
