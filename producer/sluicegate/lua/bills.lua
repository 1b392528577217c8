-- Bills: what the provider says of a message that it took, in its answer and in its receipts.
-- KEYS none. ARGV none.
-- Returns: parse, merged.
-- Keys touched: none.
--
-- A bill is carrier|parts|billionths|currency|line_type|registration|name; `carrier` is t
-- (T-Mobile), a (AT&T), o (neither), or empty where that is not known. What was not said is empty.
local match = string.match

local FORM = '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$'

-- Its parts: carrier ('' where unknown), parts and cost (in billionths; nil where not said),
-- currency. Of no bill: all of these are unsaid.
local function parse(bill)
  local carrier, parts, cost, currency = match(bill or '', FORM)
  return {
    carrier = carrier or '', parts = tonumber(parts), cost = tonumber(cost),
    currency = currency or '',
  }
end

-- The later of two bills of a message, with what only the one before (nil for none) says.
local function merged(before, bill)
  if not before or before == '' or before == bill then return bill end
  if bill == '' then return before end
  local old, new = { match(before, FORM) }, { match(bill, FORM) }
  if #old == 0 then return bill end
  if new[7] == '' then new[1], new[7] = new[1] ~= '' and new[1] or old[1], old[7] end
  if new[3] == '' then new[3], new[4] = old[3], old[4] end
  for _, n in ipairs({ 2, 5, 6 }) do
    if new[n] == '' then new[n] = old[n] end
  end
  return table.concat(new, '|')
end

return { parse = parse, merged = merged }
