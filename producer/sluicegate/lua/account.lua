-- One account's keys, and the bell that wakes its workers.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: key, run, wake.
-- Keys touched: wake.
local call = redis.call

local WAKE_TOKENS = 8   -- at most so many workers are woken for what one may finish alone
local NAME_AND_KEY = 2

local prefix = KEYS[1]
local function key(name) return prefix .. name end

-- Run a command that was collected in a table, unless nothing came after its name and key.
local function run(command)
  if #command > NAME_AND_KEY then call(unpack(command)) end
end

local function wake()
  if call('LLEN', key('wake')) < WAKE_TOKENS then call('LPUSH', key('wake'), '1') end
end

return { key = key, run = run, wake = wake }
