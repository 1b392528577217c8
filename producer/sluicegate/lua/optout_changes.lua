-- Changes to the opt-out list and to the replies that wait for a person; each is in the history.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: note, add, lift, remove, review, decide, hold, unhold.
-- Keys touched: optouts, erased, reviews, optout_history, held, due, m:<id>, wake; those of
--   events.lua.
--
-- `said` is a JSON object of what is known of a change (stored/optouts.py: OptOutAct). The history
-- is only ever added to: whoever sends has to prove who said what, and when.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local records, hashed = part('sluicegate.records'), part('sluicegate.optouts').hashed
local limits, events = part('sluicegate.limits'), later('sluicegate.events')
local key, num, whole_ms = account.key, texts.num, texts.whole_ms
local call, match, sub = redis.call, string.match, string.sub

local REVIEW_MS = 3600000 -- a held message looks again so often, should nobody have let it go
local REASON = "its recipient's reply waits for a person: sluicegate optout review"
local HELD = 500          -- messages let go with one command

local function note(now_ms, number, act, said)
  local rest = said == '{}' and '}' or ',' .. sub(said, 2)
  local entry = '{"at_ms":' .. whole_ms(now_ms) .. ',"act":"' .. act .. '"' .. rest
  local before = call('HGET', key('optout_history'), number)
  call('HSET', key('optout_history'), number, before and before .. '\n' .. entry or entry)
  if limits.get('events') then
    events().tell('consent', '', 'to', number, 'act', act, 'said', said)
  end
end

-- Where a number's opt-out stands that was erased: its field there, nil where there is none.
local function erased_field(number)
  if call('EXISTS', key('erased')) == 0 then return nil end
  local field = hashed(number)
  return call('HEXISTS', key('erased'), field) == 1 and field or nil
end

-- The reasons of an entry: lines of since_ms and source and, after tabs, profile and last_ms.
local function reasons_of(number)
  local reasons, field = {}, erased_field(number)
  local text = (field and call('HGET', key('erased'), field) .. '\n' or '')
    .. (call('HGET', key('optouts'), number) or '')
  for line in string.gmatch(text, '[^\n]+') do
    local words, profile, last = match(line, '^([^\t]*)\t?([^\t]*)\t?([^\t]*)')
    local since, source = match(words, '^(%S*) ?(.*)$')
    reasons[#reasons + 1] = {
      since = since, source = source, profile = profile, last = last ~= '' and last or since,
    }
  end
  return reasons
end

-- What is said of a number after it was erased is known of it by its name again.
local function write_reasons(number, reasons)
  local field = erased_field(number)
  if field then call('HDEL', key('erased'), field) end
  if #reasons == 0 then return call('HDEL', key('optouts'), number) end
  local lines = {}
  for i, reason in ipairs(reasons) do
    local heard = reason.profile ~= '' or reason.last ~= reason.since
    lines[i] = reason.since .. ' ' .. reason.source
      .. (heard and '\t' .. reason.profile .. '\t' .. reason.last or '')
  end
  call('HSET', key('optouts'), number, table.concat(lines, '\n'))
end

-- A message to a number under review: it is due again in REVIEW_MS, or once a person has decided.
local function hold(now, id, ticket, record)
  local due = now.wall + REVIEW_MS
  record.due, record.code, record.reason = whole_ms(due), 'review', REASON
  call('ZADD', key('due'), whole_ms(due), id)
  call('ZADD', key('held'), 0, ticket.to .. '|' .. id)
end

-- It has come back from there.
local function unhold(id, record)
  if record.code ~= 'review' then return end
  call('ZREM', key('held'), (record.to or '') .. '|' .. id)
  record.code, record.reason = nil, nil
end

