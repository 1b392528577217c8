-- The server's wall clock: the one source of time, and the one part that tests replace.
-- KEYS none. ARGV none.
-- Returns: server_ms, which gives milliseconds with the microseconds as their fraction.
-- Keys touched: none.
local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

return { server_ms = server_ms }
