-- A campaign's life: create, schedule, start, pause, resume, cancel; its pace, caps and guards.
-- KEYS[1] the account's key prefix.
-- ARGV[1] name, [2] create | schedule | start | pause | resume | cancel | pace | cap | guard |
--   revise | approve; for create also [3] plan, [4] digest of the plan, [5] shards of its members,
--   [6] lane, [7] check of the key of their hashes, [8] the agent that drafts it ('' for none);
--   for pace [3] segments per second ('' for no rate of its own), [4] weight, [5] the audit's entry
--   (audit.lua, '' for none); for cap [3] max_cost (caps.lua; '' for none), [4] that entry; for
--   guard [3] guards (guards.lua; '' for none), [4] that entry; for schedule [3] wall ms at which
--   it starts ('' for a draft that does not), [4] that entry; for
--   revise [3] the version that it has, [4] the text of the next one (JSON, plan.py), [5] that
--   entry; for approve [3] how many changes of it were seen, [4] the approval (JSON, approval.py),
--   [5] that entry; for the others [3] that entry.
-- Returns: for create, created | known (the same plan) | exists (another); else {state before,
--   state after}, the second empty where that state does not allow it, the first 'unknown' where
--   there is no such campaign; and, behind a cancel, 'more' where tickets of it are still in its
--   lanes: repeating it moves them. For approve the second is approval.lua's answer; for what would
--   let it go out it may be 'unapproved', or 'early' before the time that was approved.
-- Keys touched: those of records.lua, counts.lua, audit.lua and events.lua, clock, campaigns,
--   closed, cancelling, lanes:<n>, leases, unsent:<n>:cancelled, guarded:<n>, scheduled,
--   trends_due, wake.
-- Repeating an action finds it done and changes nothing more. Its first write frees, so that a full
-- server can be stopped and can go on; only creating begins with one that grows.
local account, clock = part('sluicegate.account'), part('sluicegate.clock')
local records, counts = part('sluicegate.records'), part('sluicegate.counts')
local campaigns, lanes = part('sluicegate.campaigns'), part('sluicegate.lanes')
local names, cancelled = part('sluicegate.lane_names'), part('sluicegate.cancelled')
local key, wake, texts = account.key, account.wake, part('sluicegate.texts')
local whole_ms = texts.whole_ms
local call, audit = redis.call, part('sluicegate.audit')
local approval = part('sluicegate.approval')
local limits, events = part('sluicegate.limits'), later('sluicegate.events')

local name, action = ARGV[1], ARGV[2]
local campaign = key('campaign:' .. name)
local now = clock.read()

if action == 'create' then
  local digest = call('HGET', campaign, 'digest')
  if digest then return digest == ARGV[4] and 'known' or 'exists' end
  call('HSET', campaign, 'plan', ARGV[3], 'digest', ARGV[4], 'keyed_shards', ARGV[5],
    'lane', ARGV[6], 'hash_check', ARGV[7], 'state', 'draft', 'created', whole_ms(now.wall))
  if (ARGV[8] or '') ~= '' then call('HSET', campaign, 'drafted_by', ARGV[8]) end
  counts.begin(name)
  call('ZADD', key('campaigns'), whole_ms(now.wall), name)
  call('ZADD', key('closed'), whole_ms(now.wall), name)
  return 'created'
end

local AFTER = {
  start = {
    draft = 'running', scheduled = 'running', running = 'running', finished = 'finished',
  },
  pause = { running = 'paused', paused = 'paused' },
  resume = { paused = 'running', running = 'running' },
  cancel = {
    draft = 'cancelled', scheduled = 'cancelled', running = 'cancelled', paused = 'cancelled',
    cancelled = 'cancelled',
  },
}

call('ZREM', key('granted'), '')
local fields = call('HMGET', campaign, 'state', 'lane')
local before, main_lane = fields[1], fields[2]
if not before then return { 'unknown', '' } end
local all_lanes = call('SMEMBERS', key('lanes:' .. name)) -- of letters replayed from another sender
table.insert(all_lanes, 1, main_lane)

-- What may let its lanes go on has changed. One that does not run stays out of the tree; `open`
-- lets its lanes go on then.
local function let_go_on()
  if before ~= 'running' then return end
  for _, lane in ipairs(all_lanes) do lanes.unpark(names.class_of(lane) .. '/' .. lane) end
end

if action == 'pace' then
  local pace = call('HMGET', campaign, 'per_second', 'weight')
  if pace[1] ~= ARGV[3] or pace[2] ~= ARGV[4] then
    call('HSET', campaign, 'per_second', ARGV[3], 'weight', ARGV[4])
    call('HDEL', key('levels'), 'campaign:' .. name)
    let_go_on()
    audit.write(now, ARGV[5] or '', 1)
    wake()
  end
  return { before, before }
end
local GIVEN = { cap = 'max_cost', guard = 'guards' }
local function begin_counting()
  call('DEL', key('guarded:' .. name))
  call('HDEL', campaign, 'canary_full', 'canary_passed')
  call('HSET', campaign, 'guarded_since', whole_ms(now.wall))
