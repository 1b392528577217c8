-- A message's history: what it went through, one text an attempt.
-- KEYS none. ARGV none.
-- Returns: ENDED_BYTES, shortened, with_attempt.
-- Keys touched: none.
--
-- An attempt is wall ms of its start, ms after its slot, ms to the answer, outcome, code, worker.
-- Of many, the first and the last are kept.
local texts = part('sluicegate.texts')
local rounded = texts.rounded
local match, sub = string.match, string.sub

local ENDED_BYTES, PENDING_BYTES = 200, 1000

local function shortened(history, most)
  while #history > most do
    local first, rest = match(history, '^([^;]*);(.*)$')
    if not rest then return sub(history, 1, most) end
    local dropped, after = match(rest, '^%+(%d+);(.*)$')
    local shorter = match(after or rest, '^[^;]*;(.*)$')
    if not shorter then return sub(history, 1, most) end
    history = first .. ';+' .. rounded(texts.num(dropped, 0) + 1) .. ';' .. shorter
  end
  return history
end

-- A history (nil where there is none yet) with one attempt more: that of `lease`, which took `took`
-- ms.
-- `has_ended`: whether the message has ended, so that less is kept.
local function with_attempt(now, history, lease, took, outcome, code, has_ended)
  local began = texts.whole_ms(now.wall - (now.steady - lease.started))
  local said = code == '' and '' or string.gsub(code, '[,;]', ' ')
  local entry = began .. ',' .. rounded(lease.started - lease.slot) .. ',' .. rounded(took) .. ','
    .. outcome .. ',' .. said .. ',' .. sub(lease.token, 1, 4)
  local most = has_ended and ENDED_BYTES or PENDING_BYTES
  return history and shortened(history .. ';' .. entry, most) or entry
end

return { ENDED_BYTES = ENDED_BYTES, shortened = shortened, with_attempt = with_attempt }
