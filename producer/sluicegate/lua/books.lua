-- The books: how a message moves from state to state, and what its campaign's ledger says of it.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: those of lanes.lua, levels.lua and records.lua, running, unsent:*.
--
-- A campaign's recipient has no record until its first start or its end by a person: it is its ticket.
-- Its id is campaign.hash, where an app's ids have no dot; its ticket bears the hash alone.

local function campaign_of(id)
  local dot = string.find(id, '.', 1, true)
  return dot and string.sub(id, 1, dot - 1) or nil
end

local function campaign_state(name) return campaign_facts(name).state end

local function is_open(id)
  local name = campaign_of(id)
  return not name or campaign_state(name) == 'running'
end

local function tally(name, from, to)
  add('ledger:' .. name, from, -1)
  add('ledger:' .. name, to, 1)
end

-- The state of a record, also of one that a campaign's recipient does not have yet.
local function state_of(id, recorded) return recorded or (campaign_of(id) and 'waiting') or nil end

-- What waited in a lane when its campaign was cancelled was cancelled with it, whatever its record says.
local function state_now(id, recorded, lease)
  local name = campaign_of(id)
  local over = recorded == 'waiting' and not lease and name and campaign_state(name) == 'cancelled'
  return over and 'cancelled' or recorded
end

-- A finished campaign that has something to do again.
local function run_again(name)
  redis.call('HSET', key('campaign:' .. name), 'state', 'running')
  redis.call('HDEL', key('campaign:' .. name), 'ended')
  redis.call('SADD', key('running'), name)
end

-- Move a message to a state; `from`, where it isn't what the record says.
local function become(id, state, from)
  local m, name = record(id), campaign_of(id)
  if name then tally(name, from or m.state or 'waiting', state) end
  m.state = state
end

-- What a message went through, one text an attempt: wall ms of its start, ms after its slot, ms to the answer,
-- outcome, code, worker. Of many, the first and the last are kept.
local HISTORY_BYTES, HISTORY_PENDING_BYTES = 200, 1000
local function shortened(history, most)
  while #history > most do
    local first, rest = string.match(history, '^([^;]*);(.*)$')
    if not rest then return string.sub(history, 1, most) end
    local dropped, after = string.match(rest, '^%+(%d+);(.*)$')
    local shorter = string.match(after or rest, '^[^;]*;(.*)$')
    if not shorter then return string.sub(history, 1, most) end
    history = first .. ';+' .. string.format('%.0f', num(dropped, 0) + 1) .. ';' .. shorter
  end
  return history
end

local function with_attempt(c, history, lease, took, outcome, code, most)
  local began, late = whole_ms(c.wall - (c.steady - lease.started)), rounded(lease.started - lease.slot)
  local said = code == '' and '' or string.gsub(code, '[,;]', ' ')
  local entry = began .. ',' .. late .. ',' .. rounded(took) .. ',' .. outcome .. ',' .. said .. ','
    .. string.sub(lease.token, 1, 4)
  return history and shortened(history .. ';' .. entry, most) or entry
end

local function note_attempt(c, id, lease, took, outcome, code)
  local m = record(id)
  -- Evidence may have ended it before its own answer came.
  local most = m.state == 'accepted' and HISTORY_BYTES or HISTORY_PENDING_BYTES
  m.history = with_attempt(c, m.history, lease, took, outcome, code, most)
end

-- The end of a message: its record becomes compact and is forgotten after its retention. A campaign's
-- records stay as long as the campaign does. Without a `token`, the record keeps the one that it has.
local function finish(c, id, state, retention_ms, token, from)
  local m = record(id)
  m.content, m.request, m.lane, m.ticket = nil, nil, nil, nil
  become(id, state, from)
  m.at, m.token = whole_ms(c.wall), token or m.token
  m.history = m.history and shortened(m.history, HISTORY_BYTES)
  if not campaign_of(id) then expiries[id] = retention_ms end
  count(state)
end

-- The end of a message that waits: where it has no record, its ticket is kept in a list instead.
local function end_waiting(c, id, state, ticket, retention_ms, token)
  local name = campaign_of(id)
  if not name or record(id).state then return finish(c, id, state, retention_ms, token) end
  redis.call('RPUSH', key('unsent:' .. name .. ':' .. state), ticket)
  tally(name, 'waiting', state)
  count(state)
end

-- Back to the head of its lane; in a campaign that was cancelled meanwhile, it ends with it.
local function put_back(c, id, lane, ticket)
  local name = campaign_of(id)
  if name and campaign_state(name) == 'cancelled' then
    end_waiting(c, id, 'cancelled', ticket)
  else
    to_head(lane, ticket)
  end
end

-- Write what this call has changed: every script ends with it (scripts.py).
local function save()
  save_leases()
  save_records()
  save_counts()
  save_levels()
end
