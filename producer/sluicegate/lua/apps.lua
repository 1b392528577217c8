-- Apps: what each may still enqueue.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: parsed, refusal, which only read; charge.
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
    for _ = 1, new do call('LPUSH', pace, ms(now.steady)) end
    call('LTRIM', pace, 0, caps.requests - 1)
    call('PEXPIRE', pace, rounded(2 * caps.window + 1000))
  end
  if sent == 0 then return end
  local day, messages, money = spent(now, caps.app)
  call('HSET', key('spent:' .. caps.app), 'day', day, 'messages', rounded(messages + sent),
    'money', rounded(money + cost))
end

return { parsed = parsed, refusal = refusal, charge = charge }
