-- A person decides about replies that wait: those numbers opt out, or are sent to again.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] opt out | release, [3] who says so (its source), [4] what is said
--   of it (JSON, stored/optouts.py), then the number and the ms of the last reply that was read
--   ('' for any) by turns.
-- Returns: one text per number: opted out | released | unknown (no reply waits) | changed (another
--   came since). A call repeated with its token is answered as it was the first time.
-- Keys touched: those of optout_changes.lua, acted:<token>.
-- The first write frees, so that a full server still takes an opt-out.
local key = part('sluicegate.account').key
local changes, acted = part('sluicegate.optout_changes'), part('sluicegate.acted')

local token, verdict, source, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local before = acted.answered(token)
if before then return before end
redis.call('ZREM', key('granted'), '')
local now_ms = part('sluicegate.time').server_ms()

local answers = {}
for i = 5, #ARGV, 2 do
  answers[#answers + 1] = changes.decide(now_ms, ARGV[i], verdict, ARGV[i + 1], source, said)
end
acted.remember(token, answers)
return answers
