-- Purge dead letters: their content goes, their ids stay known for the retention.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] the audit's entry (audit.lua), [3] retention_ms, then two per letter: id, and the
--   generation that it must be of ('' for any).
-- Returns one text per letter: purged | unknown | the state that it is in instead.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of books.lua and audit.lua, clock, dead.
local token, said, retention_ms = ARGV[1], ARGV[2], ARGV[3]
local before = answered(token)
if before then return before end
local c = clock()

local function purge(id, generation)
  local m = record(id)
  if not m.state then return 'unknown' end
  if m.state ~= 'dead' then return m.state end
  if generation ~= '' and generation ~= (m.generation or '0') then return 'replayed meanwhile' end
  redis.call('ZREM', key('dead'), id)
  finish(c, id, 'purged', retention_ms, token)
  return 'purged'
end

local answers = {}
for i = 4, #ARGV, 2 do answers[#answers + 1] = purge(ARGV[i], ARGV[i + 1]) end
return answer(c, token, said, answers, 'purged')
