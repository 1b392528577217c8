-- Purge dead letters: their content goes, their ids stay known for the retention.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] the audit's entry (audit.lua), [3] retention_ms, then two per
--   letter:
--   id, and the generation that it must be of ('' for any).
-- Returns: one text per letter: purged | unknown | the state that it is in instead.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of states.lua and audit.lua, clock, dead.
local key, records = part('sluicegate.account').key, part('sluicegate.records')
local states, audit = part('sluicegate.states'), part('sluicegate.audit')

local token, said, retention_ms = ARGV[1], ARGV[2], ARGV[3]
local before = audit.answered(token)
if before then return before end
local now = part('sluicegate.clock').read()

local function purge(id, generation)
  local record = records.get(id)
  if not record.state then return 'unknown' end
  if record.state ~= 'dead' then return record.state end
  if generation ~= '' and generation ~= (record.generation or '0') then
    return 'replayed meanwhile'
  end
  redis.call('ZREM', key('dead'), id)
  states.finish(now, id, 'purged', retention_ms, token)
  return 'purged'
end

local answers = {}
for i = 4, #ARGV, 2 do answers[#answers + 1] = purge(ARGV[i], ARGV[i + 1]) end
return audit.answer(now, token, said, answers, 'purged')
