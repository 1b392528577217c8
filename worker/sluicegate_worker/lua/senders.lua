-- Senders: which of those that messages name are known to be the account's own.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: is_known, is_any_known, has_forgotten, which only read; note_accepted.
-- Keys touched: limits, senders; it reads totals.
--
-- Known is who is declared in the configuration, or had a message accepted before: the MOST_KEPT of
-- them that were accepted last. What anybody else's message meets tells of that message alone:
-- whoever may enqueue can name any sender, and must not stop others by it.
--
-- The same holds of a messaging profile that a message names beside its sender: with one that is
-- neither declared as a pool nor was accepted with this sender, the sender is as good as unknown.
-- The worker doesn't tell of those that the configuration lists.
local key, whole_ms = part('sluicegate.account').key, part('sluicegate.texts').whole_ms
local limits, names = part('sluicegate.limits'), part('sluicegate.lane_names')
local call = redis.call

local MOST_KEPT = 10000
local KEPT_MS = 3600000 -- that old may an entry be before it is written again

local function is_declared(sender) return limits.get('sender:' .. sender) ~= nil end
local function pair(sender, profile) return sender .. '|' .. profile end
local function was_accepted(member) return call('ZSCORE', key('senders'), member) ~= false end

local function is_known(lane, profile)
  local sender = names.sender_of(lane)
  if not (is_declared(sender) or was_accepted(sender)) then return false end
  return profile == '' or is_declared('pool:' .. profile) or was_accepted(pair(sender, profile))
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

local noted = {} -- in this call

local function note(now, member)
  if noted[member] then return end
  noted[member] = true
  local last = tonumber(call('ZSCORE', key('senders'), member) or nil)
  if last and now.wall - last < KEPT_MS then return end
  call('ZADD', key('senders'), whole_ms(now.wall), member)
  call('ZREMRANGEBYRANK', key('senders'), 0, -MOST_KEPT - 1)
end

-- A message of the lane was accepted; `profile` is what it names beside its sender, '' for nothing.
local function note_accepted(now, lane, profile)
  if profile == '' and noted[lane] then return end
  noted[lane] = true
  local sender = names.sender_of(lane)
  if not is_declared(sender) then note(now, sender) end
  if profile ~= '' then note(now, pair(sender, profile)) end
end

return {
  is_known = is_known, is_any_known = is_any_known, has_forgotten = has_forgotten,
  note_accepted = note_accepted,
}
