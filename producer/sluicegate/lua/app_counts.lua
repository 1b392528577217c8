-- What each app has enqueued, and how that ended; and whose a message is.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of, tally, which counts.lua writes.
-- Keys touched: apps.
--
-- An app's id is app:key; nobody else's has a colon. The hash `apps` has app:enqueued and one field
-- for each final state, so that what an app has waiting is what is left of the first.
local counts = part('sluicegate.counts')
local find, sub = string.find, string.sub

-- Whose a message is; nil where it is nobody's with a name.
local function of(id)
  local colon = find(id, ':', 1, true)
  return colon and sub(id, 1, colon - 1) or nil
end

local function tally(id, what, by)
  local app = of(id)
  if app then counts.add('apps', app .. ':' .. what, by) end
end

return { of = of, tally = tally }
