-- Money: what was billed of what a cap in money counts.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: billed. It only reads.
-- Keys touched: day_costs:<d>, costs:<n>.
local num = part('sluicegate.texts').num
local call, match = redis.call, string.match

-- The cost in a currency, for how many messages and parts, and how many others there are: of no
-- cost known, or billed in another currency. `of` says which field of a day, nil for all of them.
local function billed(name, currency, of)
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
  if of then
    local sums = call('HMGET', name, currency .. of, of)
    add(true, sums[1])
    add(false, sums[2])
    return cost, messages, parts, others
  end
  local all = call('HGETALL', name)
  for i = 1, #all, 2 do add(match(all[i], '^[^|]*') == currency, all[i + 1]) end
  return cost, messages, parts, others
end

return { billed = billed }
