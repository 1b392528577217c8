-- Caps: what stops before more of it is sent, or costs more, than it may.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: is_cap, refusal, which only read; charge, stop, note.
-- Keys touched: halts, money, those of pausing.lua and guards.lua; it reads limits, day_costs:<d>,
--   costs:<n>, leases, doubts, ledger:<n>, m:<id>.
--
-- A cap is in money (a campaign's, or an app's or the account's for a day, UTC), or a campaign's in
-- messages or segments, or its canary: of that the rest waits. In money counts what was billed in
-- its currency, and an estimate for each message that may cost and has not been billed yet: under
-- way, in doubt, or accepted without a cost. One is reckoned at the mean of what was billed, and
-- never below the configured price. In messages and segments counts what was accepted, is under
-- way, or may have been sent; in a canary also what was refused. While anything of it is under way,
-- the rest waits for what becomes of that; once nothing is, and the next message still does not
-- fit, it stops: a campaign is paused, an app or the account is halted until the day ends.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local limits, leases, counts =
  part('sluicegate.limits'), part('sluicegate.leases'), part('sluicegate.counts')
local campaigns, owner_of = part('sluicegate.campaigns'), part('sluicegate.app_counts').of
local names, guards = part('sluicegate.lane_names'), later('sluicegate.guards')
local records, money = part('sluicegate.records'), later('sluicegate_worker.money')
local pausing = later('sluicegate.pausing')
local key, num, whole_ms = account.key, texts.num, texts.whole_ms
local call, match, sub, max = redis.call, string.match, string.sub, math.max

local DAY_MS, WAIT_MS, MOST_DOUBTS, MOST_SEGMENTS = 86400000, 1000, 1000, 10

local scopes, by_lane = {}, {} -- by name (what a level is called that refuses for a cap); of lanes

local function campaign_of(level) return match(level, '^campaign:(.*)$') end
local function app_of(level) return match(level, '^app:(.*)$') end

local function owns(level, id)
  if level == 'account' then return true end
  return campaigns.of(id) == campaign_of(level) and owner_of(id) == app_of(level)
end

-- Whether a level that refuses is a cap.
local function is_cap(level) return scopes[level] ~= nil end

local function segments_of(ticket) return tonumber(match(ticket or '', '|(%d+)|')) or 1 end

-- How many messages of a level workers hold, and their segments.
local function under_way(scope)
  if scope.level == 'account' then return leases.count('granted') + leases.count('started') end
  local mine, held, segments = {}, scope.granted, scope.granted_segments
  for _, id in ipairs(call('HKEYS', key('leases'))) do
    if owns(scope.level, id) then mine[#mine + 1] = id end
  end
  leases.fetch(mine)
  for _, id in ipairs(mine) do
    local lease = leases.get(id)
    if lease and not scope.taken[id] then
      held, segments = held + 1, segments + segments_of(lease.ticket_text)
    end
  end
  return held, segments
end

-- How many of them may have been sent, and nobody knows.
local function in_doubt(scope)
  local campaign = campaign_of(scope.level)
  if campaign and scope.measure == 'canary' then return counts.in_ledger(campaign, 'in_doubt') end
  if campaign then
    return max(counts.in_ledger(campaign, 'maybe_sent'), counts.in_ledger(campaign, 'in_doubt'))
  end
  if scope.level == 'account' then return call('ZCARD', key('doubts')) end
  local found = 0
  for _, id in ipairs(call('ZRANGE', key('doubts'), 0, MOST_DOUBTS - 1)) do
    found = found + (owns(scope.level, id) and 1 or 0)
  end
  return found
end

-- The segments of those in doubt; of others that may have been sent the mean is taken.
local function doubted_segments(scope)
  local rest, segments = in_doubt(scope), 0
  for _, id in ipairs(call('ZRANGE', key('doubts'), 0, MOST_DOUBTS - 1)) do
    if rest > 0 and owns(scope.level, id) then
      rest, segments = rest - 1, segments + segments_of(records.look(id, 'ticket')[1])
    end
  end
  return segments + rest * scope.message
end

-- By name: what is spent of a new scope, and what a message of it is reckoned at.
local measures = {}

function measures.money(scope, terms)
  local campaign, app = campaign_of(scope.level), app_of(scope.level)
  local name = campaign and key('costs:' .. campaign) or key('day_costs:' .. scope.day)
  local of = not campaign and (app and '|app|' .. app or '|all') or nil
  local cost, messages, parts, others = money().billed(name, terms.currency, of)
  scope.message = max(terms.price, messages > 0 and cost / messages or 0)
  scope.each = max(terms.price, parts > 0 and cost / parts or 0)
  scope.spent, scope.currency = cost + others * scope.message, terms.currency
end

function measures.messages(scope)
  scope.message, scope.fixed = 1, 1
  scope.spent = counts.in_ledger(campaign_of(scope.level), 'accepted')
end

function measures.segments(scope)
  local campaign = campaign_of(scope.level)
  local messages = counts.in_ledger(campaign, 'accepted')
  scope.spent, scope.each = counts.in_ledger(campaign, 'segments'), 1
  scope.message = messages > 0 and max(1, scope.spent / messages) or 1
  scope.most = MOST_SEGMENTS
end

function measures.canary(scope)
  local campaign = campaign_of(scope.level)
  scope.message, scope.fixed = 1, 1
  scope.spent = guards().count(campaign, 'accepted|all') + guards().count(campaign, 'dead|all')
end

-- A level with a cap: what is left of it, where all that may be under way counts (`exact`: what is
-- of this level alone), and what a message and a segment are reckoned at.
local function new_scope(now, measure, level, cap, terms)
  local scope = {
    name = measure .. ':' .. level, measure = measure, level = level, cap = tonumber(cap),
    granted = 0, granted_segments = 0, taken = {},
    day = texts.rounded(math.floor(now.wall / DAY_MS)),
  }
  measures[measure](scope, terms)
  local lifted = level == 'account' or app_of(level)
  lifted = lifted and call('HGET', key('money'), 'lifted:' .. level) == scope.day
  local most = leases.count('granted') + leases.count('started') + call('ZCARD', key('doubts'))
  if campaign_of(level) then most = most + in_doubt(scope) end
  local beyond = scope.spent + most * (scope.most or scope.message)
  scope.left = lifted and math.huge or scope.cap - beyond
  return scope
end

local function scope_of(now, measure, level, cap, terms)
  local name = measure .. ':' .. level
  scopes[name] = scopes[name] or new_scope(now, measure, level, cap, terms)
  return scopes[name]
end

local function of_campaign(now, campaign, mine)
  local facts, level = campaigns.facts(campaign), 'campaign:' .. campaign
  if facts.max_cost then
    local cap, currency, price = match(facts.max_cost, '^([^|]*)|([^|]*)|([^|]*)$')
    local terms = { currency = currency, price = num(price, 0) }
    mine[#mine + 1] = scope_of(now, 'money', level, cap, terms)
  end
  local guard = facts.guards and guards().of(campaign)
  if not guard then return end
  for _, measure in ipairs({ 'messages', 'segments' }) do
    local cap = guard['max_' .. measure]
    if cap then mine[#mine + 1] = scope_of(now, measure, level, cap) end
  end
  if guard.canary and not guard.passed then
    mine[#mine + 1] = scope_of(now, 'canary', level, guard.canary.size)
  end
end

local function of_lane(now, lane)
  if by_lane[lane] then return by_lane[lane] end
  local mine, campaign, app = {}, names.campaign_in(lane), names.app_of(lane)
  local currency, sms, mms = match(limits.get('money') or '', '^([^|]*)|([^|]*)|([^|]*)')
  local price = num(sub(lane, 2, 2) == 's' and sms or mms, 0)
  for _, level in ipairs({ 'account', app ~= '' and 'app:' .. app or nil }) do
    local cap = currency and limits.get('money:' .. level)
    local terms = { currency = currency, price = price }
    if cap then mine[#mine + 1] = scope_of(now, 'money', level, cap, terms) end
  end
  if campaign then of_campaign(now, campaign, mine) end
  by_lane[lane] = mine
  return mine
end

-- What waits for an answer, in the cap's measure.
local function waiting(scope)
  local held, segments = under_way(scope)
  if scope.measure == 'segments' then return segments + doubted_segments(scope) end
  return (held + in_doubt(scope)) * scope.message
end

local function fits(scope, need)
  if scope.left >= need then return true end
  if not scope.exact and scope.left > -math.huge then
    scope.exact, scope.left = true, scope.cap - scope.spent - waiting(scope)
  end
  return scope.left >= need
end

local function need_of(scope, ticket) return scope.fixed or ticket.segments * scope.each end

-- The cap that refuses a lane's next message, as admission.lua's `refusal` tells of any level.
local function refusal(now, lane, ticket)
  if not ticket then return nil end
  for _, scope in ipairs(of_lane(now, lane)) do
    if not fits(scope, need_of(scope, ticket)) then
      return scope.name, lane, now.steady + WAIT_MS
    end
  end
end

-- A message of the lane was granted.
local function charge(now, lane, ticket)
  for _, scope in ipairs(of_lane(now, lane)) do
    scope.left = scope.left - max(scope.message, need_of(scope, ticket))
    scope.granted, scope.taken[ticket.id] = scope.granted + 1, true
    scope.granted_segments = scope.granted_segments + ticket.segments
  end
end

local function amount(scope, number)
  if scope.measure ~= 'money' then return texts.rounded(number) end
  return string.format('%.4f', number / 1e9)
end

local function unit(scope) return scope.currency or scope.measure end

-- A level was refused for its cap: stop it, unless what is under way may tell more. Returns whether
-- the lane is out of the tree already. Behind a canary the rest only waits.
local function stop(now, refused)
  local scope = scopes[refused]
  local campaign = campaign_of(scope.level)
  if scope.measure == 'canary' then
    guards().fill(now, campaign)
    return false
  end
  if under_way(scope) > 0 then return false end
  local how = scope.measure == 'money' and 'billed or reckoned' or 'sent, or perhaps sent'
  local spent = scope.measure == 'money' and scope.spent or scope.spent + waiting(scope)
  local why = 'its cap of ' .. amount(scope, scope.cap) .. ' ' .. unit(scope) .. ' is reached: '
    .. amount(scope, spent) .. ' ' .. how
  if campaign then
    pausing().pause(now, campaign, scope.measure, why)
    return true
  end
  pausing().say(now, 'halt', scope.level, why)
  local ends = whole_ms((num(scope.day) + 1) * DAY_MS)
  local value = ends .. ',' .. whole_ms(now.wall) .. ',money cap|' .. why
  call('HSETNX', key('halts'), scope.level, value)
  return false
end

-- Note once where so much of a cap in money is spent that a person should know; `share` of it.
local function note(now)
  local share = num(match(limits.get('money') or '', '([^|]*)$'), 0.8)
  for _, scope in pairs(scopes) do
    local about = campaign_of(scope.level) and texts.rounded(scope.cap) or scope.day
    local field = 'warned:' .. scope.level
    local due = scope.measure == 'money' and scope.spent >= share * scope.cap
    if due and call('HGET', key('money'), field) ~= about then
      call('HSET', key('money'), field, about)
      pausing().say(now, 'warn', scope.level, amount(scope, scope.spent) .. ' of '
        .. amount(scope, scope.cap) .. ' ' .. scope.currency .. ' are spent')
    end
  end
end

return { is_cap = is_cap, refusal = refusal, charge = charge, stop = stop, note = note }
