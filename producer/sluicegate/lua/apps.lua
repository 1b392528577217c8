-- Apps: what each may still enqueue.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: parsed, refusal, which only read; charge; gate, which lets a batch in one by one.
-- Keys touched: apps (app_counts.lua), spent:<app>, pace:<app>.
local account, texts = part('sluicegate.account'), part('sluicegate.texts')
local key, num, ms, rounded = account.key, texts.num, texts.ms, texts.rounded
local call = redis.call

local ENDS = { 'accepted', 'cancelled', 'expired', 'suppressed', 'purged' }
local DAY_MS = 86400000 -- the day of a daily cap begins at midnight UTC
local FULL_MS = 10000   -- after so long an app that has too many waiting may ask again

local function waiting(app)
  local fields = { app .. ':enqueued' }
  for i, state in ipairs(ENDS) do fields[i + 1] = app .. ':' .. state end
  local found = call('HMGET', key('apps'), unpack(fields))
  local left = num(found[1], 0)
  for i = 2, #fields do left = left - num(found[i], 0) end
  return left
end

-- An app's caps as the producer's caps.py writes them: name=value;... with a number each, but for
-- the app's name and the costs of the messages, of which there is one each.
local function parsed(text)
  local caps = { costs = {} }
  for name, value in string.gmatch(text, '([^=;]+)=([^;]*)') do
    if name == 'costs' then
      for cost in string.gmatch(value, '%d+') do
        caps.costs[#caps.costs + 1] = tonumber(cost)
      end
    else
      caps[name] = tonumber(value) or value
    end
  end
  return caps
end

-- What the app has spent today: messages and money.
local function spent(now, app)
  local day = rounded(math.floor(now.wall / DAY_MS))
  local known = call('HMGET', key('spent:' .. app), 'day', 'messages', 'money')
  if known[1] ~= day then return day, 0, 0 end
  return day, num(known[2], 0), num(known[3], 0)
end

-- How long until so many more are within `caps.requests` in any `caps.window` ms; nil where they
-- are. The list holds when the last of them came, the latest first.
local function paced(now, caps, more)
  if not caps.requests or more == 0 then return nil end
  if more > caps.requests then return caps.window end
  local before = call('LINDEX', key('pace:' .. caps.app), caps.requests - more)
  local wait = before and tonumber(before) + caps.window - now.steady or 0
  return wait > 0 and wait or nil
end

-- The cap that refuses `new` messages, of which `sent` are not for somebody who opted out and cost
-- `cost`, and how many ms until it may be asked again; nil where none does.
local function refusal(now, caps, new, sent, cost)
  local wait = paced(now, caps, new)
  if wait then return 'per_second', wait end
  if sent == 0 then return nil end
  local full = caps.waiting and waiting(caps.app) + sent > caps.waiting
  if full then return 'most_waiting', FULL_MS end
  local _, messages, money = spent(now, caps.app)
  local cap = caps.messages and messages + sent > caps.messages and 'daily_messages'
    or caps.money and money + cost > caps.money and 'daily_money'
  if cap then return cap, DAY_MS - now.wall % DAY_MS end
end

-- They are enqueued: note what they use of the caps.
local function charge(now, caps, new, sent, cost)
  if caps.requests and new > 0 then
    local pace = key('pace:' .. caps.app)
    local at, times = ms(now.steady), {}
    for n = 1, math.min(new, caps.requests) do times[n] = at end
    call('LPUSH', pace, unpack(times))
    call('LTRIM', pace, 0, caps.requests - 1)
    call('PEXPIRE', pace, rounded(2 * caps.window + 1000))
  end
  if sent == 0 then return end
  local day, messages, money = spent(now, caps.app)
  call('HSET', key('spent:' .. caps.app), 'day', day, 'messages', rounded(messages + sent),
    'money', rounded(money + cost))
end

-- How many more are within the pace now, and how many ms until one more than these is.
local function within_pace(now, caps)
  local low, high = 0, caps.requests
  if not paced(now, caps, high) then return high, 0 end
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if paced(now, caps, middle) then high = middle - 1 else low = middle end
  end
  return low, paced(now, caps, low + 1)
end

local function whole(value) return value and rounded(math.ceil(value)) or '' end

-- New messages, each let in or refused by itself, as if it came alone:
--   admit(to_nobody, cost): the letter of the cap that refuses it, P per_second, W most_waiting,
--     D daily_messages, M daily_money; nil where none does.
--   close(dry): charges what was let in, unless it is a dry run. Returns for each of the four what
--     is left ('' for no such cap); then ms: until more is left of P, of W, and of D and M.
local function gate(now, caps)
  local pace, pace_ms = math.huge, 0
  if caps.requests then pace, pace_ms = within_pace(now, caps) end
  local room = caps.waiting and caps.waiting - waiting(caps.app)
  local _, messages, money = spent(now, caps.app)
  local new, sent, cost = 0, 0, 0
  local function admit(to_nobody, more)
    if new >= pace then return 'P' end
    if not to_nobody then
      if room and sent + 1 > room then return 'W' end
      if caps.messages and messages + sent + 1 > caps.messages then return 'D' end
      if caps.money and money + cost + more > caps.money then return 'M' end
      sent, cost = sent + 1, cost + more
    end
    new = new + 1
  end
  local function close(dry)
    if not dry then charge(now, caps, new, sent, cost) end
    if new > 0 and pace_ms == 0 then pace_ms = caps.window end
    return caps.requests and whole(pace - new) or '',
      room and whole(math.max(0, room - sent)) or '',
      caps.messages and whole(math.max(0, caps.messages - messages - sent)) or '',
      caps.money and whole(math.max(0, caps.money - money - cost)) or '',
      whole(pace_ms or 0), whole(FULL_MS), whole(DAY_MS - now.wall % DAY_MS)
  end
  return { admit = admit, close = close }
end

return { parsed = parsed, refusal = refusal, charge = charge, gate = gate }
