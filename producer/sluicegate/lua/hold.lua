-- Put a number or a campaign under a legal hold, or lift it: neither time nor a person removes it.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] add | lift, [3] what: number:+1... or campaign:name, [4] the hold
--   (JSON, '' to lift), [5] the audit's entry (audit.lua).
-- Returns: {added | lifted | known (it was held already) | unknown (it was not)}.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: holds; those of audit.lua, clock.
local key, audit = part('sluicegate.account').key, part('sluicegate.audit')
local call = redis.call

local token, verb, what, hold, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local before = audit.answered(token)
if before then return before end
local now = part('sluicegate.clock').read()
local answer
if verb == 'add' then
  answer = call('HSETNX', key('holds'), what, hold) == 1 and 'added' or 'known'
else
  answer = call('HDEL', key('holds'), what) == 1 and 'lifted' or 'unknown'
end
return audit.answer(now, token, said, { answer }, verb == 'add' and 'added' or 'lifted')
