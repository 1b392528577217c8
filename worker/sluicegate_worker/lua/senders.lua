-- Senders: which of those that messages name are known to be the account's own.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: is_known, is_any_known, has_forgotten, which only read; note_accepted.
-- Keys touched: limits, senders; it reads totals.
--
-- Known is who is declared in the configuration, or had a message accepted before: the MOST_KEPT of
-- them that were accepted last. What anybody else's message meets tells of that message alone:
-- whoever may enqueue can name any sender, and must not stop others by it.
local key, whole_ms = part('sluicegate.account').key, part('sluicegate.texts').whole_ms
local limits, lanes = part('sluicegate.limits'), part('sluicegate.lanes')
local call = redis.call

local MOST_KEPT = 10000
local KEPT_MS = 3600000 -- that old may an entry be before it is written again

local function is_known(lane)
  local sender = lanes.sender_of(lane)
  if limits.get('sender:' .. sender) then return true end
  return call('ZSCORE', key('senders'), sender) and true or false
end

-- Whether any sender is: if not, nobody can be told from a stranger.
local function is_any_known()
  if call('EXISTS', key('senders')) == 1 then return true end
  for _, field in ipairs(call('HKEYS', key('limits'))) do
    if string.sub(field, 1, 7) == 'sender:' then return true end
  end
  return false
end

-- Whether messages were accepted before this was kept: then whose they were is not known.
local function has_forgotten()
  return not is_any_known() and call('HEXISTS', key('totals'), 'accepted') == 1
end

local noted = {} -- lanes, in this call

-- A message of the lane was accepted.
local function note_accepted(now, lane)
  if noted[lane] then return end
  noted[lane] = true
  local sender = lanes.sender_of(lane)
  if limits.get('sender:' .. sender) then return end
  local last = tonumber(call('ZSCORE', key('senders'), sender) or nil)
  if last and now.wall - last < KEPT_MS then return end
  call('ZADD', key('senders'), whole_ms(now.wall), sender)
  call('ZREMRANGEBYRANK', key('senders'), 0, -MOST_KEPT - 1)
end

return {
  is_known = is_known, is_any_known = is_any_known, has_forgotten = has_forgotten,
  note_accepted = note_accepted,
}
