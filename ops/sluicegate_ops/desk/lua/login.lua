-- Count logins that failed, and say whether one more may be tried.
-- KEYS[1] the account's key prefix.
-- ARGV[1] try, or forget; [2] ms for which a failure counts; then pairs: whose failures are counted
-- together, and how many of them are allowed.
-- Returns: for try 1 if it may be tried: it counts as failed until it is forgotten; else 0.
-- Keys touched: login:<whose>.
local key = part('sluicegate.account').key

local act, counts_ms = ARGV[1], ARGV[2]
local may = 1
for n = 3, #ARGV, 2 do
  local tries = key('login:' .. ARGV[n])
  if act == 'forget' then
    redis.call('DEL', tries)
  else
    local count = redis.call('INCR', tries)
    if count == 1 then redis.call('PEXPIRE', tries, counts_ms) end
    if count > tonumber(ARGV[n + 1]) then may = 0 end
  end
end
return may
