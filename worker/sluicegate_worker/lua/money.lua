-- Money: what stops before its messages cost more than its cap allows.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: refusal, which only reads; charge, stop, note.
-- Keys touched: halts, money, campaign:<n>, running, closed, those of lanes.lua and audit.lua; it
--   reads limits, day_costs:<d>, costs:<n>, lanes:<n>, leases, doubts, ledger:<n>.
--
-- A cap is a campaign's, or an app's or the account's for a day (UTC). What counts is what was
-- billed in its currency, and an estimate for each message that may cost and has not been billed
-- yet: under way, in doubt, or accepted without a cost. One is reckoned at the mean of what was
-- billed, and never below the configured price. While anything of it is under way, the rest waits
-- for what that costs; once nothing is, and the next message still does not fit, it stops: a
-- campaign is paused, an app or the account is halted until the day ends.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local limits, lanes = part('sluicegate.limits'), later('sluicegate.lanes')
local leases, counts = part('sluicegate.leases'), part('sluicegate.counts')
local campaigns, owner_of = part('sluicegate.campaigns'), part('sluicegate.app_counts').of
local names = part('sluicegate.lane_names')
local audit = later('sluicegate.audit')
local key, num, whole_ms = account.key, texts.num, texts.whole_ms
local call, match, sub, max = redis.call, string.match, string.sub, math.max

local DAY_MS, WAIT_MS, MOST_DOUBTS = 86400000, 1000, 1000
local CAPPED = 'money:' -- what a level is called that refuses for its cap

local scopes, by_lane = {}, {} -- by level; and those of each lane

local function campaign_of(level) return match(level, '^campaign:(.*)$') end
local function app_of(level) return match(level, '^app:(.*)$') end

local function owns(level, id)
  if level == 'account' then return true end
  return campaigns.of(id) == campaign_of(level) and owner_of(id) == app_of(level)
end

