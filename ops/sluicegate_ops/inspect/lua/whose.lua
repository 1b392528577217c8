-- Whose a number is, and how long that has been known. It only reads.
-- KEYS[1] the account's key prefix. ARGV[1] the number.
-- Returns: { letter of its carrier as carriers.lua has it, days since an answer told it }, both ''
--   where that is not known.
-- Keys touched: those of clock.lua and carriers.lua.
local carriers = part('sluicegate.carriers')

local now = part('sluicegate.clock').read()
return { carriers.of(now, ARGV[1]), carriers.age(now, ARGV[1]) or '' }
