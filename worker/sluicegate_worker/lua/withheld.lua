-- Withheld: what a limit on its recipient holds up waits in line, or ends.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: withhold.
-- Keys touched: those of states.lua and waiters.lua, due.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local records, counts = part('sluicegate.records'), part('sluicegate.counts')
local states, waiters = part('sluicegate.states'), part('sluicegate.waiters')
local campaign_of, whole_ms = part('sluicegate.campaigns').of, texts.whole_ms

local LOOK_MS = 3600000 -- whoever is behind the first of a line looks after so long, if not called
local AT_A_TIME = 1000  -- a longer line looks so much later

-- It leaves its lane for what `refusal` says (recipients.lua), and ends if that would last beyond
-- its expiry.
local function withhold(now, id, lane, ticket, refusal, retention_ms, token)
  local opens, code = now.wall + refusal.opens - now.steady, refusal.code
  if refusal.ends or ticket.expires and opens >= ticket.expires then
    return states.end_waiting(now, id, 'suppressed', ticket.text, retention_ms, token, refusal)
  end
  local campaign = campaign_of(id)
  if records.get(id).code ~= code then
    counts.count('held_' .. code)
    if campaign then counts.add('ledger:' .. campaign, 'held_' .. code, 1) end
  end
  local record = states.set_by(id, lane, ticket)
  record.code, record.reason = code, refusal.why
  local is_first, waiting = waiters.join(now, id, record, refusal.line)
  if not is_first then
    opens = math.max(opens, now.wall + LOOK_MS * math.ceil(waiting / AT_A_TIME))
    opens = math.min(opens, ticket.expires or opens)
  end
  record.due = whole_ms(opens)
  redis.call('ZADD', key('due'), whole_ms(opens), id)
end

return { withhold = withhold }
