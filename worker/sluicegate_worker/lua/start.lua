-- Starting: the last gate before a POST, and the last word on whether it may be written.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: ended, start, renew.
-- Keys touched: those of states.lua, corrections.lua, halts.lua and withheld.lua.
local texts = part('sluicegate.texts')
local records, leases, counts =
  part('sluicegate.records'), part('sluicegate.leases'), later('sluicegate.counts')
local campaigns, optouts = part('sluicegate.campaigns'), part('sluicegate.optouts')
local states, halts = later('sluicegate.states'), part('sluicegate.halts')
local hours = later('sluicegate.hours')
local limits, same_text = part('sluicegate.limits'), later('sluicegate.recipient_texts')
local corrections, withheld = later('sluicegate.corrections'), later('sluicegate_worker.withheld')
local match = string.match
local health = later('sluicegate_worker.health')

local limited = limits.get('recipient')

local VOID_MS = 50 -- a slot is good for so long after its time

-- A message that must not go out any more ends here; returns whether it did.
local function ended(now, id, ticket, retention_ms, token)
  if ticket.expires and now.wall >= ticket.expires then
    states().end_waiting(now, id, 'expired', ticket.text, retention_ms, token)
    return true
  end
  if optouts.has(ticket.to) then
    states().end_waiting(now, id, 'suppressed', ticket.text, retention_ms, token)
    return true
  end
  return false
end

-- A start whose answer was lost is asked for again, and its lease may have ended meanwhile. Whoever
-- asks has not begun: its word `unused` ends the doubt. This script may not, since a request that
-- was held up on the way may come after the POST.
local function refusal(id, token)
  local state, last = unpack(records.look(id, 'state', 'token'))
  return state == 'in_doubt' and last == token and 'doubted' or 'refused'
end

-- A text that its recipient got before waits or ends; any other counts from now on. `hash` is nil
-- where it is stored already. Returns whether it may go.
local function pass_text(now, id, lease, ticket, hash, maybe, retention_ms)
  local lane, to = lease.lane, ticket.to
  if not same_text().limits_text(lane) then return true end
  hash = hash or records.look(id, 'text')[1]
  local repeated = hash and same_text().text_refusal(now, lane, to, hash, lease.slot, maybe)
  if repeated then
    corrections().drop_grant(now, id, lease)
    withheld().withhold(now, id, lane, ticket, repeated, retention_ms, lease.token)
    counts().count('unused')
  elseif hash then
    same_text().charge_text(now, id, lane, to, hash, lease.slot, maybe)
  end
  return not repeated
end

local passes = {} -- by lane: whether nothing has stopped it, and its recipients' hours are open

local function lane_passes(now, id, lane)
  local known = passes[lane]
  if known == nil then
    local campaign = campaigns.of(id)
    known = not halts.of(now, lane) and campaigns.is_open(id)
    if known and campaign and campaigns.facts(campaign).has_hours then
      known = not hours().closed_until(now, lane, now.steady)
    end
    passes[lane] = known
  end
  return known
end

local versions = {} -- by lane: the version of its text; false for a first one, and for apps

local function version_of(id, lane)
  local known = versions[lane]
  if known == nil then
    local campaign = campaigns.of(id)
    known = campaign and campaigns.facts(campaign).version or false
    versions[lane] = known
  end
  return known
end

-- Whether a message was made of the text that its campaign has now, and is as long as its ticket
-- says. Nothing is asked of one that was started before: it keeps its text.
local function fits(id, lane, post)
  if post.request == '' then return true end
  local made, current = post.version, version_of(id, lane)
  if not made then return not current end
  return match(made.made_of, '^%d+') == (current or '1') and made.segments == 0
end

-- It goes back to be made anew, or with its length put right, so that it is charged for what it is.
local function give_back(now, id, lease, post)
  corrections().drop_grant(now, id, lease)
  local ticket, made = lease.ticket_text, post.version
  if made and made.segments > 0 then
    ticket = string.gsub(ticket, '^([^|]*)|%d+|', '%1|' .. texts.rounded(made.segments) .. '|')
  end
  states().put_back(now, id, lease.lane, ticket)
  counts().count('unused')
  return 'refused'
end

-- Start a POST: id, token, request ('' where it is stored already), text (the hash of what it
-- says, nil where that is stored already, or is not limited), version (made_of, segments; nil for
-- an app's, or a campaign's first text). Returns started; or refused: then its
-- slot is free again and the message is where it belongs; or doubted: refused, and in doubt under
-- this token.
local function start(now, breaker, post, lease_ms, retention_ms)
  local id = post.id
  local lease = leases.get(id)
  if not lease or lease.token ~= post.token then return refusal(id, post.token) end
  if lease.started then return 'started' end
  local ticket = leases.ticket(lease)
  local state, key_at = unpack(records.look(id, 'state', 'key_at'))
  local maybe = key_at and records.look(id, 'maybe')[1] -- only a start before can have left it
  local void = now.steady > lease.slot + VOID_MS
  local closed = void or breaker.state == 'open' or not lane_passes(now, id, lease.lane)
    or optouts.under_review(ticket.to)
  local over = campaigns.state_of(id, state) ~= 'waiting'
    or ended(now, id, ticket, retention_ms, post.token)
  if over or closed then
    corrections().drop_grant(now, id, lease)
    if not over then states().put_back(now, id, lease.lane, lease.ticket_text) end
    counts().count(over and 'overtaken' or void and 'void' or 'unused')
    return 'refused'
  end
  if not fits(id, lease.lane, post) then return give_back(now, id, lease, post) end
  if limited and not pass_text(now, id, lease, ticket, post.text, maybe, retention_ms) then
    return 'refused'
  end
  lease.started = now.steady
  leases.write(id, lease, now.steady + lease_ms)
  health().wait_for_answer(now, breaker)
  local now_ms = texts.whole_ms(now.wall)
  if not state then -- a recipient's first start makes its record
    records.put(id, 'state', 'waiting', 'to', ticket.to, 'request', post.request, 'key_at', now_ms)
  elseif not key_at then
    records.put(id, 'request', post.request, 'key_at', now_ms)
  elseif post.request ~= '' and not records.look(id, 'request')[1] then -- settle.lua: it was lost
    records.put(id, 'request', post.request)
  end
  if post.text then records.put(id, 'text', post.text) end
  local made = post.request ~= '' and post.version
  if made and made.made_of ~= '1' then
    records.put(id, 'version', made.made_of)
  end
  -- It relies on the provider knowing the key.
  if texts.num(maybe, 0) > 0 then counts().count('resent') end
  return 'started'
end

-- Keep a lease longer: id, token. Returns renewed, or lost.
local function renew(now, renewal, lease_ms)
  local lease = leases.get(renewal.id)
  if not lease or lease.token ~= renewal.token then return 'lost' end
  leases.write(renewal.id, lease, now.steady + lease_ms)
  return 'renewed'
end

return { ended = ended, start = start, renew = renew }