-- How many messages of a level workers hold.
local function under_way(scope)
  if scope.level == 'account' then return leases.count('granted') + leases.count('started') end
  local mine, held = {}, scope.granted
  for _, id in ipairs(call('HKEYS', key('leases'))) do
    if owns(scope.level, id) then mine[#mine + 1] = id end
  end
  leases.fetch(mine)
  for _, id in ipairs(mine) do held = held + (leases.get(id) and 1 or 0) end
  return held
end

-- How many of them may have been sent, and nobody knows.
local function in_doubt(scope)
  local campaign = campaign_of(scope.level)
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

-- What was billed: the cost in the cap's currency, for how many messages and parts, and how many
-- others there are: of no cost known, or billed in another currency.
local function billed(scope)
  local sums = scope.fields and call('HMGET', scope.key, unpack(scope.fields))
  local cost, messages, parts, others = 0, 0, 0, 0
  local function add(own, text)
    local amount, sent, counted = match(text or '', '^(%d+) (%d+) (%d+)$')
    if own then
      cost, messages = cost + num(amount, 0), messages + num(sent, 0)
      parts = parts + num(counted, 0)
    else
      others = others + num(sent, 0)
    end
  end
  if sums then
    add(true, sums[1])
    add(false, sums[2])
    return cost, messages, parts, others
  end
  local all = call('HGETALL', scope.key)
  for i = 1, #all, 2 do add(match(all[i], '^[^|]*') == scope.currency, all[i + 1]) end
  return cost, messages, parts, others
end

-- A level with a cap: what is left of it, where all that may be under way counts (`exact`: what is
-- of this level alone), and what a message and a part are reckoned at.
local function new_scope(now, level, cap, currency, price)
  local scope = { level = level, cap = tonumber(cap), currency = currency, granted = 0 }
  local campaign, app = campaign_of(level), app_of(level)
  scope.day = texts.rounded(math.floor(now.wall / DAY_MS))
  scope.key = campaign and key('costs:' .. campaign) or key('day_costs:' .. scope.day)
  local of = app and '|app|' .. app or '|all'
  if not campaign then scope.fields = { currency .. of, of } end
  local cost, messages, parts, others = billed(scope)
  scope.message = max(price, messages > 0 and cost / messages or 0)
  scope.each = max(price, parts > 0 and cost / parts or 0)
  scope.spent = cost + others * scope.message
  local lifted = not campaign and call('HGET', key('money'), 'lifted:' .. level) == scope.day
  local most = leases.count('granted') + leases.count('started') + call('ZCARD', key('doubts'))
  if campaign then most = most + in_doubt(scope) end
  scope.left = lifted and math.huge or scope.cap - scope.spent - most * scope.message
  return scope
end

local function scope_of(now, level, cap, currency, price)
  scopes[level] = scopes[level] or new_scope(now, level, cap, currency, price)
  return scopes[level]
end

local function of_lane(now, lane)
  if by_lane[lane] then return by_lane[lane] end
  local mine, campaign, app = {}, names.campaign_in(lane), names.app_of(lane)
  local currency, sms, mms = match(limits.get('money') or '', '^([^|]*)|([^|]*)|([^|]*)')
  local price = num(sub(lane, 2, 2) == 's' and sms or mms, 0)
  for _, level in ipairs({ 'account', app ~= '' and 'app:' .. app or nil }) do
    local cap = currency and limits.get('money:' .. level)
    if cap then mine[#mine + 1] = scope_of(now, level, cap, currency, price) end
  end
  local max_cost = campaign and campaigns.facts(campaign).max_cost
  if max_cost then
    local cap, of, its_price = match(max_cost, '^([^|]*)|([^|]*)|([^|]*)$')
    mine[#mine + 1] = scope_of(now, 'campaign:' .. campaign, cap, of, num(its_price, 0))
  end
  by_lane[lane] = mine
  return mine
end

local function fits(scope, need)
  if scope.left >= need then return true end
  if not scope.exact and scope.left > -math.huge then
    scope.exact = true
    local waits = under_way(scope) + in_doubt(scope)
    scope.left = scope.cap - scope.spent - waits * scope.message
  end
  return scope.left >= need
end

-- The cap that refuses a lane's next message, as admission.lua's `refusal` tells of any level.
local function refusal(now, lane, ticket)
  if not ticket then return nil end
  for _, scope in ipairs(of_lane(now, lane)) do
    if not fits(scope, ticket.segments * scope.each) then
      return CAPPED .. scope.level, lane, now.steady + WAIT_MS
    end
  end
end

-- A message of the lane was granted.
local function charge(now, lane, ticket)
  for _, scope in ipairs(of_lane(now, lane)) do
    scope.left = scope.left - max(scope.message, ticket.segments * scope.each)
    scope.granted = scope.granted + 1
  end
end

local function amount(billionths)
  return string.format('%.4f', billionths / 1e9)
end

local function say(now, action, scope, why)
  local said = '{"who":"sluicegate","action":"' .. action .. '","why":"' .. why
    .. '","filter":{"level":"' .. scope.level .. '"}}'
  audit().write(now, said, 1)
end

local function pause(now, campaign, why)
  local name, at = key('campaign:' .. campaign), whole_ms(now.wall)
  local main = call('HGET', name, 'lane')
  call('HSET', name, 'state', 'paused', 'paused', at, 'stopped', why)
  campaigns.facts(campaign).state = 'paused'
  call('SREM', key('running'), campaign)
  call('ZADD', key('closed'), at, campaign)
  lanes().take_out(names.class_of(main), main)
  for _, lane in ipairs(call('SMEMBERS', key('lanes:' .. campaign))) do
    lanes().take_out(names.class_of(lane), lane)
  end
end

-- A level was refused for its cap: stop it, unless what is under way may tell more. Returns whether
-- the lane is out of the tree already.
local function stop(now, refused)
  local scope = scopes[sub(refused, #CAPPED + 1)]
  if under_way(scope) > 0 then return false end
  local why = 'its cap of ' .. amount(scope.cap) .. ' ' .. scope.currency .. ' is reached: '
    .. amount(scope.spent) .. ' billed or reckoned'
  local campaign = campaign_of(scope.level)
  say(now, campaign and 'pause' or 'halt', scope, why)
  if campaign then
    pause(now, campaign, why)
    return true
  end
  local ends = whole_ms((num(scope.day) + 1) * DAY_MS)
  local value = ends .. ',' .. whole_ms(now.wall) .. ',money cap|' .. why
  call('HSETNX', key('halts'), scope.level, value)
  return false
end

-- Note once where so much of a cap is spent that a person should know; `share` of it.
local function note(now)
  local share = num(match(limits.get('money') or '', '([^|]*)$'), 0.8)
  for level, scope in pairs(scopes) do
    local about = campaign_of(level) and texts.rounded(scope.cap) or scope.day
    local field, due = 'warned:' .. level, scope.spent >= share * scope.cap
    if due and call('HGET', key('money'), field) ~= about then
      call('HSET', key('money'), field, about)
      say(now, 'warn', scope, amount(scope.spent) .. ' of ' .. amount(scope.cap) .. ' '
        .. scope.currency .. ' are spent')
    end
  end
end

return { refusal = refusal, charge = charge, stop = stop, note = note }
