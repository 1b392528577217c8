-- The windows that providers' limits usually have.
-- KEYS none. ARGV none.
-- Returns: likely, between, next_end.
-- Keys touched: none.
local min, huge = math.min, math.huge

local USUAL_MS = {
  500, 1000, 2000, 5000, 10000, 15000, 20000, 30000, 60000, 120000, 300000, 600000, 900000, 1800000,
  3600000, 7200000, 10800000, 21600000, 43200000, 86400000,
}
local LATE, LATE_MS = 1.01, 10 -- so much after its end a window has surely ended

-- A window between two lengths: the configured one, or else the longest that is usual, or else the
-- longer of the two.
local function likely(configured, low, high)
  if low <= configured and configured <= high then return configured end
  for i = #USUAL_MS, 1, -1 do
    if low <= USUAL_MS[i] and USUAL_MS[i] <= high then return USUAL_MS[i] end
  end
  return high
end

-- How many usual windows are between two lengths.
local function between(low, high)
  local count = 0
  for _, usual in ipairs(USUAL_MS) do
    if low <= usual and usual <= high then count = count + 1 end
  end
  return count
end

-- When, after `since` ms, the next usual window, or the configured one, has ended, where requests
-- may be `late`.
local function next_end(configured, since, late)
  local function ends(window)
    local ended = LATE * window + LATE_MS + late
    return ended > since and ended or huge
  end
  local first = ends(configured)
  for _, usual in ipairs(USUAL_MS) do
    if ends(usual) < huge then return min(first, ends(usual)) end
  end
  return first
end

return { likely = likely, between = between, next_end = next_end }
