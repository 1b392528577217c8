-- The limits in force, as publish.lua stored them; each field is read once a call.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: fetch, get, forget, whole_us. It only reads.
-- Keys touched: limits.
local key = part('sluicegate.account').key

local fields = {} -- false where there is none

-- Read several fields with one command.
local function fetch(...)
  local names = { ... }
  for i, text in ipairs(redis.call('HMGET', key('limits'), ...)) do fields[names[i]] = text end
end

-- A field's text; nil where there is none. Nothing is there before limits were published.
local function get(field)
  if fields[field] == nil then fields[field] = redis.call('HGET', key('limits'), field) end
  return fields[field] or nil
end

-- For whoever has just published others.
local function forget() fields = {} end

-- The ms of a rate's segment in whole microseconds, as levels are stored, and rounded up: what was
-- cut off each time would add up to a higher rate.
local function whole_us(interval) return interval and math.ceil(interval * 1000 - 0.001) / 1000 end

return { fetch = fetch, get = get, forget = forget, whole_us = whole_us }
