-- What comes for a message whose record is gone: it is set aside where there is an archive.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: set_aside.
-- Keys touched: late. It reads archive.
--
-- The archiver fetches such a message's record back, applies what was set aside by the script that
-- always does, and archives it again.
local key = part('sluicegate.account').key
local has_archive = part('sluicegate.retention').has_archive
local call = redis.call

local MOST = 1000000 -- all of them real, since webhooks are signed; more are answered as unknown

-- The fields of a receipt, as receipt.lua takes them. Returns whether they were set aside.
local function set_aside(...)
  if not has_archive() or call('LLEN', key('late')) >= MOST then return false end
  call('RPUSH', key('late'), cjson.encode({ ... }))
  return true
end

return { set_aside = set_aside }
