-- Take messages off the list of those that the provider has twice: a person has dealt with them.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] the audit's entry (audit.lua), then any number of ids.
-- Returns: one text per id: cleared | not sent twice.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of audit.lua, clock, twice.
local key, audit = part('sluicegate.account').key, part('sluicegate.audit')

local token, said = ARGV[1], ARGV[2]
local before = audit.answered(token)
if before then return before end
local now = part('sluicegate.clock').read()
local answers = {}
for i = 3, #ARGV do
  answers[#answers + 1] = redis.call('HDEL', key('twice'), ARGV[i]) == 1 and 'cleared'
    or 'not sent twice'
end
return audit.answer(now, token, said, answers, 'cleared')
