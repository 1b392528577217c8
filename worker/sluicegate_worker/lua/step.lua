-- A worker's one call: settle what ended, start what is due, renew what lasts, claim what may go next.
-- KEYS[1] the account's key prefix.
-- ARGV[1] lease_ms, [2] retention_ms, [3] token that the breaker's probe was asked for under ('' for none), [4] 1
--   where the provider answered it, then
--   count and that many settles of 18: id, token, kind, delay_ms, code, reason, answer, provider_id, took_ms,
--     limit, remaining, wait_ms, window_ms, reset_ms (what the answer said of the rate, -1 where nothing), hold_ms
--     (of the sender), flags (h answer heard, t throttled, r replayed, p perhaps acted on, u uncharged, f the
--     sender's queue is full, b the provider failed, o the recipient has opted out), halt, halt_ends
--   count and that many starts of 3: id, token, request ('' where it is stored already)
--   count and that many renewals of 2: id, token
--   token ('' to claim nothing), want, horizon_ms
-- Returns: {settle answers}, {start answers}, {renewal answers}, {wait_ms, why, grants}, each grant being
--   id, ms until its slot, attempts, maybe, age, generation, content, request. Where no limits are published
--   it claims nothing: why is then 'unconfigured'.
-- Keys touched: those of its parts, and clock.
-- Called twice with the same arguments it answers alike and changes nothing more.
local at = 0
local function arg()
  at = at + 1
  return ARGV[at]
end
local function narg() return tonumber(arg()) end

local lease_ms, retention_ms = narg(), narg()
local c = clock()
local prober, well = arg(), arg() == '1'
local br = load_breaker()
local b = load_bucket(c, num(limits('limit'), 1), num(limits('window_ms'), 1000))

local function read_settle()
  local s = {
    id = arg(), token = arg(), kind = arg(), delay = narg(), code = arg(), reason = arg(), answer = arg(),
    provider_id = arg(), took = narg(), limit = narg(), remaining = narg(), wait = narg(), window = narg(),
    reset = narg(), hold = narg(),
  }
  local flags = arg()
  s.heard, s.throttled = string.find(flags, 'h') ~= nil, string.find(flags, 't') ~= nil
  s.replayed, s.perhaps = string.find(flags, 'r') ~= nil, string.find(flags, 'p') ~= nil
  s.free, s.full = string.find(flags, 'u') ~= nil, string.find(flags, 'f') ~= nil
  s.failing, s.opted_out = string.find(flags, 'b') ~= nil, string.find(flags, 'o') ~= nil
  s.halt, s.halt_ends = arg(), arg()
  return s
end

local function read_start() return { id = arg(), token = arg(), request = arg() } end
local function read_renewal() return { id = arg(), token = arg() } end

local function read_all(read)
  local all = {}
  for i = 1, narg() do all[i] = read() end
  return all
end

-- From the last to the first: what goes back to the head of a lane keeps its order there.
local function each(all, act)
  local answers = {}
  for i = #all, 1, -1 do answers[i] = act(all[i]) end
  return answers
end

local settles, starts, renewals = read_all(read_settle), read_all(read_start), read_all(read_renewal)
-- A write that frees nothing counts as one that frees: after it, a full server takes the rest.
if #settles + #starts + #renewals > 0 then redis.call('ZREM', key('granted'), '') end
hear_probe(c, br, prober, well)
local settled = each(settles, function(s) return settle(c, b, br, s, retention_ms) end)
local started = each(starts, function(s) return start(c, br, s, lease_ms, retention_ms) end)
local renewed = each(renewals, function(s) return renew(c, s, lease_ms) end)

save_clock(c) -- a write that grows: where there was nothing to end or keep, a full server stops here
mind_silence(c, br, b)
local claimed = { '0', '', {} }
local q = { token = arg(), want = narg(), horizon = narg() }
if q.token ~= '' and limits('limit') then
  q.lease_ms, q.retention_ms, q.concurrency = lease_ms, retention_ms, tonumber(limits('concurrency'))
  claimed = claim(c, b, br, q)
elseif q.token ~= '' then
  claimed = { '0', 'unconfigured', {} }
end
save_bucket(b)
save_breaker(br)
return { settled, started, renewed, claimed }
