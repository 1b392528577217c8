-- How long the record of a finished message is kept.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: has_archive, which only reads; keep.
-- Keys touched: those of records.lua. It reads archive.
local key, expire = part('sluicegate.account').key, part('sluicegate.records').expire
local campaign_of = part('sluicegate.campaigns').of

local archive -- whether the account has one, once it was asked
local function has_archive()
  if archive == nil then archive = redis.call('HEXISTS', key('archive'), 'id') == 1 end
  return archive
end

-- It is kept for its retention, or until the archive has it. A campaign's stay as long as the
-- campaign does.
local function keep(id, retention_ms)
  if not campaign_of(id) and not has_archive() then expire(id, retention_ms) end
end

return { has_archive = has_archive, keep = keep }
