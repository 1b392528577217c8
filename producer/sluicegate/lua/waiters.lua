-- Waiters: messages in line until the same recipient, text or prefix may get another one.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: join, leave, call_next.
-- Keys touched: those of records.lua, in_line, due.
--
-- They wait in the due set, as retries do. Only the first of a line is due when it may go; those
-- behind it are due much later, and the next is called once the first has gone or has ended. So a
-- line costs the same however long it is. A record's `line` is the line's name and the message's
-- place, and in_line has members line|place|id, all at 0. Whoever was called keeps that place until
-- it goes. If any of this is lost, the messages look for themselves when they are due.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local records = part('sluicegate.records')
local key, whole_ms = account.key, texts.whole_ms
local call, match, sub = redis.call, string.match, string.sub

local STALE = 10 -- members that are looked at to find one that still waits

local joined = 0

-- The first of a line is due now, if it still waits for that.
local function call_next(now, line)
  local from, to = '[' .. line .. '|', '[' .. line .. '|\255'
  for _ = 1, STALE do
    local member = call('ZRANGEBYLEX', key('in_line'), from, to, 'LIMIT', 0, 1)[1]
    if not member then return end
    local place, id = match(member, '^(.*)|([^|]*)$')
    local state, own = unpack(records.look(id, 'state', 'line'))
    if own == place and state == 'waiting' then return end -- it was called before
    if own == place and state == 'retrying' then
      call('ZADD', key('due'), whole_ms(now.wall), id)
      records.put(id, 'due', whole_ms(now.wall))
      return account.wake()
    end
    call('ZREM', key('in_line'), member)
  end
end

-- A message has gone or has ended: the next of its line is called.
local function leave(now, id, record)
  local place = record.line
  if not place then return end
  record.line = nil
  call('ZREM', key('in_line'), place .. '|' .. id)
  call_next(now, match(place, '^(.*)|'))
end

-- A message waits in a line, at its end unless it has a place there. Returns whether it is the
-- first, and how many wait there.
local function join(now, id, record, line)
  local mark = line .. '|'
  if record.line and sub(record.line, 1, #mark) ~= mark then leave(now, id, record) end
  if not record.line then
    joined = joined + 1
    record.line = mark .. string.format('%.0f', 1000 * now.steady + joined)
  end
  local from, to, member = '[' .. mark, '[' .. mark .. '\255', record.line .. '|' .. id
  call('ZADD', key('in_line'), 0, member)
  local first = call('ZRANGEBYLEX', key('in_line'), from, to, 'LIMIT', 0, 1)[1]
  return first == member, call('ZLEXCOUNT', key('in_line'), from, to)
end

return { join = join, leave = leave, call_next = call_next }
