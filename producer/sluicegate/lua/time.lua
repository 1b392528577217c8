-- The server's wall clock in milliseconds: the one source of time, and the one part that tests replace.
-- KEYS none. ARGV none. Returns: server_ms(), a number with microseconds as its fraction. Keys touched: none.
local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end
