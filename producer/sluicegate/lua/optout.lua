-- Put numbers on the opt-out list, or take them off it.
-- It is done by the word of a person, of an app or of the provider's list.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] add | remove, [3] who says so (its source), [4] what is said of
--   it (JSON, stored/optouts.py), then the number and its profile ('' for none) by turns.
-- Returns: {how many were new, or were on the list; of those removed, how many had written STOP}.
--   A call repeated with its token is answered as it was the first time.
-- Keys touched: those of optout_changes.lua, acted:<token>.
-- The first write frees, so that a full server still takes an opt-out.
local key = part('sluicegate.account').key
local changes, acted = part('sluicegate.optout_changes'), part('sluicegate.acted')
local texts = part('sluicegate.texts')

local token, verb, source, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local before = acted.answered(token)
if before then return { tonumber(before[1]), tonumber(before[2]) } end
redis.call('ZREM', key('granted'), '')
local now_ms = part('sluicegate.time').server_ms()
local since = texts.whole_ms(now_ms)

local count, own = 0, 0
for i = 5, #ARGV, 2 do
  if verb == 'add' then
    local reason = { since = since, source = source, profile = ARGV[i + 1], act = 'add' }
    if changes.add(now_ms, ARGV[i], reason, said) then count = count + 1 end
  else
    local gone, asked = changes.remove(now_ms, ARGV[i], said)
    if gone then count = count + 1 end
    if asked then own = own + 1 end
  end
end
acted.remember(token, { texts.rounded(count), texts.rounded(own) })
return { count, own }
