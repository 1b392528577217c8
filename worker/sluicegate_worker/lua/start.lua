-- Starting: the last gate before a POST, and the last word on whether it may be written.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines start() and renew().
-- Keys touched: those of books.lua, leases, granted, started, optouts.
local ended, start, renew
do -- what follows stays within: a script has room for 200 names

local VOID_MS = 50 -- a slot is good for so long after its time

-- A message that must not go out any more ends here; returns true when it did.
function ended(c, id, ticket, retention_ms, token)
  if ticket.expires and c.wall >= ticket.expires then
    end_waiting(c, id, 'expired', ticket.text, retention_ms, token)
    return true
  end
  if redis.call('HEXISTS', key('optouts'), ticket.to) == 1 then
    end_waiting(c, id, 'suppressed', ticket.text, retention_ms, token)
    return true
  end
  return false
end

-- Answers started, or refused: then its slot is free again and the message is where it belongs.
function start(c, br, s, lease_ms, retention_ms)
  local lease = read_lease(s.id)
  if not lease or lease.token ~= s.token then return 'refused' end
  if lease.started then return 'started' end
  local m = key('m:' .. s.id)
  local r = redis.call('HMGET', m, 'state', 'request', 'maybe')
  local void = c.steady > lease.slot + VOID_MS
  local closed = void or br.state == 'open' or halt_of(c, lease.lane) or not is_open(s.id)
  local over = state_of(s.id, r[1]) ~= 'waiting' or ended(c, s.id, read_ticket(lease.ticket), retention_ms, s.token)
  if over or closed then
    drop_grant(c, s.id, lease)
    if not over then put_back(c, s.id, lease.lane, lease.ticket) end
    count(over and 'overtaken' or void and 'void' or 'unused')
    return 'refused'
  end
  redis.call('ZREM', key('granted'), s.id)
  redis.call('ZADD', key('started'), ms(c.steady + lease_ms), s.id)
  lease.started = c.steady
  wait_for_answer(c, br)
  write_lease(s.id, lease)
  if not r[1] then redis.call('HSET', m, 'state', 'waiting', 'to', read_ticket(lease.ticket).to) end
  if not r[2] then redis.call('HSET', m, 'request', s.request, 'key_at', whole_ms(c.wall)) end
  if num(r[3], 0) > 0 then count('resent') end -- it relies on the provider knowing the key
  return 'started'
end

function renew(c, s, lease_ms)
  local lease = read_lease(s.id)
  if not lease or lease.token ~= s.token then return 'lost' end
  redis.call('ZADD', key(lease.started and 'started' or 'granted'), 'XX', ms(c.steady + lease_ms), s.id)
  return 'renewed'
end

end
