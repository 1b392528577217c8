-- Looking: what a claim would decide now, for the account and for the lanes asked. It only reads.
-- KEYS[1] the account's key prefix.
-- ARGV[1] horizon_ms, as a claim's; then the names of any number of lanes.
-- Returns: { name, value, ... of the account }, { level, its halt as stored, ... }, and for
--   each lane { waiting, refusing level ('' for none), until, full_until, levels }. A level is
--   { kind, name, refuses, interval, opens, number }, where a carrier's interval is that of a
--   number whose carrier is not known; a brand
--   { 'brand', name, refuses, cap, share, used, midnight, number }. At a carrier's level `number`
--   is how the next message's is known: { carrier, days ago, as how much of a segment each of its
--   own counts }, the first two '' where nothing is; it is empty where no carrier is asked for.
--   Times are wall ms, '' where there is none; `refuses` is 1 or 0. Before limits are published the
--   account's limit is 0.
-- Keys touched: those of admission.lua and bucket.lua, lane:*, parked:t, parked:b, parked_by.
local key, texts = part('sluicegate.account').key, part('sluicegate.texts')
local parse_ticket = part('sluicegate.tickets').parse
local limits, lanes = part('sluicegate.limits'), part('sluicegate.lanes')
local names = part('sluicegate.lane_names')
local levels, halts = part('sluicegate.levels'), part('sluicegate.halts')
local carrier_day, carriers = part('sluicegate.carrier_day'), part('sluicegate.carriers')
local Bucket, Breaker = part('sluicegate_worker.bucket'), part('sluicegate_worker.breaker')
local admission, shares = part('sluicegate_worker.admission'), part('sluicegate_worker.shares')
local num, ms = texts.num, texts.ms
local call, sub = redis.call, string.sub

local KINDS = { 'account', 'registration', 'sender', 'campaign' }

local SHARED_KNOWN = 60000 -- ms for which others' use is taken to go on

local horizon = tonumber(ARGV[1])
local now = part('sluicegate.clock').read()
local breaker = Breaker.load()
local Clues = part('sluicegate_worker.clues')
local bucket = Bucket.load(now, num(limits.get('limit'), 1), num(limits.get('window_ms'), 1000),
  num(limits.get('ceiling'), 0))
part('sluicegate_worker.health').mind_silence(now, breaker, bucket)
local slot, bulk_slot = Bucket.next_slots(now, bucket, Bucket.look(now, bucket))

local function wall(steady) return ms(steady - now.steady + now.wall) end
local function flag(truth) return truth and 1 or 0 end
local function exact(number) return string.format('%.17g', number) end

local function account()
  local known = limits.get('limit')
  local concurrency = num(limits.get('concurrency'), 0)
  local cap, bulk_cap, full = shares.caps(now, breaker, bucket, concurrency)
  local last, bulk_last = shares.last_slots(now, bucket, horizon)
  local clues = Clues.of(bucket)
  local fastest = Clues.MAX_RAISE * bucket.configured / bucket.configured_window
  local ceiling = bucket.ceiling
  local function went(window_ms)
    return call('ZCOUNT', key('log'), '(' .. ms(now.steady - window_ms), ms(now.steady))
  end
  return {
    'wall', ms(now.wall), 'steady', ms(now.steady),
    'limit', known and exact(bucket.limit) or '0', 'window', known and exact(bucket.window) or '0',
    'budget', known and exact(Bucket.budget(bucket)) or '0',
    'used', went(bucket.window), 'ceiling_used', ceiling and went(ceiling.window) or 0,
    'ceiling_slots', ceiling and ceiling.slots or 0,
    'others', exact(math.max(0, bucket.peak, bucket.last_peak)),
    'shared', exact(now.steady - bucket.shared_at < SHARED_KNOWN and bucket.shared or 0),
    'margin', exact(bucket.margin),
    'said', bucket.said, 'doubt', bucket.doubt, 'evidence', bucket.learned > 0 and clues.why or '',
    'believed_since', clues.since > 0 and ms(clues.since) or '',
    'bounded', flag(bucket.limit / bucket.window > 0.999 * fastest),
    'block', wall(bucket.block), 'reset', exact(bucket.reset), 'heard', bucket.heard,
    'round_trip', exact(bucket.rtt), 'full', full, 'under_way', shares.under_way(),
    'cap', known and cap or 0, 'bulk_cap', known and bulk_cap or 0,
    'slot', wall(slot), 'bulk_slot', wall(bulk_slot),
    'last', wall(last), 'bulk_last', wall(bulk_last),
    'breaker', breaker.state, 'opened', breaker.opened > 0 and wall(breaker.opened) or '',
    'probe', wall(breaker.probe_at), 'cause', Breaker.cause(breaker),
    'culprit', breaker.culprit, 'failures', breaker.failures,
  }
