-- Import a batch of a campaign's recipients: each once, whatever file and row it stands in.
-- KEYS[1] the account's key prefix.
-- ARGV[1] campaign, [2] its lane, [3] token of this batch, [4] the audit's entry ('' for none),
--   [5] where the campaign has hours, each recipient's class (hours.lua) with a space behind it,
--   '' where it has none; then four per recipient: shard, hash of its key, to, ticket.
-- Returns: one letter per recipient: a added, d duplicate, s suppressed (opted out); or, as an
--   error of state, an array of the campaign's state ('unknown' where there is none).
--   A batch repeated with its token is answered as it was the first time.
-- Keys touched: campaign:<n>, import:<n>, members:<n>:*, optouts, unsent:<n>:suppressed, lane:*,
--   lanes:<n>, ready:*, ledger:<n>, running, totals, wake, clock; those of audit.lua and
--   approval.lua.
-- The first write grows the data, so a full server refuses the batch whole.
local account = part('sluicegate.account')
local campaigns, optouts = part('sluicegate.campaigns'), part('sluicegate.optouts')
local states, lanes = part('sluicegate.states'), part('sluicegate.lanes')
local count, hours = part('sluicegate.counts').count, later('sluicegate.hours')
local key, call = account.key, redis.call

local HEAD, FIELDS, AUDIT = 5, 4, 4
local CLOSED = { draft = true, scheduled = true, paused = true } -- nothing is ready to go out
-- The importer may ask late: it hears of a lost reply only after its next batch is made.
local REMEMBERED_MS = 86400000
local args, name, lane, token = ARGV, ARGV[1], ARGV[2], ARGV[3]
local last = call('GET', key('import:' .. name)) or ''
if string.sub(last, 1, #token + 1) == token .. ' ' then return string.sub(last, #token + 2) end
local state = campaigns.state(name)
if not state or state == 'cancelled' then return { state or 'unknown' } end

-- One question for all: nearly always nobody of a batch has opted out.
local size, recipients = (#args - HEAD) / FIELDS, {}
for n = 1, size do recipients[n] = args[HEAD + FIELDS * n - 1] end
optouts.fetch(recipients)

local answers, tickets, suppressed = {}, {}, {}
local classes, tickets_in = args[HEAD] ~= '' and string.gmatch(args[HEAD], '(%S*) '), {}
local members = key('members:' .. name .. ':')
for n = 1, size do
  local first = HEAD + FIELDS * (n - 1) + 1
  local class = classes and classes()
  if call('SADD', members .. args[first], args[first + 1]) == 0 then
    answers[n] = 'd'
  elseif optouts.has(recipients[n]) then
    answers[n], suppressed[#suppressed + 1] = 's', args[first + 3]
  else
    answers[n], tickets[#tickets + 1] = 'a', args[first + 3]
    if class then
      local of_class = tickets_in[class] or {}
      tickets_in[class], of_class[#of_class + 1] = of_class, args[first + 3]
    end
  end
end

local function put(its_lane, its_tickets)
  if its_lane ~= lane then call('SADD', key('lanes:' .. name), its_lane) end
  call('RPUSH', key('lane:' .. its_lane), unpack(its_tickets))
  if not CLOSED[state] then lanes.activate(its_lane) end
end

local ledger, new = key('ledger:' .. name), #tickets + #suppressed
if #suppressed > 0 then
  call('RPUSH', key('unsent:' .. name .. ':suppressed'), unpack(suppressed))
  call('HINCRBY', ledger, 'suppressed', #suppressed)
  count('suppressed', #suppressed)
end
if #tickets > 0 then
  if not classes then tickets_in[''] = tickets end
  for class, its_tickets in pairs(tickets_in) do
    put(classes and hours().lane_of(lane, class) or lane, its_tickets)
  end
  call('HINCRBY', ledger, 'waiting', #tickets)
  if state == 'finished' then states.run_again(name) end
  if not CLOSED[state] then account.wake() end
end
if new > 0 then
  call('HINCRBY', ledger, 'imported', new)
  count('enqueued', new)
  if args[AUDIT] ~= '' then
    part('sluicegate.audit').write(part('sluicegate.clock').read(), args[AUDIT], new)
  end
end
if new > 0 then
  part('sluicegate.approval').changed(part('sluicegate.clock').read(), name, args[AUDIT])
end
local text = table.concat(answers)
call('SET', key('import:' .. name), token .. ' ' .. text, 'PX', REMEMBERED_MS)
return text
