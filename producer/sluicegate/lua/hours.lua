-- Hours: when recipients of a campaign may be sent to; it only reads.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: class_in, lane_of, level_of, closed_until, is_over.
-- Keys touched: hours:<n>.
--
-- Recipients whose hours are the same are a class, and wait in a lane of their own
-- (bs:+1555^k3u7aq2x#july). Python reckons for each class when it is open, for days ahead
-- (campaigns/hours); here the times are only compared. Where none is known, it is closed.
local key, names = part('sluicegate.account').key, part('sluicegate.lane_names')
local huge, match = math.huge, string.match

-- A POST that is started may be written so much later, by a worker that is far away.
local LATE_MS = 100
local UNKNOWN_MS = 60000 -- where no time is known, it is looked at again so often

local by_lane = {} -- the texts; false where there is none
local open_by_lane = {} -- the stretch in which each was open when it was asked last

local function class_in(lane) return match(lane, '%^([^~#]*)') end

-- Where a class of the campaign waits that has the lane `main`.
local function lane_of(main, class)
  return class == '' and main or (string.gsub(main, '^..:[^#@~^]*', '%0^' .. class, 1))
end

-- What a lane is refused for while it is closed.
local function level_of(lane) return 'hours:' .. names.campaign_in(lane) end

local function text_of(lane)
  local text = by_lane[lane]
  if text == nil then
    local class = class_in(lane)
    text = class and redis.call('HGET', key('hours:' .. names.campaign_in(lane)), class) or false
    by_lane[lane] = text
  end
  return text
end

-- The steady time from which on a lane is open that is closed at `steady`; nil where it is open.
-- A claim asks for each of its messages: the stretch in which one is open is kept for the others.
local function closed_until(now, lane, steady)
  local wall = steady - now.steady + now.wall
  local kept = open_by_lane[lane]
  if kept and wall >= kept[1] and wall < kept[2] then return nil end
  for opens, closes in string.gmatch(text_of(lane) or '', '(%d+)%-(%d+)') do
    local until_ms = tonumber(closes) - LATE_MS
    if wall < until_ms then
      local ahead = tonumber(opens) - wall
      if ahead > 0 then return steady + ahead end
      open_by_lane[lane] = { tonumber(opens), until_ms }
      return nil
    end
  end
  return steady + UNKNOWN_MS
end

-- Whether what waits in a lane has ended: its class never opens again.
local function is_over(now, lane)
  local over = match(text_of(lane) or '', '^%d+')
  return now.wall >= (tonumber(over) or huge)
end

return {
  class_in = class_in, lane_of = lane_of, level_of = level_of, closed_until = closed_until,
  is_over = is_over,
}
