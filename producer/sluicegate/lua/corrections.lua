-- Corrections: what was charged and not used is given back, and what was charged wrong put right.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: drop_grant, refund_cap, correct, keep, hear.
-- Keys touched: those of charges.lua, levels.lua, leases.lua, lanes.lua and carriers.lua, log.
--
-- A record says in `at_brand` what its message counts: day amount segments brand, the amount of
-- these.
local key = part('sluicegate.account').key
local tree, leases, levels =
  later('sluicegate.lanes'), part('sluicegate.leases'), part('sluicegate.levels')
local names, carrier_day = part('sluicegate.lane_names'), later('sluicegate.carrier_day')
local carriers, charges = later('sluicegate.carriers'), part('sluicegate.charges')
local limits, ends = part('sluicegate.limits'), later('sluicegate.recipient_ends')
local parse_bill = part('sluicegate.bills').parse
local rates_of, use_cap = charges.rates_of, charges.use_cap
local use, used_until, counted = levels.use, levels.used_until, levels.counted
local max, match, sub = math.max, string.match, string.sub

-- What a lease was charged as being for; '' where nobody knew. One of version 0.1 was charged as
-- if nobody did.
local function charged_as(lease)
  local letter = lease.charged_for or ''
  return letter == 'u' and '' or letter
end

-- What waits for a level that has room again is looked at anew: all of it, or at a carrier's level
-- some of it, for one message makes room for one.
local function reopen(level)
  if level.carrier then return tree().unpark_waiting(level.name) end
  for _, class in ipairs(names.CLASSES) do
    local name = class .. '/' .. level.waits
    if redis.call('HGET', key('parked_by'), name) == level.name then tree().unpark(name) end
  end
end

local function text_of(day, amount, segments, brand)
  return string.format('%.0f %.6g %.0f %s', day, amount, segments, sub(brand.name, 7))
end

local function give_back_cap(now, brand, lease, amount)
  if amount == 0 then return end
  local day = carrier_day().of(now.wall - (now.steady - lease.slot))
  if day ~= carrier_day().of(now.wall) then return end
  use_cap(brand, day, -amount)
  reopen(brand)
end

-- What was certainly not sent does not count at the carrier.
local function refund_cap(now, lease)
  local brand = levels.of(lease.lane).brand
  if not brand then return end
  give_back_cap(now, brand, lease, counted(now, brand, leases.ticket(lease), charged_as(lease)))
end

-- Rate that has gone by since the slot cannot be used any more.
local function refund(now, lease)
  local ticket, gone = leases.ticket(lease), max(0, now.steady - lease.slot)
  for _, level in ipairs(rates_of(lease.lane)) do
    local segments = counted(now, level, ticket, charged_as(lease))
    local rest = segments > 0 and segments * level.interval - gone or 0
    if rest > 0 and levels.usage(level.name) then
      use(level.name, used_until(level.name) - rest)
      if level.waits then reopen(level) end
    end
  end
  refund_cap(now, lease)
end

-- A granted slot that nobody used is taken back out of the bucket's log and of each level: it costs
-- nothing.
local function drop_grant(now, id, lease)
  leases.drop(id)
  redis.call('ZREM', key('log'), lease.seq)
  refund(now, lease)
  if limits.get('recipient') then ends().release(now, id, lease) end
end

-- What was taken of a rate for a message that turned out to be another carrier's is given back
-- whole, whenever the answer comes: what went meanwhile went later for its sake. So a stretch of
-- time may pass what was under way at its beginning beyond its rate, and no more than that.
local function correct_rate(now, level, by)
  if by == 0 then return end
  if by > 0 then
    use(level.name, max(used_until(level.name), now.steady) + by * level.interval)
  elseif levels.usage(level.name) then
    use(level.name, used_until(level.name) + by * level.interval)
    reopen(level)
  end
end

-- What a message counts as at a carrier's level by its bill; what it doesn't say is as charged.
local function by_bill(now, level, ticket, bill, charged)
  local told = { to = ticket.to, segments = bill.parts or ticket.segments }
  return counted(now, level, told, bill.carrier ~= '' and bill.carrier or charged)
end

-- A message of `lease` went out, or may have: correct what its carrier's levels were charged by
-- what the provider says of it ('' where nothing). Returns what its record keeps as `at_brand`, nil
-- where it counts at no brand's day that lasts.
local function correct(now, lease, bill_text)
  local of_lane = levels.of(lease.lane)
  if not (leases.is_carried(lease) and of_lane.carried) then return nil end
  local ticket, charged, bill = leases.ticket(lease), charged_as(lease), parse_bill(bill_text)
  if sub(ticket.to, 1, 2) ~= '+1' then return nil end
  local registration, brand = of_lane.registration, of_lane.brand
  carriers().learn(now, ticket.to, bill.carrier)
  if registration.interval then
    local amount = by_bill(now, registration, ticket, bill, charged)
    correct_rate(now, registration, amount - counted(now, registration, ticket, charged))
  end
  local day = carrier_day().of(now.wall - (now.steady - lease.slot))
  if not brand or day ~= carrier_day().of(now.wall) then return nil end
  local before, amount =
    counted(now, brand, ticket, charged), by_bill(now, brand, ticket, bill, charged)
  if amount ~= before then
    use_cap(brand, day, amount - before)
    if amount < before then reopen(brand) end
  end
  return text_of(day, amount, bill.parts or ticket.segments, brand)
end

-- The brand, day, amount and segments that a record's message counts, if that day lasts.
local function counts_at(now, record)
  local day, amount, segments, name = match(record.at_brand or '', '^(%S+) (%S+) (%S+) (%S+)$')
  if not day or tonumber(day) ~= carrier_day().of(now.wall) then return nil end
  return levels.brand_named(name), tonumber(day), tonumber(amount), tonumber(segments)
end

-- An attempt more of a message went out, or may have. All its attempts go under one key, so of them
-- the carrier gets one: what an earlier one counted is given back.
local function keep(now, record, text)
  local brand, day, amount = counts_at(now, record)
  if brand and amount > 0 then
    use_cap(brand, day, -amount)
    reopen(brand)
  end
  record.at_brand = text
end

-- A receipt, or a late answer, says whose the number is, or its parts: while the carrier's day
-- lasts, that corrects what the message counts.
local function hear(now, record, bill_text)
  local brand, day, amount, segments = counts_at(now, record)
  if not brand then return end
  local bill = parse_bill(bill_text)
  carriers().learn(now, record.to, bill.carrier)
  segments = bill.parts or segments
  local told = bill.carrier == brand.carrier and segments or 0
  if bill.carrier == '' or told == amount then return end
  use_cap(brand, day, told - amount)
  record.at_brand = text_of(day, told, segments, brand)
  if told < amount then reopen(brand) end
end

return {
  drop_grant = drop_grant, refund_cap = refund_cap, correct = correct, keep = keep, hear = hear,
}
