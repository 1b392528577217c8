-- Left out: whom a person took out of a campaign that runs, by carrier, area or a kept column.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: of. It only reads.
-- Keys touched: those of guards.lua and carriers.lua.
local guards, carriers = part('sluicegate.guards'), part('sluicegate.carriers')
local areas = part('sluicegate.areas')
local match, lower = string.match, string.lower

local VALUES = '^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|(.*)$' -- of a recipient's ticket

-- Case makes no difference, nor do spaces around.
local function plain(text) return lower(match(text, '^%s*(.-)%s*$')) end

local is_one = {} -- by kind of condition: whether a ticket is one of those

function is_one.carrier(now, ticket, without)
  return carriers.of(now, ticket.to) == without.value
end

function is_one.area(_, ticket, without)
  local prefix = without.value
  return areas.of(ticket.to) == prefix or string.sub(ticket.to, 1, #prefix) == prefix
end

function is_one.column(_, ticket, without)
  local values = match(ticket.text, VALUES)
  local value = values and cjson.decode(values)[without.at]
  return value ~= nil and plain(value) == plain(without.value)
end

-- Why a ticket's message ends, as a refusal of recipients.lua tells; nil where it may go.
local function of(now, campaign, ticket)
  for _, without in ipairs(guards.of(campaign).without or {}) do
    if is_one[without.kind](now, ticket, without) then
      return { code = 'left_out', why = 'a person left it out: ' .. without.said }
    end
  end
end

return { of = of }
