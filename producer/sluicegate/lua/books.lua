-- The books: how a message moves from state to state, and what its campaign's ledger says of it.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines functions.
-- Keys touched: those of lanes.lua and levels.lua, m:*, totals, running, ledger:*, unsent:*.
--
-- A campaign's recipient has no record until its first start or its end by a person: it is its ticket.
-- Its id is campaign.hash, where an app's ids have no dot; its ticket bears the hash alone.

local function campaign_of(id) return string.match(id, '^([^.]+)%.') end

local function campaign_state(name) return campaign_facts(name).state end

local function is_open(id)
  local name = campaign_of(id)
  return not name or campaign_state(name) == 'running'
end

local function tally(name, from, to)
  redis.call('HINCRBY', key('ledger:' .. name), from, -1)
  redis.call('HINCRBY', key('ledger:' .. name), to, 1)
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
  local m, name = key('m:' .. id), campaign_of(id)
  if name then tally(name, from or redis.call('HGET', m, 'state') or 'waiting', state) end
  redis.call('HSET', m, 'state', state)
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

local function note_attempt(c, id, lease, took, outcome, code)
  local m = key('m:' .. id)
  local began = c.wall - (c.steady - lease.started)
  local entry = string.format('%.0f,%.0f,%.0f,%s,%s,%s', began, lease.started - lease.slot, took, outcome,
    string.gsub(code, '[,;]', ' '), string.sub(lease.token, 1, 4))
  local was = redis.call('HMGET', m, 'state', 'history')
  -- Evidence may have ended it before its own answer came.
  local most = was[1] == 'accepted' and HISTORY_BYTES or HISTORY_PENDING_BYTES
  redis.call('HSET', m, 'history', was[2] and shortened(was[2] .. ';' .. entry, most) or entry)
end

-- The end of a message: its record becomes compact and is forgotten after its retention. A campaign's
-- records stay as long as the campaign does. Without a `token`, the record keeps the one that it has.
local function finish(c, id, state, retention_ms, token, from)
  local m = key('m:' .. id)
  redis.call('HDEL', m, 'content', 'request', 'lane', 'ticket')
  become(id, state, from)
  redis.call('HSET', m, 'at', whole_ms(c.wall))
  if token then redis.call('HSET', m, 'token', token) end
  local history = redis.call('HGET', m, 'history')
  if history and #history > HISTORY_BYTES then redis.call('HSET', m, 'history', shortened(history, HISTORY_BYTES)) end
  if not campaign_of(id) then redis.call('PEXPIRE', m, retention_ms) end
  count(state)
end

-- The end of a message that waits: where it has no record, its ticket is kept in a list instead.
local function end_waiting(c, id, state, ticket, retention_ms, token)
  local name = campaign_of(id)
  if not name or redis.call('EXISTS', key('m:' .. id)) == 1 then return finish(c, id, state, retention_ms, token) end
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
