-- Attach an account to its archive, so that its books are never in two.
-- KEYS[1] the account's key prefix.
-- ARGV[1] look | attach (where it has none) | adopt (whatever it has) | off (it has none), [2] the
--   archive's id, [3] the id of the account's books, [4] where the archive is, [5] the audit's
--   entry (audit.lua, '' for none). Or [1] ids: some hashes of archived messages' ids stay, or go
--   after [3] ms ('' for the former); [2] the first of them.
-- Returns: {the archive's id, the books', where it is}, each '' where the account has none. Of
--   ids, the next hash, 0 after the last.
-- Keys touched: archive, late; those of audit.lua and archived.lua, clock.
local key, audit = part('sluicegate.account').key, part('sluicegate.audit')
local clock, whole_ms = part('sluicegate.clock'), part('sluicegate.texts').whole_ms
local archived, call = later('sluicegate.archived'), redis.call

local verb, id, books, place, said = unpack(ARGV)
if verb == 'ids' then return archived().last(tonumber(id), books) end
local known = call('HGET', key('archive'), 'id')
if verb == 'adopt' or verb == 'attach' and not known then
  local now = clock.read()
  call('HSET', key('archive'), 'id', id, 'books', books, 'place', place,
    'since', whole_ms(now.wall))
  audit.write(now, said or '', 1)
elseif verb == 'off' and known then
  -- The ids of archived messages are known until their retention is over.
  call('HDEL', key('archive'), 'id', 'books', 'place', 'since', 'passed', 'stay', 'oldest',
    'fault')
  call('DEL', key('late'))
  audit.write(clock.read(), said, 1)
elseif verb == 'attach' and known == id and call('HGET', key('archive'), 'books') == books then
  call('HSET', key('archive'), 'place', place)
end
local answers = {}
for i, field in ipairs({ 'id', 'books', 'place' }) do
  answers[i] = call('HGET', key('archive'), field) or ''
end
return answers
