-- Halts: levels that a person stopped, or a cause that further messages would meet too.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: in_force, of, which only read; begin, clear_ended.
-- Keys touched: those of levels.lua, halts.
local key = part('sluicegate.account').key
local levels, texts = later('sluicegate.levels'), part('sluicegate.texts')
local call = redis.call

local current, ended -- read once a call: level -> { ends, why }; the levels whose halts have ended

-- Those in force, by level: ends (wall ms, nil until it is lifted), since (wall ms), who and why;
-- '' where an older version did not keep it.
local function in_force(now)
  if current then return current end
  current, ended = {}, {}
  local all = call('HGETALL', key('halts'))
  for i = 1, #all, 2 do
    local ends, why = string.match(all[i + 1], '^([^|]*)|(.*)$')
    local at, since, who = string.match(ends, '^([^,]*),([^,]*),(.*)$')
    ends = tonumber(at or ends)
    if ends and now.wall >= ends then
      ended[#ended + 1] = all[i]
    else
      current[all[i]] = { ends = ends, why = why, since = since or '', who = who or '' }
    end
  end
  return current
end

-- The halt that stops a lane, and which kind of its levels that is; nil where none does.
local function of(now, lane)
  local halts = current or in_force(now)
  if not next(halts) then return nil end
  if halts.account then return halts.account, 'account' end
  for kind, level in pairs(levels().of(lane)) do
    if halts[level.halt] then return halts[level.halt], kind end
  end
end

local function clear_ended(now)
  in_force(now)
  if #ended > 0 then call('HDEL', key('halts'), unpack(ended)) end
  ended = {}
end

-- Stop a level. The first cause is kept while it is in force. `ends` is wall ms, '' until it is
-- lifted; `app` is whose message met the cause, '' for nobody's.
local function begin(now, level, ends, why, app)
  clear_ended(now)
  local since = texts.whole_ms(now.wall)
  local who = app == '' and 'provider' or 'provider, app ' .. app
  call('HSETNX', key('halts'), level, ends .. ',' .. since .. ',' .. who .. '|' .. why)
  current = nil
end

return { in_force = in_force, of = of, clear_ended = clear_ended, begin = begin }
