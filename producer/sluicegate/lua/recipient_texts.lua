-- Texts: when a recipient may get the same one again.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: limits_text, text_refusal, which only read; charge_text.
-- Keys touched: those of got.lua and waiters.lua; it reads m:<id>.
--
-- recipients.lua says what counts, and when it is asked.
local rule_of = part('sluicegate.recipient_rules').rule_of
local records, got = part('sluicegate.records'), part('sluicegate.got')
local waiters = later('sluicegate.waiters')
local log_of, unit_of, time_at = got.log_of, got.unit_of, got.time_at
local sub = string.sub

local TIME, UNIT_MS, ENTRY = got.TIME, got.UNIT_MS, got.HASH + got.TIME
local MOST_TEXTS = 100 -- of one recipient
local TO_ONE = ' to one recipient'

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
  local before = maybe and maybe ~= '0' and tonumber(records.look(id, 'counted')[1] or nil)
  if before then got.take_back(now, name, before, ENTRY) end
  local log = log_of(now, name)
  got.write(name, got.added(log, unit, hash .. got.packed(unit), ENTRY, MOST_TEXTS))
  if records.look(id, 'line')[1] then waiters().leave(now, id, records.get(id)) end
end

return { limits_text = limits_text, text_refusal = text_refusal, charge_text = charge_text }
