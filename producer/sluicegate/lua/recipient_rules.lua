-- Rules: what a lane's messages are held to for the sake of their recipients.
-- KEYS none. ARGV none.
-- Returns: rule_of.
-- Keys touched: those of limits.lua.
local limits, scope_of = part('sluicegate.limits'), part('sluicegate.lane_names').scope_of
local match = string.match

local rules = {} -- by lane; false where there is none

local function parse(text, class, line)
  local beyond, quiet, same, kept, windows = match(text, '^(%a+)|(%d+)|(%d+)|(%d+)|(.*)$')
  local rule = {
    ends = beyond == 'end', quiet = tonumber(quiet), same = tonumber(same),
    kept = tonumber(kept), class = class, line = line, windows = {},
  }
  for span, most in string.gmatch(windows, '(%d+)=(%d+)') do
    rule.windows[#rule.windows + 1] = { ms = tonumber(span), most = tonumber(most) }
  end
  return rule
end

-- nil for nothing. `windows` are those in which so many may go (`most`), `quiet` the ms from one to
-- the next, `same` those to the same text again (0 for no such rule), `kept` how many times of each
-- recipient these need, and `line` is where messages wait.
local function rule_of(lane)
  local rule = rules[lane]
  if rule == nil then
    local class, scope = string.sub(lane, 1, 1), scope_of(lane)
    local own = scope ~= '' and limits.get('recipient:' .. class .. scope)
    local text = own or limits.get('recipient:' .. class)
    rule = text and parse(text, class, class .. (own and scope or '')) or false
    rules[lane] = rule
  end
  return rule or nil
end

return { rule_of = rule_of }
