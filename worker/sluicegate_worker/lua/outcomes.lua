-- Outcomes: what a worker says of an attempt that has ended, as step.lua is told it.
-- KEYS none.
-- ARGV: those of step.lua's settles.
-- Returns: read.
-- Keys touched: none.
local args = ARGV

local FLAGS = {
  h = 'heard', t = 'throttled', r = 'replayed', p = 'perhaps', u = 'free', f = 'full',
  b = 'failing', o = 'opted_out', l = 'last',
}
local HEARD = 'h'
local NUMBERS = {
  delay = true, bulk_delay = true, wait = true, window = true, reset = true, hold = true,
}
local UNSAID = {
  delay = 0, bulk_delay = -1, code = '', reason = '', answer = '', wait = -1, window = -1,
  reset = -1, hold = 0, halt = '', halt_ends = '', profile = '', bill = '',
}
local OR_UNSAID = { __index = UNSAID }

-- The outcome that begins at an argument, and how many arguments it took.
local function read(first)
  local outcome = {
    id = args[first], token = args[first + 1], kind = args[first + 2],
    provider_id = args[first + 3], took = tonumber(args[first + 4]),
    limit = tonumber(args[first + 6]), remaining = tonumber(args[first + 7]),
  }
  local flags, others = args[first + 5], tonumber(args[first + 8])
  if flags == HEARD then -- nearly always
    outcome.heard = true
  else
    for n = 1, #flags do outcome[FLAGS[string.sub(flags, n, n)]] = true end
  end
  for i = first + 9, first + 7 + 2 * others, 2 do
    local name, value = args[i], args[i + 1]
    outcome[name] = NUMBERS[name] and tonumber(value) or value
  end
  return setmetatable(outcome, OR_UNSAID), 9 + 2 * others
end

return { read = read }
