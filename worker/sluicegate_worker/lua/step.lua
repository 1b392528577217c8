-- A worker's one call: settle what ended, start what is due, renew what lasts, claim what is next.
-- KEYS[1] the account's key prefix.
-- ARGV[1] lease_ms, [2] retention_ms, [3] token that the breaker's probe was asked for under (''
--   for none), [4] 1 where the provider answered it, then
--   count and that many settles, each: id, token, kind, provider_id, took_ms, flags (h answer
--     heard, t throttled, r replayed, p perhaps acted on, u uncharged, f the sender's queue is
--     full, b the provider failed, o the recipient has opted out, l if it counts, it is the last
--     that the policy allows), limit, remaining
--     (what the answer said of the rate, -1 where nothing), then count and that many of name and
--     value: delay, bulk_delay (ms), code, reason, answer, wait, window, reset (ms, of the rate; -1
--     where not said), hold (ms, of the sender), halt, halt_ends, profile (that the message names
--     beside its sender), bill (what the provider says of the message: bills.lua), trace (of the
--     message, for the event)
--   count and that many starts of 3: id, token, request ('' where it is stored already)
--   count and that many texts of 2: id of a message that starts, the hash of what it says
--   count and that many versions of 3: id of a message that starts, which of its campaign's texts
--     it was made of, its segments (0 where its ticket is right)
--   count and that many renewals of 2: id, token
--   token ('' to claim nothing), want, horizon_ms
-- Returns: {settle answers}, {start answers}, {renewal answers}, {wait_ms, why, grants}, each grant
--   being id, us until its slot, attempts, maybe, age, generation, content, request, free, the
--   version of its campaign's text where that is not the first, and its trace where it has one.
--   Where no limits are published it claims nothing: why is then 'unconfigured'.
-- Keys touched: those of its parts, and clock.
-- Called twice with the same arguments it answers alike and changes nothing more.
local key, num = part('sluicegate.account').key, part('sluicegate.texts').num
local clock, limits = part('sluicegate.clock'), part('sluicegate.limits')
local leases, optouts = part('sluicegate.leases'), later('sluicegate.optouts')
local Bucket, Breaker = part('sluicegate_worker.bucket'), part('sluicegate_worker.breaker')
local starting, window = later('sluicegate_worker.start'), later('sluicegate_worker.window')
local settling, claiming = later('sluicegate_worker.accepted'), later('sluicegate_worker.ask')
local outcomes, health = later('sluicegate_worker.outcomes'), later('sluicegate_worker.health')
local args = ARGV

local last_read = 0
local function arg()
  last_read = last_read + 1
  return args[last_read]
end
local function number_arg() return tonumber(arg()) end

-- These read what begins at an argument, and return with it how many arguments it took.
local function read_start(first)
  return { id = args[first], token = args[first + 1], request = args[first + 2] }, 3
end

local function read_renewal(first) return { id = args[first], token = args[first + 1] }, 2 end

-- So many, with their leases at hand.
local function read_all(count, read)
  local all, ids = {}, {}
  for n = 1, count do
    local item, took = read(last_read + 1)
    all[n], ids[n], last_read = item, item.id, last_read + took
  end
  leases.fetch(ids)
  return all
end

local function recipients_of(starts)
  local numbers = {}
  for _, start in ipairs(starts) do
    local lease = leases.get(start.id)
    if lease then numbers[#numbers + 1] = leases.ticket(lease).to end
  end
  return numbers
end

-- From the last to the first: what goes back to the head of a lane keeps its order there.
local function each(all, act)
  local answers = {}
  for i = #all, 1, -1 do answers[i] = act(all[i]) end
  return answers
end

local lease_ms, retention_ms = number_arg(), number_arg()
local now = clock.read()
local prober, well = arg(), arg() == '1'
local breaker = Breaker.load()
limits.fetch('limit', 'window_ms', 'ceiling', 'concurrency', 'recipient', 'money', 'events')
local bucket = Bucket.load(now, num(limits.get('limit'), 1), num(limits.get('window_ms'), 1000),
  num(limits.get('ceiling'), 0))
local ended = number_arg()
local settles = read_all(ended, ended > 0 and outcomes().read)
local starts = read_all(number_arg(), read_start)
local hashes = {} -- of what the messages that start say
for _ = 1, number_arg() do
  local id = arg()
  hashes[id] = arg()
end
local versions = {} -- of campaigns' texts that they were made of, and their segments then
for _ = 1, number_arg() do
  local id = arg()
  versions[id] = { made_of = arg(), segments = number_arg() }
end
local renewals = read_all(number_arg(), read_renewal)
-- A write that frees nothing counts as one that frees: after it, a full server takes the rest.
if #settles + #starts + #renewals > 0 then redis.call('ZREM', key('granted'), '') end
if prober ~= '' then health().hear_probe(now, breaker, prober, well) end
local settle = #settles > 0 and settling().settle
local settled = each(settles, function(outcome)
  return settle(now, bucket, breaker, outcome, retention_ms)
end)
if bucket.newest then window().learn(now, bucket) end
-- Now, for a settle may have told of one.
if #starts > 0 then optouts().fetch_all(recipients_of(starts)) end
local start = #starts > 0 and starting().start
local started = each(starts, function(post)
  post.text, post.version = hashes[post.id], versions[post.id]
  return start(now, breaker, post, lease_ms, retention_ms)
end)
local renewed = each(renewals, function(renewal)
  return starting().renew(now, renewal, lease_ms)
end)

clock.save(now) -- a write that grows: where nothing ended or was kept, a full server stops here
if Breaker.may_be_silent(breaker) then health().mind_silence(now, breaker, bucket) end
local claimed = { '0', '', {} }
local request = { token = arg(), want = number_arg(), horizon = number_arg() }
if request.token ~= '' and limits.get('limit') then
  request.lease_ms, request.retention_ms = lease_ms, retention_ms
  request.concurrency = tonumber(limits.get('concurrency'))
  claimed = claiming().claim(now, bucket, breaker, request)
elseif request.token ~= '' then
  claimed = { '0', 'unconfigured', {} }
end
Bucket.save(bucket)
Breaker.save(breaker)
return { settled, started, renewed, claimed }
