-- Standstill still: why nothing is sent where no level refuses, and since when that has been so.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: is_full, which only reads; note_claim, note_work, note_memory, note_signals.
-- Keys touched: full, standstill, deaf.
--
-- A server without memory grants nothing more, so that it can end what is under way. It begins
-- again a little below the ceiling, lest it change with every message.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local num, whole_ms = texts.num, texts.whole_ms
local call = redis.call

local LOWER = 0.99 -- of the ceiling: where sending begins again
local QUIET_MS = 10000

local function is_full() return call('EXISTS', key('full')) == 1 end

-- A worker has claimed, and was granted so many messages.
local function note_claim(now, granted)
  local at = whole_ms(now.wall)
  if granted > 0 then return call('HSET', key('standstill'), 'asked', at, 'granted', at) end
  call('HSET', key('standstill'), 'asked', at)
end

-- Whether something is ready to be claimed. After a time without any worker it counts anew.
local function note_work(now, any)
  local name, at = key('standstill'), whole_ms(now.wall)
  local ready, swept = unpack(call('HMGET', name, 'ready', 'swept'))
  if not any then
    call('HDEL', name, 'ready')
  elseif not ready or now.wall - num(swept, 0) > QUIET_MS then
    call('HSET', name, 'ready', at)
  end
  call('HSET', name, 'swept', at)
end

local function number_in(info, name)
  return tonumber(string.match(info, '\n' .. name .. ':(%d+)'))
end

-- Compare the server's memory with the ceiling, a share of its maxmemory; returns the bytes in
-- use. Where it says nothing of its memory, it is taken for having enough, and for using none.
local function note_memory(now, share)
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then info = '' end
  local ceiling = (number_in(info, 'maxmemory') or 0) * share
  local used = (number_in(info, 'used_memory') or 0)
    - (number_in(info, 'mem_not_counted_for_evict') or 0)
  if ceiling > 0 and used > ceiling then
    call('HSETNX', key('full'), 'since', whole_ms(now.wall))
    call('HSET', key('full'), 'used', whole_ms(used), 'ceiling', whole_ms(ceiling))
  elseif ceiling == 0 or used < LOWER * ceiling then
    call('DEL', key('full'))
  end
  return used
end

-- A worker's signals start no drain, for a reason ('' where they do).
local function note_signals(now, worker, reason)
  if reason == '' then return call('HDEL', key('deaf'), worker) end
  local known = string.match(call('HGET', key('deaf'), worker) or '', '^(%d+) ')
  call('HSET', key('deaf'), worker, (known or whole_ms(now.wall)) .. ' ' .. reason)
end

return {
  is_full = is_full, note_claim = note_claim, note_work = note_work, note_memory = note_memory,
  note_signals = note_signals,
}
