-- Counts: the account's totals and each campaign's ledger; written once, at the end of a call.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: begin, add, count, tally, in_ledger, counts_maybe; at_end writes what changed.
-- Keys touched: totals, ledger:<campaign>.
local key, num = part('sluicegate.account').key, part('sluicegate.texts').num
local call = redis.call

local counts = {} -- by key and field: how much more

local function add(name, field, by)
  local fields = counts[name] or {}
  counts[name] = fields
  fields[field] = (fields[field] or 0) + by
end

-- A new campaign's ledger. One of version 0.1 has no `maybe_sent`, and never gets one: a count that
-- began in the middle would be wrong. `counts_segments` says that `segments` did not.
local function begin(campaign)
  call('HSET', key('ledger:' .. campaign), 'maybe_sent', 0, 'counts_segments', 1)
end

local function counts_maybe(campaign)
  return call('HEXISTS', key('ledger:' .. campaign), 'maybe_sent') == 1
end

local function count(field, by) add('totals', field, by or 1) end

-- A campaign's recipient goes from one state to another.
local function tally(campaign, from, to)
  add('ledger:' .. campaign, from, -1)
  add('ledger:' .. campaign, to, 1)
end

-- What a campaign's ledger says, with what this call has added.
local function in_ledger(campaign, field)
  local name = 'ledger:' .. campaign
  local added = counts[name] and counts[name][field] or 0
  return num(call('HGET', key(name), field), 0) + added
end

local function at_end()
  for name, fields in pairs(counts) do
    for field, by in pairs(fields) do
      if by ~= 0 then call('HINCRBY', key(name), field, by) end
    end
  end
end

return {
  begin = begin, add = add, count = count, tally = tally, in_ledger = in_ledger,
  counts_maybe = counts_maybe, at_end = at_end,
}
