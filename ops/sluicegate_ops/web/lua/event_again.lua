-- Pass events on to an app's URL again, whether it was given them or not.
-- KEYS[1] the account's key prefix.
-- ARGV[1] the app, [2] the number behind which it is given them ('' where it stopped), [3] token of
--   this call, [4] the audit's entry.
-- Returns: {the number behind which it is given them, that of the latest}; nothing where no app of
--   that name wants events.
-- Keys touched: event_readers; those of audit.lua. It reads event_number.
local key, audit = part('sluicegate.account').key, part('sluicegate.audit')
local call = redis.call

local app, after = ARGV[1], ARGV[2]
local given = call('HGET', key('event_readers'), app)
if not given then return {} end
local latest = call('GET', key('event_number')) or '0'
if after == '' then after = given end
if audit.answered(ARGV[3]) then return { after, latest } end
call('HDEL', key('event_readers'), 'off:' .. app)
call('HSET', key('event_readers'), app, after)
audit.write(part('sluicegate.clock').read(), ARGV[4], 1)
audit.remember(ARGV[3], { 'again' })
return { after, latest }
