-- Mending: indexes that can be derived are built again where they were lost, a page at a time.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: mend_small, mend_names, mend_records, note_samples, tell, save.
-- Keys touched: ready:*, parked:t, parked:b, parked_by, virtual, granted, started, due, dead,
--   doubts, running, closed, scheduled, hours_due, campaigns, lanes:<n>, samples, mended. It reads
--   lane:*, campaign:*, m:*, leases.
--
-- Lanes, leases, records and campaigns say what is; the rest says where to find it. A script leaves
-- both in agreement, so what does not agree was lost outside of one.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local leases, lanes = part('sluicegate.leases'), part('sluicegate.lanes')
local names = part('sluicegate.lane_names')
local campaigns, records = part('sluicegate.campaigns'), part('sluicegate.records')
local key, ms, whole_ms = account.key, texts.ms, texts.whole_ms
local call, sub = redis.call, string.sub

local INDEX_OF = { scheduled = 'due', retrying = 'due', dead = 'dead', in_doubt = 'doubts' }
local STATES_OF = {
  due = { scheduled = true, retrying = true }, dead = { dead = true }, doubts = { in_doubt = true },
}
local PREFIX = key('')

local mended, any = {}, false -- by index: how many of its entries were put back

local function note(index, by)
  if by == 0 then return end
  mended[index], any = (mended[index] or 0) + by, true
end

-- Leases whose end nobody would see.
local function mend_leases(now, lease_ms)
  local held = call('ZCARD', key('granted')) + call('ZCARD', key('started'))
  if call('HLEN', key('leases')) <= held then return end
  for _, id in ipairs(call('HKEYS', key('leases'))) do
    local set = leases.get(id).set
    note(set, call('ZADD', key(set), 'NX', whole_ms(now.steady + lease_ms), id))
  end
end

-- What is parked stands in one set, and why in another.
local function mend_parked()
  local parked = call('ZCARD', key('parked:t')) + call('ZCARD', key('parked:b'))
  if call('HLEN', key('parked_by')) == parked then return end
  for _, name in ipairs(call('HKEYS', key('parked_by'))) do
    if not call('ZSCORE', key('parked:' .. sub(name, 1, 1)), name) then
      lanes.unpark(name)
      note('parked', 1)
    end
  end
  for _, set in ipairs({ 'parked:t', 'parked:b' }) do
    for _, name in ipairs(call('ZRANGE', key(set), 0, -1)) do
      if call('HEXISTS', key('parked_by'), name) == 0 then
        lanes.unpark(name)
        note('parked_by', 1)
      end
    end
  end
end

-- A node's lead is its place in the tree less its head's: both stand in the tree.
local function mend_leads(class, zset)
  local members = call('ZRANGE', zset, 0, -1, 'WITHSCORES')
  for i = 1, #members, 2 do
    local node = members[i]
    if names.is_node(node) then
      local below = lanes.below(class, node)
      if not names.is_app(node) then -- it stands where its own messages moved it
        lanes.set_lead(class, node, tonumber(members[i + 1]) - (lanes.head_of(below) or 0))
      end
      mend_leads(class, below)
    end
  end
end

local function mend_virtual()
  if call('EXISTS', key('virtual')) == 1 then return end
  local least = {}
  for _, class in ipairs(names.CLASSES) do
    local zset, priority = key('ready:' .. class), sub(class, 1, 1)
    local head = lanes.head_of(zset)
    if head then
      least[priority] = math.min(least[priority] or head, head)
      mend_leads(class, zset)
    end
  end
  if not next(least) then return end
  lanes.advance('ts', least.t or 0)
  lanes.advance('bs', least.b or 0)
  lanes.save_clocks()
  note('virtual', 1)
end

-- Those that are small enough to be looked at each time.
local function mend_small(now, lease_ms)
  mend_leases(now, lease_ms)
  mend_parked()
  mend_virtual()
end