end

local function halts_in_force()
  local all = {}
  for level, halt in pairs(halts.in_force(now)) do
    local ends = halt.ends and ms(halt.ends) or ''
    local head = ends .. ',' .. halt.since .. ',' .. halt.who
    all[#all + 1], all[#all + 2] = level, head .. '|' .. halt.why
  end
  return all
end

local function next_ticket(lane)
  local text = call('LINDEX', key('lane:' .. lane), 0)
  return text and parse_ticket(text) or nil
end

-- The level that parked a lane, or what is above it in the tree, for longest; nil where none has.
local function parked(lane)
  local class, member, level, opens = names.class_of(lane), lane, nil, slot
  while member do
    local name = class .. '/' .. member
    local until_ms = num(call('ZSCORE', key('parked:' .. sub(class, 1, 1)), name), 0)
    if until_ms > opens then level, opens = call('HGET', key('parked_by'), name), until_ms end
    member = lanes.above(member)
  end
  return level, opens
end

-- Which level a claim refuses a lane's next message for, and until when; nil where none does.
local function refusal(lane, slot_of_lane)
  local level, opens = parked(lane)
  if level then return level, opens end
  opens = admission.account_refusal(lane, slot_of_lane)
  if opens then return levels.of(lane).account.name, opens end
  local refused_by, _, until_ms = admission.refusal(now, lane, slot_of_lane, next_ticket, lane)
  return refused_by, until_ms
end

-- How a level knows the number of the message that asks for it.
local function number_at(level, ticket)
  if not (level.carrier and ticket and sub(ticket.to, 1, 2) == '+1') then return {} end
  local counts = levels.counted(now, level, { to = ticket.to, segments = 1 })
  return { carriers.of(now, ticket.to), carriers.age(now, ticket.to) or '', exact(counts) }
end

local function rate_level(kind, level, lane, slot_of_lane)
  local name = kind == 'account' and level.name or level.halt
  local opens = admission.level_opens(level)
  local counts = kind ~= 'account' or level.interval
  local refuses = counts and opens > slot_of_lane
  local ticket = level.carrier and next_ticket(lane)
  if level.carrier and refuses then
    refuses = ticket and levels.counted(now, level, ticket) > 0
  end
  local interval = level.interval and exact(level.interval * (level.share or 1)) or ''
  return { kind, name, flag(refuses), interval, wall(opens), number_at(level, ticket) }
end

local function brand_level(brand, lane, slot_of_lane)
  local wall_ms = now.wall + slot_of_lane - now.steady
  local used = levels.used_today(brand, carrier_day.of(wall_ms))
  local ticket = next_ticket(lane)
  local opens = admission.brand_opens(now, brand, slot_of_lane, ticket)
  local midnight = ms(wall_ms + carrier_day.left(wall_ms))
  return {
    'brand', brand.name, flag(opens), brand.cap, exact(brand.share), exact(used), midnight,
    number_at(brand, ticket),
  }
end

local function look_at(lane)
  local slot_of_lane = sub(lane, 1, 1) == 'b' and bulk_slot or slot
  local of_lane, shown = levels.of(lane), {}
  if of_lane.brand then shown[1] = brand_level(of_lane.brand, lane, slot_of_lane) end
  for _, kind in ipairs(KINDS) do
    local level = of_lane[kind]
    if level then shown[#shown + 1] = rate_level(kind, level, lane, slot_of_lane) end
  end
  local level, opens = refusal(lane, slot_of_lane)
  local full = string.match(levels.usage('full:' .. names.sender_of(lane)) or '', '^%S+')
  return {
    call('LLEN', key('lane:' .. lane)), level or '', level and wall(opens) or '',
    full and wall(tonumber(full)) or '', shown,
  }
end

local answer = { account(), halts_in_force() }
for i = 2, #ARGV do answer[i + 1] = look_at(ARGV[i]) end
return answer
