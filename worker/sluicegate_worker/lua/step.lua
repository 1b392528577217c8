-- A worker's one call: settle what ended, start what is due, renew what lasts, claim what may go next.
-- KEYS[1] the account's key prefix.
-- ARGV[1] lease_ms, [2] retention_ms, [3] configured limit, [4] window_ms, [5] concurrency, then
--   count and that many settles of 15: id, token, kind, delay_ms, code, reason, answer, provider_id, took_ms,
--     limit, remaining, wait_ms ('' where not said), flags (h answer heard, t throttled, r replayed, p perhaps
--     acted on, u uncharged), halt, halt_until_ms
--   count and that many starts of 3: id, token, request ('' where it is stored already)
--   count and that many renewals of 2: id, token
--   token ('' to claim nothing), want, horizon_ms
-- Returns: {settle answers}, {start answers}, {renewal answers}, {wait_ms, why, grants}, each grant being
--   id, ms until its slot, attempts, maybe, age, generation, content, request.
-- Keys touched: those of its parts, and clock.
-- Called twice with the same arguments it answers alike and changes nothing more.
local at = 0
local function arg()
  at = at + 1
  return ARGV[at]
end
local function narg() return tonumber(arg()) end

local lease_ms, retention_ms, limit, window, concurrency = narg(), narg(), narg(), narg(), narg()
local c = clock()
local b = load_bucket(c, limit, window)

local function read_settle()
  local s = {
    id = arg(), token = arg(), kind = arg(), delay = narg(), code = arg(), reason = arg(), answer = arg(),
    provider_id = arg(), took = narg(), limit = narg(), remaining = narg(), wait = narg(),
  }
  local flags = arg()
  s.heard, s.throttled = string.find(flags, 'h') ~= nil, string.find(flags, 't') ~= nil
  s.replayed, s.perhaps = string.find(flags, 'r') ~= nil, string.find(flags, 'p') ~= nil
  s.free = string.find(flags, 'u') ~= nil
  s.halt, s.halt_until = arg(), arg()
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
local settled = each(settles, function(s) return settle(c, b, s, retention_ms) end)
local started = each(starts, function(s) return start(c, s, lease_ms, retention_ms) end)
local renewed = each(renewals, function(s) return renew(c, s, lease_ms) end)

save_clock(c) -- a write that grows: where there was nothing to end or keep, a full server stops here
local claimed = { '0', '', {} }
local q = { token = arg(), want = narg(), horizon = narg() }
if q.token ~= '' then
  q.lease_ms, q.retention_ms, q.concurrency = lease_ms, retention_ms, concurrency
  claimed = claim(c, b, q)
end
save_bucket(b)
return { settled, started, renewed, claimed }
