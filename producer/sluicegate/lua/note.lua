-- Note in the audit what a person did to a level, a campaign or the opt-out list.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] the audit's entry (audit.lua), [3] how many it changed.
-- Returns: 1 where it was noted, 0 where this call had been before.
-- Keys touched: those of audit.lua, clock.
local audit = part('sluicegate.audit')

local token, said, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
if audit.answered(token) then return 0 end
audit.write(part('sluicegate.clock').read(), said, count)
audit.remember(token, { 'noted' })
return 1
