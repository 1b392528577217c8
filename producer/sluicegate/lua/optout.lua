-- Put numbers on the opt-out list, or take them off it, by the word of a person, an app or the
-- provider's list.
-- KEYS[1] the account's key prefix.
-- ARGV[1] token of this call, [2] add | remove, [3] who says so (its source), [4] what is said of it
--   (JSON, stored/optouts.py), then the number and its profile ('' for none) by turns.
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
  local number, profile, done, asked = ARGV[i], ARGV[i + 1], nil, nil
  if verb == 'add' then
    local reason = { since = since, source = source, profile = profile, act = 'add' }
    done = changes.add(now_ms, number, reason, said)
  else
    done, asked = changes.remove(now_ms, number, said)
  end
  count = count + (done and 1 or 0)
  own = own + (asked and 1 or 0)
end
acted.remember(token, { texts.rounded(count), texts.rounded(own) })
return { count, own }
