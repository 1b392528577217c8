-- Starting: the last gate before a POST, and the last word on whether it may be written.
-- KEYS[1] the account's key prefix. ARGV none. Returns: nothing; it defines start() and renew().
-- Keys touched: those of books.lua.
local ended, start, renew
do -- what follows stays within: a script has room for 200 names

local VOID_MS = 50 -- a slot is good for so long after its time

-- A message that must not go out any more ends here; returns true when it did.
function ended(c, id, ticket, retention_ms, token)
  if ticket.expires and c.wall >= ticket.expires then
    end_waiting(c, id, 'expired', ticket.text, retention_ms, token)
    return true
  end
  if has_opted_out(ticket.to) then
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
  local ticket, r = ticket_of(lease), look(s.id, 'state', 'key_at', 'maybe')
  local void = c.steady > lease.slot + VOID_MS
  local closed = void or br.state == 'open' or halt_of(c, lease.lane) or not is_open(s.id)
  local over = state_of(s.id, r[1]) ~= 'waiting' or ended(c, s.id, ticket, retention_ms, s.token)
  if over or closed then
    drop_grant(c, s.id, lease)
    if not over then put_back(c, s.id, lease.lane, lease.ticket) end
    count(over and 'overtaken' or void and 'void' or 'unused')
    return 'refused'
  end
  lease.started = c.steady
  write_lease(s.id, lease, c.steady + lease_ms)
  wait_for_answer(c, br)
  local now = whole_ms(c.wall)
  if not r[1] then -- a recipient's first start makes its record
    put(s.id, 'state', 'waiting', 'to', ticket.to, 'request', s.request, 'key_at', now)
  elseif not r[2] then
    put(s.id, 'request', s.request, 'key_at', now)
  end
  if num(r[3], 0) > 0 then count('resent') end -- it relies on the provider knowing the key
  return 'started'
end

function renew(c, s, lease_ms)
  local lease = read_lease(s.id)
  if not lease or lease.token ~= s.token then return 'lost' end
  write_lease(s.id, lease, c.steady + lease_ms)
  return 'renewed'
end

end
