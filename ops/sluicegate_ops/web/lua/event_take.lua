-- Take the events that an app has not been given, to be kept for its URL; others wait meanwhile.
-- KEYS[1] the account's key prefix.
-- ARGV[1] the app, [2] ms for which nobody else takes them, [3] how many at most, [4] the app's
--   target, [5] how many may wait there.
-- Returns: {number up to which it was given them, number of the oldest that is kept (0 for none),
--   their entries, oldest first}; nothing where there are none, somebody else has them, too many
--   wait, or it is not passed on.
-- Keys touched: event_taker:<app>. It reads event_readers, event_number, events, relays:<target>.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local key, num = account.key, texts.num
local call = redis.call

local app, taker = ARGV[1], key('event_taker:' .. ARGV[1])
local given, off = unpack(call('HMGET', key('event_readers'), app, 'off:' .. app))
if not given or off then return {} end
if num(call('GET', key('event_number')), 0) <= num(given, 0) then return {} end
if call('ZCARD', key('relays:' .. ARGV[4])) >= tonumber(ARGV[5]) then return {} end
if not call('SET', taker, '1', 'NX', 'PX', ARGV[2]) then return {} end
local oldest = call('XRANGE', key('events'), '-', '+', 'COUNT', 1)[1]
local first = oldest and string.match(oldest[1], '^%d+') or '0'
return { given, first, call('XRANGE', key('events'), '(' .. given .. '-0', '+', 'COUNT', ARGV[3]) }