end
if GIVEN[action] then
  local field = GIVEN[action]
  if (call('HGET', campaign, field) or '') ~= ARGV[3] then
    if ARGV[3] == '' then call('HDEL', campaign, field) end
    if ARGV[3] ~= '' then call('HSET', campaign, field, ARGV[3]) end
    if action == 'guard' then begin_counting() end
    let_go_on()
    audit.write(now, ARGV[4] or '', 1)
    approval.changed(now, name, ARGV[4] or '')
    wake()
  end
  return { before, before }
end
if action == 'revise' then
  local version = call('HGET', campaign, 'version') or '1'
  local next_one = texts.rounded(tonumber(ARGV[3]) + 1)
  if version == next_one and call('HGET', campaign, 'text:' .. version) == ARGV[4] then
    return { before, version }
  end
  if version ~= ARGV[3] or before == 'cancelled' then return { before, '' } end
  call('HSET', campaign, 'text:' .. next_one, ARGV[4], 'version', next_one)
  audit.write(now, ARGV[5] or '', 1)
  approval.changed(now, name, ARGV[5] or '')
  return { before, next_one }
end
if action == 'schedule' then
  if before ~= 'draft' and before ~= 'scheduled' then return { before, '' } end
  local state = ARGV[3] == '' and 'draft' or 'scheduled'
  if before ~= state or (call('HGET', campaign, 'at') or '') ~= ARGV[3] then
    call('ZREM', key('scheduled'), name)
    call('HSET', campaign, 'state', state, 'at', ARGV[3])
    if state == 'scheduled' then call('ZADD', key('scheduled'), ARGV[3], name) end
    if limits.get('events') then
      events().tell('campaign', '', 'campaign', name, 'state', state, 'starts_at', ARGV[3])
    end
    audit.write(now, ARGV[4] or '', 1)
    approval.changed(now, name, ARGV[4] or '')
  end
  return { before, state }
end
if action == 'approve' then
  local known = call('HGET', campaign, 'approved')
  local answer = approval.approve(name, ARGV[3], ARGV[4])
  if answer == 'approved' and not known then audit.write(now, ARGV[5] or '', 1) end
  return { before, answer }
end
local after = AFTER[action][before]
if action == 'cancel' and before == after and cancelled.set_aside(name, all_lanes) then
  return { before, after, 'more' }
end
if action == 'pause' and before == 'paused' and approval.no_longer_resumes(name) then
  audit.write(now, ARGV[3] or '', 1)
end
if not after or after == before then return { before, after or '' } end
if after == 'running' and approval.is_missing(name) then return { before, 'unapproved' } end
if before == 'scheduled' and after == 'running' and approval.is_early(now, name) then
  return { before, 'early' }
end

local function open()
  if action == 'start' then call('HSET', campaign, 'started', whole_ms(now.wall)) end
  call('SADD', key('running'), name)
  local stopped_by = call('HGET', campaign, 'stopped_by')
  if action == 'start' or stopped_by == 'canary' or stopped_by == 'share' then begin_counting() end
  call('HDEL', campaign, 'stopped', 'stopped_by')
  for _, lane in ipairs(all_lanes) do
    if call('EXISTS', key('lane:' .. lane)) == 1 then
      lanes.unpark(names.class_of(lane) .. '/' .. lane)
      wake()
    end
  end
end

local function close()
  call('SREM', key('running'), name)
  if action == 'pause' then
    call('HSET', campaign, 'paused', whole_ms(now.wall))
    call('ZADD', key('closed'), whole_ms(now.wall), name)
  end
  for _, lane in ipairs(all_lanes) do lanes.take_out(names.class_of(lane), lane) end
end

-- How many of its messages a worker holds. They end when they come back, unless a receipt has ended
-- them already.
local function held_by_workers()
  local held = 0
  for _, id in ipairs(call('HKEYS', key('leases'))) do
    local mine = campaigns.of(id) == name
    local state = mine and campaigns.state_of(id, records.look(id, 'state')[1])
    if state == 'waiting' then held = held + 1 end
  end
  return held
end

-- All that waits ends at once; returns how many. A lane may hold tickets of messages that ended
-- before, so its length is no count.
local function cancel()
  local ended = counts.in_ledger(name, 'waiting') - held_by_workers()
  counts.add('ledger:' .. name, 'waiting', -ended)
  counts.add('ledger:' .. name, 'cancelled', ended)
  call('HSET', campaign, 'ended', whole_ms(now.wall))
  counts.count('cancelled', ended)
  if limits.get('events') and events().tells_of_all then
    call('ZADD', key('cancelling'), 0, name)
  end
  return ended
end

call('HSET', campaign, 'state', after)
call('ZADD', key('trends_due'), 0, 'campaign:' .. name)
call('ZREM', key('closed'), name)
call('ZREM', key('scheduled'), name)
if after == 'running' then open() else close() end
audit.write(now, ARGV[3] or '', 1)
local ended = after == 'cancelled' and cancel()
if limits.get('events') then
  events().tell('campaign', '', 'campaign', name, 'state', after, 'ended', ended or '')
end
if not ended then return { before, after } end
return { before, after, cancelled.set_aside(name, all_lanes) and 'more' or nil }
