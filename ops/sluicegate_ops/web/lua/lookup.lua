-- Say what is known of a number.
-- KEYS[1] the account's key prefix. ARGV[1] the number.
-- Returns: an array: 1 where it is on the list of opt-outs, else 0; and the letter of its carrier
--   as carriers.lua has it, '' where that is not known.
-- Keys touched: none. It reads those of optouts.lua and carriers.lua.
local optouts, carriers = part('sluicegate.optouts'), part('sluicegate.carriers')
local clock = part('sluicegate.clock')

local number = ARGV[1]
optouts.fetch({ number })
return { optouts.has(number) and 1 or 0, carriers.of(clock.read(), number) }
