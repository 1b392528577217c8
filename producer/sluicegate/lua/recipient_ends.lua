-- Ends: what counts for a recipient once its message's lease has ended other than by acceptance.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: keep, release, resolve.
-- Keys touched: m:<id>, those of got.lua, brakes.lua and waiters.lua.
--
-- recipients.lua says what counts, and when it is asked.
local num, ms = part('sluicegate.texts').num, part('sluicegate.texts').ms
local limits, rule_of = part('sluicegate.limits'), part('sluicegate.recipient_rules').rule_of
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local got, brakes = part('sluicegate.got'), later('sluicegate.brakes')
local waiters = later('sluicegate.waiters')
brakes = limits.get('prefix') and brakes()
local take_back, TIME, ENTRY = got.take_back, got.TIME, got.HASH + got.TIME

-- What counted from a slot on counts no more, and whoever waits for it may look again.
local function give_back(now, id, lane, to, slot)
  local rule = rule_of(lane)
  local prefix = brakes and brakes.of(lane, to)
  if prefix then
    brakes.add(now, lane, to, slot, -1)
    waiters().call_next(now, 'p' .. prefix)
  end
  if not rule then return end
  if rule.kept > 0 then take_back(now, rule.class .. to, slot, TIME) end
  waiters().call_next(now, rule.class .. to)
  if rule.line ~= rule.class then waiters().call_next(now, rule.line .. to) end
  local hash = rule.same > 0 and records.look(id, 'text')[1]
  if hash then
    take_back(now, rule.class .. 's' .. to, slot, ENTRY)
    waiters().call_next(now, rule.class .. 's' .. to .. hash)
  end
end

-- A lease's message may have been sent.
local function keep(id, lease) records.put(id, 'counted', ms(lease.slot)) end

-- A lease's message was not sent by it.
local function release(now, id, lease)
  if num(records.look(id, 'maybe')[1] or nil, 0) > 0 then return keep(id, lease) end
  give_back(now, id, lease.lane, leases.ticket(lease).to, lease.slot)
end

-- A message that was in doubt was not sent after all.
local function resolve(now, id, lane, to)
  local before = tonumber(records.look(id, 'counted')[1] or nil)
  if before then give_back(now, id, lane, to, before) end
end

return { keep = keep, release = release, resolve = resolve }
