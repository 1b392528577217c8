-- A campaign's life: create, start, pause, resume, cancel; and its pace.
-- KEYS[1] the account's key prefix.
-- ARGV[1] name, [2] create | start | pause | resume | cancel | pace; for create also [3] plan, [4] digest of the
--   plan, [5] shards of its members, [6] lane; for pace [3] segments per second ('' for no rate of its own),
--   [4] weight.
-- Returns: for create, created | known (the same plan) | exists (another); else {state before, state after},
--   the second empty where that state does not allow it, the first 'unknown' where there is no such campaign.
-- Keys touched: those of books.lua, clock, campaigns, lanes:<n>, leases, unsent:<n>:cancelled, wake.
-- Repeating an action finds it done and changes nothing more.
local MOVED = 1000 -- tickets in one command
local name, action = ARGV[1], ARGV[2]
local campaign = key('campaign:' .. name)
local c = clock()

if action == 'create' then
  local digest = redis.call('HGET', campaign, 'digest')
  if digest then return digest == ARGV[4] and 'known' or 'exists' end
  redis.call('HSET', campaign, 'plan', ARGV[3], 'digest', ARGV[4], 'shards', ARGV[5], 'lane', ARGV[6],
    'state', 'draft', 'created', whole_ms(c.wall))
  redis.call('ZADD', key('campaigns'), whole_ms(c.wall), name)
  return 'created'
end

local AFTER = {
  start = { draft = 'running', running = 'running', finished = 'finished' },
  pause = { running = 'paused', paused = 'paused' },
  resume = { paused = 'running', running = 'running' },
  cancel = { draft = 'cancelled', running = 'cancelled', paused = 'cancelled', cancelled = 'cancelled' },
}

local r = redis.call('HMGET', campaign, 'state', 'lane')
local before, lane = r[1], r[2]
if not before then return { 'unknown', '' } end
local lanes = redis.call('SMEMBERS', key('lanes:' .. name)) -- of letters replayed from another sender
table.insert(lanes, 1, lane)
if action == 'pace' then
  local pace = redis.call('HMGET', campaign, 'per_second', 'weight')
  if pace[1] ~= ARGV[3] or pace[2] ~= ARGV[4] then
    redis.call('HSET', campaign, 'per_second', ARGV[3], 'weight', ARGV[4])
    redis.call('HDEL', key('levels'), 'campaign:' .. name)
    for _, one in ipairs(lanes) do unpark(class_of(one) .. '/' .. one) end
    wake()
  end
  return { before, before }
end
local after = AFTER[action][before]
if not after or after == before then return { before, after or '' } end

local function open()
  if action == 'start' then redis.call('HSET', campaign, 'started', whole_ms(c.wall)) end
  redis.call('SADD', key('running'), name)
  for _, one in ipairs(lanes) do
    if redis.call('EXISTS', key('lane:' .. one)) == 1 then
      activate(one)
      wake()
    end
  end
end

local function close()
  redis.call('SREM', key('running'), name)
  for _, one in ipairs(lanes) do take_out(class_of(one), one) end
end

-- All that waits ends at once: its tickets become the list of the cancelled. What a worker holds ends
-- when it comes back, unless evidence has ended it already. The lane may hold tickets of messages that
-- ended before, so its length is no count.
local function cancel()
  local held = 0
  for _, id in ipairs(redis.call('HKEYS', key('leases'))) do
    if campaign_of(id) == name and state_of(id, look(id, 'state')[1]) == 'waiting' then held = held + 1 end
  end
  local ended = in_ledger(name, 'waiting') - held
  local list = key('unsent:' .. name .. ':cancelled')
  if redis.call('EXISTS', key('lane:' .. lane)) == 1 then redis.call('RENAME', key('lane:' .. lane), list) end
  for i = 2, #lanes do
    local tickets = redis.call('LRANGE', key('lane:' .. lanes[i]), 0, -1)
    for at = 1, #tickets, MOVED do
      redis.call('RPUSH', list, unpack(tickets, at, math.min(at + MOVED - 1, #tickets)))
    end
    redis.call('DEL', key('lane:' .. lanes[i]))
  end
  add('ledger:' .. name, 'waiting', -ended)
  add('ledger:' .. name, 'cancelled', ended)
  redis.call('HSET', campaign, 'ended', whole_ms(c.wall))
  count('cancelled', ended)
end

redis.call('HSET', campaign, 'state', after)
if after == 'running' then open() else close() end
if after == 'cancelled' then cancel() end
return { before, after }
