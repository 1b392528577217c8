-- Campaigns: which of them a message belongs to, its state and its pace; read once a call.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of, state_of, facts, state, is_open. It only reads.
-- Keys touched: campaign:<name>.
--
-- A recipient's id is campaign.hash, where an app's ids have no dot; its ticket bears the hash
-- alone.
local key, num, max = part('sluicegate.account').key, part('sluicegate.texts').num, math.max
local whole_us = part('sluicegate.limits').whole_us

local campaigns = {} -- by name

-- The campaign of a message; nil for an app's.
local function of(id)
  local dot = string.find(id, '.', 1, true)
  return dot and string.sub(id, 1, dot - 1) or nil
end

-- The state of a message that its record says, also for a recipient that has none yet.
local function state_of(id, recorded) return recorded or (of(id) and 'waiting') or nil end

-- A campaign's state (false where there is none of that name), interval (ms a segment, nil for no
-- rate of its own), weight (of each lane), sender (its plan's, '' where there is none), max_cost
-- (caps.lua; nil for no cap), has_hours (hours.lua), where its weight is shared among as many lanes
-- as are open now, guards (guards.lua; nil for none) and version (of its text, nil for the first).
local function facts(name)
  if not campaigns[name] then
    local campaign = key('campaign:' .. name)
    local fields = redis.call('HMGET', campaign, 'state', 'per_second', 'weight', 'lane',
      'max_cost', 'hours', 'guards', 'version')
    local rate = num(fields[2], 0)
    campaigns[name] = {
      state = fields[1], interval = whole_us(rate > 0 and 1000 / rate or nil),
      weight = num(fields[3], 1) / max(1, num(fields[6], 1)),
      sender = string.match(fields[4] or '', '^..:([^#]*)') or '', max_cost = fields[5] or nil,
      has_hours = fields[6] and true or nil, guards = fields[7] or nil,
      version = fields[8] or nil,
    }
  end
  return campaigns[name]
end

local function state(name) return facts(name).state end

-- Whether a message's campaign lets it go out.
local function is_open(id)
  local name = of(id)
  return not name or state(name) == 'running'
end

return { of = of, state_of = state_of, facts = facts, state = state, is_open = is_open }
