-- Recipients: when one may get another message, whoever sends it, and what counts for that.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: logs, brakes; open, fetch, refusal, which only read; charge.
-- Keys touched: those of got.lua, brakes.lua and waiters.lua; it reads m:<id>.
--
-- It is asked only if the account limits anything of it: then there is a limit `recipient`, the ms
-- for which what was sent is remembered.
--
-- A message counts once it is granted, and no more once it surely was not sent
-- (recipient_ends.lua). If it may have been sent, it goes on counting (from its record's `counted`
-- on), and nothing here holds it up again. A text counts once its message is started, since it is
-- rendered no earlier (recipient_texts.lua).
--
-- Most recipients got nothing of late. So a ticket bears the name of its recipient's log (`got`), a
-- cursor its lane's rule, and `refusal` is asked only where there is a log, or brakes are.
local rule_of = part('sluicegate.recipient_rules').rule_of
local limits, records = part('sluicegate.limits'), part('sluicegate.records')
local got, brakes = part('sluicegate.got'), later('sluicegate.brakes')
local waiters = later('sluicegate.waiters')
brakes = limits.get('prefix') and brakes()
local time_at, append, TIME, UNIT_MS = got.time_at, got.append, got.TIME, got.UNIT_MS

local SPANS = { [3600000] = 'in an hour', [86400000] = 'in 24 hours', [604800000] = 'in 7 days' }
local TO_ONE = ' to one recipient'

local function add_prefixes(names, lane, tickets, first, last)
  local known = {}
  for i = first, last do
    local prefix = brakes.of(lane, tickets[i].to)
    if prefix and not known[prefix] then known[prefix], names[#names + 1] = true, 'p' .. prefix end
  end
end

-- Read what it must know of the recipients of a cursor's tickets, from the first to the last.
local function fetch(cursor, first, last)
  local rule, tickets, names = rule_of(cursor.lane), cursor.tickets, {}
  cursor.rule = rule
  if rule and rule.kept > 0 then
    local class = rule.class
    for i = first, last do
      local ticket = tickets[i]
      local name = class .. ticket.to
      ticket.got, names[#names + 1] = name, name
    end
  end
  if brakes then add_prefixes(names, cursor.lane, tickets, first, last) end
  if #names > 0 then got.read(names) end
end

-- Which of a rule's limits holds up longest what would go at a slot, until when, and in words.
local function longest(rule, log, slot)
  local opens, code, why, size = slot, nil, nil, #log
  for _, window in ipairs(rule.windows) do
    local first = size - TIME * window.most + 1
    local at = first > 0 and UNIT_MS * time_at(log, first) + window.ms or slot
    if at > opens then
      opens, code = at, 'too_many'
      why = 'at most ' .. window.most .. ' ' .. SPANS[window.ms] .. TO_ONE
    end
  end
  local at = rule.quiet > 0 and UNIT_MS * time_at(log, size - TIME + 1) + rule.quiet or slot
  if at > opens then
    opens, code = at, 'too_soon'
    why = 'at least ' .. rule.quiet / 1000 .. ' s from one to the next' .. TO_ONE
  end
  return code, opens, why
end

-- What holds a message up at a slot: code, opens (steady ms), line, ends (whether it ends it), why;
-- nil where nothing does. `maybe` is how many of its attempts may have been sent.
local function refusal(now, cursor, ticket, slot, maybe)
  if maybe and maybe ~= '0' then return nil end
  local log, rule, opens, found = got.logs[ticket.got], cursor.rule, slot, nil
  if log and log ~= '' then
    local code, at, why = longest(rule, log, slot)
    if code then
      opens = at
      found = {
        code = code, opens = at, line = rule.line .. ticket.to, ends = rule.ends, why = why,
      }
    end
  end
  local braked = brakes and not (found and found.ends)
    and brakes.refusal(now, cursor.lane, ticket.to, opens)
  return braked or found
end

local function counted_at(id) return tonumber(records.look(id, 'counted')[1] or nil) end

-- A message is granted for a slot. `maybe` is as above, and `place` its place in a line, false or
-- nil for none.
local function charge(now, cursor, ticket, slot, maybe, place)
  local name, before = ticket.got, maybe and maybe ~= '0' and counted_at(ticket.id)
  if name then
    if before then got.take_back(now, name, before, TIME) end
    append(name, slot, cursor.rule.kept)
  end
  if brakes and not before then brakes.add(now, cursor.lane, ticket.to, slot, 1) end
  if place and string.sub(place, 2, 2) ~= 's' then
    waiters().leave(now, ticket.id, records.get(ticket.id))
  end
end

return {
  logs = got.logs, brakes = brakes, open = got.open, fetch = fetch, refusal = refusal,
  charge = charge,
}
