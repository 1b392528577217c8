-- Brakes: how many messages go to numbers that begin alike, against pumping.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of, refusal, add.
-- Keys touched: those of got.lua.
--
-- A prefix's log is number:count of each tenth of its window: at most as many messages as it lets
-- through are in any eleven tenths, and so in any window.
local rounded, limits = part('sluicegate.texts').rounded, part('sluicegate.limits')
local got = part('sluicegate.got')
local sub, match, gmatch, max = string.sub, string.match, string.gmatch, math.max

local TENTHS = 11

local rule -- nil before it was asked, false where there is none

local function read_rule()
  local most, window, digits, bulk, own =
    match(limits.get('prefix') or '', '^(%d+)|(%d+)|(%d+)|(%d)|(.*)$')
  rule = most and {
    most = tonumber(most), tenth = window / 10, window = tonumber(window), length = digits + 1,
    bulk = bulk == '1', own = {},
  } or false
  for prefix, figure in gmatch(own or '', '([^=;]+)=(%d+)') do
    rule.own[prefix] = tonumber(figure)
  end
end

-- The prefix that brakes a lane's messages to a number, how many it lets through, in how many ms;
-- nil where none does.
local function of(lane, to)
  if rule == nil then read_rule() end
  if not rule or sub(lane, 1, 1) == 'b' and not rule.bulk then return nil end
  local prefix, most = sub(to, 1, rule.length), rule.most
  if next(rule.own) then
    for length = 2, #to do
      local figure = rule.own[sub(to, 1, length)]
      if figure then prefix, most = sub(to, 1, length), figure end
    end
  end
  if most > 0 then return prefix, most, rule.window end
end

local function tenths_of(now, prefix)
  local counts = {}
  for number, count in gmatch(got.log_of(now, 'p' .. prefix), '(%d+):(%d+)') do
    counts[#counts + 1] = { tonumber(number), tonumber(count) }
  end
  return counts
end

-- What holds a message up longer than until `slot`, as recipients.lua's refusal; nil if nothing.
local function refusal(now, lane, to, slot)
  local prefix, most, window = of(lane, to)
  if not prefix then return nil end
  local counts, sum = tenths_of(now, prefix), 0
  for i = #counts, 1, -1 do
    sum = sum + counts[i][2]
    local opens = sum >= most and (counts[i][1] + TENTHS) * rule.tenth or slot
    if opens > slot then
      return {
        code = 'prefix', opens = opens, line = 'p' .. prefix, ends = false,
        why = 'at most ' .. most .. ' in ' .. window / 1000 .. ' s to numbers from ' .. prefix
          .. ' on',
      }
    end
    if sum >= most then return nil end
  end
end

-- A message more at a slot, or less.
local function add(now, lane, to, slot, by)
  local prefix = of(lane, to)
  if not prefix then return end
  local number = math.floor(got.unit_of(slot) * got.UNIT_MS / rule.tenth)
  local counts, kept = tenths_of(now, prefix), {}
  local last = counts[#counts]
  if by > 0 and not (last and last[1] >= number) then counts[#counts + 1] = { number, 0 } end
  for _, count in ipairs(counts) do
    if count[1] == number then count[2] = max(0, count[2] + by) end
    if count[1] > number - TENTHS and count[2] > 0 then
      kept[#kept + 1] = rounded(count[1]) .. ':' .. rounded(count[2])
    end
  end
  got.write('p' .. prefix, table.concat(kept, ' '))
end

return { of = of, refusal = refusal, add = add }
