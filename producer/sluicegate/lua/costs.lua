-- Costs: what the provider bills, summed up by day and by campaign; each send counts once.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: take, take_at_once; at_end writes the sums.
-- Keys touched: day_costs:<day>, costs:<campaign>; it reads limits and campaign:<name>.
--
-- A send is what the provider has under one id: a message sent twice is billed twice. It counts on
-- the day (UTC) on which its message was accepted, by the bill (bills.lua) that was told last: a
-- later one takes the place of the one before in the sums of that day, whenever it comes. Without a
-- cost it counts among those whose cost is not known, and costs nothing.
--
-- A record's `bill` is its first id's, and `billed` the sender that it counts for (nothing for its
-- campaign's own) and, behind a bar, when its cost was told: wall ms, = for its delivery's, nothing
-- for an answer's. A send whose cost was never told has `billed` too, which shows that it counts.
-- `bill:<id>` is that of another id: when, a bar, and the bill.
--
-- A sum is `billionths messages parts`, and its field currency|all, or currency|kind|name; of those
-- without a cost, the currency is empty. Numbers of Lua are exact to 2^53, which is 9 million of a
-- currency: so an amount is whole units and the billionths beyond.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local limits, sender_of = part('sluicegate.limits'), part('sluicegate.lane_names').sender_of
local campaigns, app_of = part('sluicegate.campaigns'), part('sluicegate.app_counts').of
local merged = part('sluicegate.bills').merged
local key, num = account.key, texts.num
local call, match, sub, floor = redis.call, string.match, string.sub, math.floor
local format = string.format

local DAY_MS, KEPT_DAYS = 86400000, 400
local MOST_SUMS = 10000 -- of a day: what is beyond counts under the name *

-- What counts together, by name; whether a bill tells a cost; and when the call is (wall ms).
local places, priced, wall = {}, {}, nil

local function has_cost(bill)
  if priced[bill] == nil then priced[bill] = match(bill, '^[^|]*|[^|]*|%d') ~= nil end
  return priced[bill]
end

local function day_of(wall_ms) return floor(wall_ms / DAY_MS) end

-- A lane's sender, as `billed` has it: '' where it is the campaign's own, or is not known.
local function own_sender(id, lane)
  local sender, campaign = lane and sender_of(lane) or '', campaigns.of(id)
  if campaign and sender == campaigns.facts(campaign).sender then return '' end
  return sender
end

local function place_of(name, day, own, id)
  local place, campaign = places[name], campaigns.of(id)
  if place then return place end
  local sender = own == '' and campaign and campaigns.facts(campaign).sender or own
  place = { day = day, own = own, sender = sender, id = id, bills = {} }
  places[name] = place
  return place
end

local function count(place, bill, by) place.bills[bill] = (place.bills[bill] or 0) + by end

-- The same as `take`, of a message that is accepted by its own answer: returns its `billed`.
local function take_at_once(now, id, lane, bill)
  wall = now.wall
  local place = places[lane] or place_of(lane, day_of(wall), own_sender(id, lane), id)
  place.bills[bill] = (place.bills[bill] or 0) + 1
  if place.own ~= '' then return place.own end
  return not has_cost(bill) and '|' or nil
end

-- What is known of a send: its bill, whether it counts, for which sender (own), and when the cost
-- was told.
local function known(record, field)
  if field ~= 'bill' then
    local at, bill = match(record[field] or '|', '^([^|]*)|(.*)$')
    return bill, record[field] ~= nil, match(record.billed or '', '^[^|]*'), num(at, 0)
  end
  local own, at = match(record.billed or '', '^([^|]*)|?(.*)$')
  if at == '=' then at = record.delivery_at end
  local bill = record.bill or ''
  return bill, record.billed ~= nil or has_cost(bill), own, num(at, 0)
end

local function store(record, field, bill, own, at)
  local when = at > 0 and texts.rounded(at) or ''
  if field ~= 'bill' then
    record[field] = when .. '|' .. bill
    return
  end
  if when == record.delivery_at then when = '=' end
  local bare = when == '' and (own ~= '' or has_cost(bill))
  local billed = bare and own or own .. '|' .. when
  record.bill = bill ~= '' and bill or nil
  record.billed = billed ~= '' and billed or nil
end

-- What a proof (acceptance.lua) says of its send, whose message is accepted: just now, where `new`,
-- out of `lane`, nil where that is not known. `occurred_ms` is when a receipt's event was, and
-- `delivery` what it told. Returns whether that changes the sums.
local function take(now, record, proof, new, lane)
  local other = proof.provider_id and proof.provider_id ~= record.provider_id
  local field, said = other and 'bill:' .. proof.provider_id or 'bill', proof.bill or ''
  local before, counts, own, known_at = known(record, field)
  local at = num(proof.occurred_ms, 0)
  local final = (proof.delivery or '') ~= ''
  local newer = at > known_at or final and at == known_at or not counts
  local after = newer and merged(before, said) or merged(said, before)
  if newer and has_cost(said) then known_at = at end
  if not (counts or new or other or has_cost(after)) then -- accepted before costs were counted
    record.bill = after ~= '' and after or nil
    return false
  end
  if lane and not counts then own = own_sender(proof.id, lane) end
  store(record, field, after, own, known_at)
  if counts and after == before then return false end
  wall = now.wall
  local day = day_of(num(record.at, now.wall))
  local owner = campaigns.of(proof.id) or app_of(proof.id) or ''
  local place = place_of(texts.rounded(day) .. '|' .. own .. '|' .. owner, day, own, proof.id)
  if counts then count(place, before, -1) end
  count(place, after, 1)
  return true
end

local function add(sums, field, amount, by, parts)
  local sum = sums[field]
  if not sum then
    sum = { units = 0, rest = 0, messages = 0, parts = 0 }
    sums[field] = sum
  end
  sum.units = sum.units + by * num(sub(amount, 1, -10), 0)
  sum.rest = sum.rest + by * num(sub(amount, -9), 0)
  sum.messages, sum.parts = sum.messages + by, sum.parts + by * parts
end

-- Add what counts together to the sums of its day and of its campaign.
local function spread(place, of_day, of_campaign)
  local campaign = campaigns.of(place.id)
  local kind = campaign and 'campaign' or 'app'
  local owner = '|' .. kind .. '|' .. (campaign or app_of(place.id) or '')
  local by_sender = '|sender|' .. place.sender
  for bill, by in pairs(place.bills) do
    local carrier, parts, amount, currency = match(bill, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)')
    parts, amount, currency = num(parts, 0), amount or '', currency or ''
    local by_carrier = '|carrier|' .. (carrier or '')
    for _, name in ipairs({ '|all', owner, by_sender, by_carrier }) do
      if by ~= 0 then add(of_day, currency .. name, amount, by, parts) end
    end
    if campaign and by ~= 0 then add(of_campaign, currency .. by_carrier, amount, by, parts) end
  end
end

local function text_of(stored, sum)
  local amount, messages, parts = match(stored or '', '^(%d+) (%d+) (%d+)$')
  amount = amount or '0'
  local rest = sum.rest + num(sub(amount, -9), 0)
  local carried = floor(rest / 1e9)
  local units = sum.units + num(sub(amount, 1, -10), 0) + carried
  rest = rest - carried * 1e9
  local whole = units > 0 and format('%d%09d', units, rest) or format('%d', units < 0 and 0 or rest)
  local function counted(before, by) return format(' %d', math.max(0, num(before, 0) + by)) end
  return whole .. counted(messages, sum.messages) .. counted(parts, sum.parts)
end

-- New sums for which a day has no room any more are added up under the name *.
local function folded(names, stored, sums)
  local fits = {}
  for i, field in ipairs(names) do
    local kind, sum = not stored[i] and match(field, '^[^|]*|%l+|'), sums[field]
    local name = kind and kind .. '*' or field
    local others = fits[name]
    if others then
      for name_of, number in pairs(sum) do others[name_of] = others[name_of] + number end
    else
      fits[name] = sum
    end
  end
  return fits
end

local function fields_of(sums)
  local names = {}
  for field in pairs(sums) do names[#names + 1] = field end
  return names
end

-- Add to the sums stored under a key; `room` is how many fit, nil for any. Returns whether it is
-- new.
local function write(name, sums, room)
  local names = fields_of(sums)
  if #names == 0 then return false end
  local stored, found = call('HMGET', name, unpack(names)), 0
  for i in ipairs(names) do found = found + (stored[i] and 1 or 0) end
  if found > 0 and found < #names and room and call('HLEN', name) + #names - found > room then
    return write(name, folded(names, stored, sums))
  end
  local values = { 'HSET', name }
  for i, field in ipairs(names) do
    values[#values + 1], values[#values + 2] = field, text_of(stored[i], sums[field])
  end
  call(unpack(values))
  return found == 0
end

local function write_day(day, sums)
  local name = key('day_costs:' .. texts.rounded(day))
  local function kept() return num(limits.get('cost_days'), KEPT_DAYS) end
  local gone = day_of(wall) - day
  if gone > 0 and gone > kept() then return end -- and its sums with it
  if write(name, sums, MOST_SUMS) then
    call('PEXPIRE', name, texts.rounded((day + kept() + 1) * DAY_MS - wall))
  end
end

local function at_end()
  local days, owners = {}, {}
  for _, place in pairs(places) do
    local campaign = campaigns.of(place.id) or false
    days[place.day], owners[campaign] = days[place.day] or {}, owners[campaign] or {}
    spread(place, days[place.day], owners[campaign])
  end
  for day, sums in pairs(days) do write_day(day, sums) end
  for campaign, sums in pairs(owners) do
    if campaign then write(key('costs:' .. campaign), sums) end
  end
end

return { take = take, take_at_once = take_at_once, at_end = at_end }
