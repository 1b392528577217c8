-- Numbers and times as texts, and back.
-- KEYS none. ARGV none.
-- Returns: num, rounded, ms, whole_ms, from_ms.
-- Keys touched: none.
--
-- Lua's own conversion keeps 14 digits, and milliseconds since 1970 with a fraction need 16. A call
-- writes the same few times for all its messages, and making one text costs as much as a small
-- command: so each is kept until the call ends.
local format, floor = string.format, math.floor

local texts, whole_texts, times = {}, {}, {}

local function num(text, default) return tonumber(text) or default end

local function ms(time)
  local text = texts[time]
  if not text then
    text = format('%.3f', time)
    texts[time] = text
  end
  return text
end

local function rounded(number)
  local whole = floor(number + 0.5)
  local text = whole_texts[whole]
  if not text then
    text = format('%d', whole) -- half the work of %.0f
    whole_texts[whole] = text
  end
  return text
end

local function whole_ms(time)
  local text = whole_texts[time]
  if not text then
    text = rounded(time)
    whole_texts[time] = text
  end
  return text
end

-- A time in a text; false where the text holds none.
local function from_ms(text)
  local time = times[text]
  if time == nil then
    time = tonumber(text) or false
    times[text] = time
    if time then texts[time] = text end
  end
  return time
end

return { num = num, rounded = rounded, ms = ms, whole_ms = whole_ms, from_ms = from_ms }