-- What is held for a number is due now: the opt-out list then decides.
local function let_go(now_ms, number)
  local from, to = '[' .. number .. '|', '[' .. number .. '|\255'
  while true do
    local held = call('ZRANGEBYLEX', key('held'), from, to, 'LIMIT', 0, HELD)
    if #held == 0 then break end
    for _, member in ipairs(held) do
      local id = sub(member, #number + 2)
      if call('ZSCORE', key('due'), id) and records.look(id, 'code')[1] == 'review' then
        call('ZADD', key('due'), whole_ms(now_ms), id)
        records.put(id, 'due', whole_ms(now_ms))
      end
    end
    call('ZREM', key('held'), unpack(held))
    account.wake()
  end
end

local function end_review(now_ms, number)
  if call('HDEL', key('reviews'), number) == 1 then let_go(now_ms, number) end
end

-- Put a number on the list for a reason: since (ms), source and profile, with the time of the last
-- such word. Returns whether the number is new there, and whether the reason is.
local function add(now_ms, number, reason, said)
  local reasons, same = reasons_of(number), nil
  for _, other in ipairs(reasons) do
    if other.source == reason.source and other.profile == reason.profile then same = other end
  end
  local is_new = #reasons == 0
  if not same then
    reasons[#reasons + 1] = {
      since = reason.since, source = reason.source, profile = reason.profile, last = reason.since,
    }
  elseif num(reason.since, 0) > num(same.last, 0) then
    same.last = reason.since
  end
  if not same or reason.act ~= 'add' then -- an addition that adds nothing is no news
    write_reasons(number, reasons)
    note(now_ms, number, reason.act, said)
  end
  end_review(now_ms, number)
  return is_new, not same
end

-- A recipient's START lifts what that recipient said before to that profile, and what the provider
-- said of it; nobody else's word. Returns whether it lifted anything, and whether nothing is left.
local function lift(now_ms, number, profile, written_ms, said)
  local reasons, left, older = reasons_of(number), {}, false
  for _, reason in ipairs(reasons) do
    local heard_there = reason.profile == profile and reason.source == 'provider' and profile ~= ''
    -- Version 0.1 did not note the profile.
    local own = reason.source == 'stop' and (reason.profile == profile or reason.profile == '')
    if not (heard_there or own) or num(reason.last, 0) >= written_ms then
      left[#left + 1] = reason
      older = older or heard_there or own
    end
  end
  local lifted = #left < #reasons
  if lifted then write_reasons(number, left) end
  note(now_ms, number, (lifted or #reasons == 0) and 'start' or 'start ignored', said)
  return lifted, older
end

-- Take a number off the list, whoever put it there. Returns whether it was there, and whether its
-- recipient had asked for that.
local function remove(now_ms, number, said)
  local own = false
  for _, reason in ipairs(reasons_of(number)) do own = own or reason.source == 'stop' end
  local field = erased_field(number)
  local gone = field and call('HDEL', key('erased'), field) or 0
  if call('HDEL', key('optouts'), number) + gone == 0 then return false, false end
  note(now_ms, number, 'remove', said)
  return true, own
end

-- A reply that a person must read. A number that has opted out is only noted.
local function review(now_ms, number, said)
  if call('HEXISTS', key('optouts'), number) == 1 or erased_field(number) then
    note(now_ms, number, 'reply', said)
    return false
  end
  local before = call('HGET', key('reviews'), number) or ''
  local _, since, count = match(before, '^(%d+) (%d+) (%d+) ')
  local at = whole_ms(now_ms)
  local entry = at .. ' ' .. (since or at) .. ' ' .. texts.rounded(num(count, 0) + 1) .. ' ' .. said
  call('HSET', key('reviews'), number, entry)
  note(now_ms, number, 'review', said)
  return true
end

-- A person decides: 'opt out' or 'release'. `seen` is at_ms of the reply that they read ('': any).
-- Returns what was done, 'unknown' where no reply waits, 'changed' where a later one does.
local function decide(now_ms, number, verdict, seen, source, said)
  local entry = call('HGET', key('reviews'), number)
  if not entry then return 'unknown' end
  if seen ~= '' and match(entry, '^%d+') ~= seen then return 'changed' end
  if verdict == 'release' then
    note(now_ms, number, 'release', said)
    end_review(now_ms, number)
    return 'released'
  end
  local reason = { since = whole_ms(now_ms), source = source, profile = '', act = 'opt out' }
  add(now_ms, number, reason, said)
  return 'opted out'
end

return {
  note = note, add = add, lift = lift, remove = remove, review = review, decide = decide,
  hold = hold, unhold = unhold,
}
