-- Recipients: when one may get another message, whoever sends it, and what counts for that.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: open, fetch, refusal, text_refusal, limits_text, which only read; charge, charge_text,
--   keep, release, resolve.
-- Keys touched: those of got.lua, brakes.lua and waiters.lua; it reads m:<id>.
--
-- It is asked only if the account limits anything of it: then there is a limit `recipient`, the ms
-- for which what was sent is remembered.
--
-- A message counts once it is granted, and no more once it surely was not sent. If it may have been
-- sent, it goes on counting (from its record's `counted` on), and nothing here holds it up again.
-- A text counts once its message is started, since it is rendered no earlier.
local num, ms = part('sluicegate.texts').num, part('sluicegate.texts').ms
local limits, scope_of = part('sluicegate.limits'), part('sluicegate.lane_names').scope_of
local records, leases = part('sluicegate.records'), part('sluicegate.leases')
local got, brakes = part('sluicegate.got'), later('sluicegate.brakes')
local waiters = later('sluicegate.waiters')
brakes = limits.get('prefix') and brakes()
local log_of, write, unit_of, time_at = got.log_of, got.write, got.unit_of, got.time_at
local sub, match, gmatch = string.sub, string.match, string.gmatch

local TIME, UNIT_MS, ENTRY = got.TIME, got.UNIT_MS, got.HASH + got.TIME
local MOST_TEXTS = 100 -- of one recipient
local SPANS = { [3600000] = 'in an hour', [86400000] = 'in 24 hours', [604800000] = 'in 7 days' }
local TO_ONE = ' to one recipient'

local rules = {} -- by lane; false where there is none

-- What a lane's messages are held to; nil for nothing. `line` is where they wait.
local function rule_of(lane)
  if rules[lane] ~= nil then return rules[lane] or nil end
  local class, scope = sub(lane, 1, 1), scope_of(lane)
  local own = scope ~= '' and limits.get('recipient:' .. class .. scope)
  local text, rule = own or limits.get('recipient:' .. class), false
  if text then
    local beyond, quiet, same, kept, windows = match(text, '^(%a+)|(%d+)|(%d+)|(%d+)|(.*)$')
    rule = {
      ends = beyond == 'end', quiet = tonumber(quiet), same = tonumber(same),
      kept = tonumber(kept), class = class, line = class .. (own and scope or ''), windows = {},
    }
    for span, most in gmatch(windows, '(%d+)=(%d+)') do
      rule.windows[#rule.windows + 1] = { ms = tonumber(span), most = tonumber(most) }
    end
  end
  rules[lane] = rule
  return rule or nil
end

-- Read what it must know of the recipients of a lane's next messages.
local function fetch(lane, numbers)
  local rule, names, prefixes = rule_of(lane), {}, {}
  for _, to in ipairs(numbers) do
    if rule and rule.kept > 0 then names[#names + 1] = rule.class .. to end
    local prefix = brakes and brakes.of(lane, to)
    if prefix and not prefixes[prefix] then
      prefixes[prefix], names[#names + 1] = true, 'p' .. prefix
    end
  end
  if #names > 0 then got.read(names) end
end

-- What holds a message up at a slot: code, opens (steady ms), line, ends (whether it ends it), why;
-- nil where nothing does. `maybe` is how many of its attempts may have been sent.
local function refusal(now, lane, to, slot, maybe)
  if maybe and maybe ~= '0' then return nil end
  local rule, opens, code, why = rule_of(lane), slot, nil, nil
  local log = rule and rule.kept > 0 and log_of(now, rule.class .. to) or ''
  local size = #log
  if size > 0 then
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
  end
  local found = code and {
    code = code, opens = opens, line = rule.line .. to, ends = rule.ends, why = why,
  }
  local braked = brakes and not (found and found.ends) and brakes.refusal(now, lane, to, opens)
  return braked or found
end

local function counted_at(id) return tonumber(records.look(id, 'counted')[1] or nil) end

-- A message is granted for a slot. `place` is its place in a line, false for none.
local function charge(now, id, lane, to, slot, maybe, place)
  local rule, unit = rule_of(lane), unit_of(slot)
  local before = maybe and maybe ~= '0' and counted_at(id)
  if rule and rule.kept > 0 then
    local name = rule.class .. to
    local log = log_of(now, name)
    if before then log = got.without(log, unit_of(before), TIME) end
    write(name, got.added(log, unit, got.packed(unit), TIME, rule.kept))
  end
  if brakes and not before then brakes.add(now, lane, to, slot, 1) end
  if place and sub(place, 2, 2) ~= 's' then waiters().leave(now, id, records.get(id)) end
end

-- The rule on a text that is about to be sent; nil where there is none.
local function text_rule(lane)
  local rule = rule_of(lane)
  return rule and rule.same > 0 and rule or nil
end

local function limits_text(lane) return text_rule(lane) ~= nil end

-- What holds a text up; as `refusal`.
local function text_refusal(now, lane, to, hash, slot, maybe)
  local rule = not (maybe and maybe ~= '0') and text_rule(lane)
  local log = rule and log_of(now, rule.class .. 's' .. to) or ''
  for at = #log, ENTRY, -ENTRY do
    local opens = UNIT_MS * time_at(log, at - TIME + 1) + rule.same
    if opens > slot and sub(log, at - ENTRY + 1, at - TIME) == hash then
      return {
        code = 'same_text', opens = opens, ends = rule.ends, line = rule.class .. 's' .. to .. hash,
        why = 'the same text once in ' .. rule.same / 1000 .. ' s' .. TO_ONE,
      }
    end
  end
end

local function charge_text(now, id, lane, to, hash, slot, maybe)
  local rule = text_rule(lane)
  if not rule then return end
  local name, unit = rule.class .. 's' .. to, unit_of(slot)
  local log, before = log_of(now, name), maybe and maybe ~= '0' and counted_at(id)
  if before then log = got.without(log, unit_of(before), ENTRY) end
  write(name, got.added(log, unit, hash .. got.packed(unit), ENTRY, MOST_TEXTS))
  if records.look(id, 'line')[1] then waiters().leave(now, id, records.get(id)) end
end

-- What counted from a slot on counts no more, and whoever waits for it may look again.
local function give_back(now, id, lane, to, slot)
  local rule, unit = rule_of(lane), unit_of(slot)
  local function forget(name, width)
    local log = log_of(now, name)
    local shorter = got.without(log, unit, width)
    if shorter ~= log then write(name, shorter) end
  end
  local prefix = brakes and brakes.of(lane, to)
  if prefix then
    brakes.add(now, lane, to, slot, -1)
    waiters().call_next(now, 'p' .. prefix)
  end
  if not rule then return end
  if rule.kept > 0 then forget(rule.class .. to, TIME) end
  waiters().call_next(now, rule.class .. to)
  if rule.line ~= rule.class then waiters().call_next(now, rule.line .. to) end
  local hash = rule.same > 0 and records.look(id, 'text')[1]
  if hash then
    forget(rule.class .. 's' .. to, ENTRY)
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
  local before = counted_at(id)
  if before then give_back(now, id, lane, to, before) end
end

return {
  open = got.open, fetch = fetch, refusal = refusal, text_refusal = text_refusal,
  limits_text = limits_text, charge = charge, charge_text = charge_text, keep = keep,
  release = release, resolve = resolve,
}
