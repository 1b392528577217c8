-- Unreadable tickets: what can be no ticket is set aside as a dead letter, so that it stops nobody.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: set_aside.
-- Keys touched: those of states.lua, dead, lane:*.
--
-- It is named by its text's hash. Where more stands in a campaign's lanes than its ledger counts as
-- waiting, it was no recipient's, and counts as one more that was imported.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local records, leases, counts =
  part('sluicegate.records'), part('sluicegate.leases'), part('sluicegate.counts')
local campaigns, states = part('sluicegate.campaigns'), part('sluicegate.states')
local count = counts.count
local call = redis.call

local CODE, REASON = 'unreadable', 'what stood in its lane is no ticket: damaged, or not ours'

local function hash_of(text)
  local hash = #text
  for i = 1, #text do hash = (hash * 257 + string.byte(text, i)) % 2 ^ 40 end
  return string.format('%.0f', hash)
end

-- Whether a campaign's ledger counts as many recipients as wait in `lane` or are held by workers.
local function is_counted(campaign, lane)
  local waiting = call('LLEN', key('lane:' .. lane))
  for _, id in ipairs(call('HKEYS', key('leases'))) do
    if campaigns.of(id) == campaign then waiting = waiting + 1 end
  end
  return counts.in_ledger(campaign, 'waiting') >= waiting
end

-- The id that a text begins with, where that is a message that waits; else nil.
local function waiting_id(text, campaign)
  local id = string.match(text, '^([%w_:-]+)|')
  id = id and campaign and campaign .. '.' .. id or id
  if not id or leases.get(id) or records.look(id, 'state')[1] ~= 'waiting' then return nil end
  return id
end

local function set_aside(now, lane, campaign, text)
  local known = waiting_id(text, campaign)
  local short = 'unreadable-' .. hash_of(text)
  local id = known or (campaign and campaign .. '.' .. short or short)
  local record = records.get(id)
  if record.state == 'dead' then return end -- the same text once more
  local now_ms = texts.whole_ms(now.wall)
  if not known and (not campaign or not is_counted(campaign, lane)) then
    count('enqueued')
    if campaign then
      counts.add('ledger:' .. campaign, 'imported', 1)
      counts.add('ledger:' .. campaign, 'waiting', 1)
    end
  end
  states.become(id, 'dead', 'waiting')
  record.lane, record.ticket, record.at = lane, text, now_ms
  record.code, record.reason = CODE, REASON
  record.enqueued = record.enqueued or now_ms
  call('ZADD', key('dead'), now_ms, id)
  count('dead')
end

return { set_aside = set_aside }