local function mend_lane(lane)
  local campaign = names.campaign_in(lane)
  if campaign then
    local main = call('HGET', key('campaign:' .. campaign), 'lane')
    if main and main ~= lane then note('lanes', call('SADD', key('lanes:' .. campaign), lane)) end
    if campaigns.state(campaign) ~= 'running' then return end
  end
  if lanes.ensure(lane) then note('ready', 1) end
end

local function mend_campaign(now, name)
  local fields = call('HMGET', key('campaign:' .. name), 'state', 'created', 'paused', 'at',
    'hours')
  local state, created, paused = fields[1], fields[2] or whole_ms(now.wall), fields[3]
  if not state then return end
  note('campaigns', call('ZADD', key('campaigns'), 'NX', created, name))
  local has_hours = fields[5] and state ~= 'finished' and state ~= 'cancelled'
  if has_hours then note('hours_due', call('ZADD', key('hours_due'), 'NX', 0, name)) end
  if state == 'running' then
    note('running', call('SADD', key('running'), name))
  elseif state == 'draft' or state == 'paused' or state == 'scheduled' then
    local since = state == 'paused' and paused or created
    note('closed', call('ZADD', key('closed'), 'NX', since, name))
    local at = state == 'scheduled' and fields[4]
    if at then note('scheduled', call('ZADD', key('scheduled'), 'NX', at, name)) end
  end
end

-- Page after page of the keys that name a lane or a campaign. Returns the cursor of the next page,
-- '0' after the last.
local function mend_names(now, cursor, size)
  local page = call('SCAN', cursor, 'MATCH', PREFIX .. '[lc]a[nm]*', 'COUNT', size)
  for _, full in ipairs(page[2]) do
    local name = sub(full, #PREFIX + 1)
    if sub(name, 1, 5) == 'lane:' then
      mend_lane(sub(name, 6))
    elseif sub(name, 1, 9) == 'campaign:' then
      mend_campaign(now, sub(name, 10))
    end
  end
  return page[1]
end

-- A doubt whose time is lost is held for a person: nobody knows how long it has waited.
local function mend_record(now, id)
  local fields = records.look(id, 'state', 'due', 'at')
  local index = INDEX_OF[fields[1] or '']
  if not index then return end
  local score = fields[3] or whole_ms(now.wall)
  if index == 'due' then score = fields[2] or ms(now.wall) end
  if index == 'doubts' then score = '+inf' end
  note(index, call('ZADD', key(index), 'NX', score, id))
end

-- The same of records, for the indexes of those that wait for a time or for a person.
local function mend_records(now, cursor, size)
  local prefix = PREFIX .. 'm:'
  local page = call('SCAN', cursor, 'MATCH', prefix .. '*', 'COUNT', size)
  for _, full in ipairs(page[2]) do mend_record(now, sub(full, #prefix + 1)) end
  return page[1]
end

-- Remember one message of each of these indexes. Returns whether an index is gone although the one
-- remembered is still in the state for which it stood there.
local function note_samples()
  local lost = false
  for index, states in pairs(STATES_OF) do
    local last = call('ZRANGE', key(index), -1, -1)[1]
    local known = call('HGET', key('samples'), index)
    if last and last ~= known then
      call('HSET', key('samples'), index, last)
    elseif known and not last then
      if states[call('HGET', PREFIX .. 'm:' .. known, 'state') or ''] then
        lost = true
      else
        call('HDEL', key('samples'), index)
      end
    end
  end
  return lost
end

-- What was put back, as names and numbers by turns.
local function tell()
  local told = {}
  for index, count in pairs(mended) do told[#told + 1], told[#told + 2] = index, count end
  if any then account.wake() end
  return told
end

-- Note it for people, who should know that something was lost; returns how much.
local function save(now)
  if not any then return 0 end
  local sum = 0
  for index, count in pairs(mended) do
    call('HINCRBY', key('mended'), index, count)
    sum = sum + count
  end
  call('HSET', key('mended'), 'at', whole_ms(now.wall))
  account.wake()
  return sum
end

return {
  mend_small = mend_small, mend_names = mend_names, mend_records = mend_records,
  note_samples = note_samples, tell = tell, save = save,
}
