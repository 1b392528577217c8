-- A worker's one call: settle what ended, start what is due, renew what lasts, claim what may go next.
-- KEYS[1] the account's key prefix.
-- ARGV[1] lease_ms, [2] retention_ms, [3] token that the breaker's probe was asked for under ('' for none), [4] 1
--   where the provider answered it, then
--   count and that many settles, each: id, token, kind, provider_id, took_ms, flags (h answer heard, t throttled,
--     r replayed, p perhaps acted on, u uncharged, f the sender's queue is full, b the provider failed, o the
--     recipient has opted out), limit, remaining (what the answer said of the rate, -1 where nothing), then count
--     and that many of name and value: delay (ms), code, reason, answer, wait, window, reset (ms, of the rate; -1
--     where not said), hold (ms, of the sender), halt, halt_ends
--   count and that many starts of 3: id, token, request ('' where it is stored already)
--   count and that many renewals of 2: id, token
--   token ('' to claim nothing), want, horizon_ms
-- Returns: {settle answers}, {start answers}, {renewal answers}, {wait_ms, why, grants}, each grant being
--   id, ms until its slot, attempts, maybe, age, generation, content, request. Where no limits are published
--   it claims nothing: why is then 'unconfigured'.
-- Keys touched: those of its parts, and clock.
-- Called twice with the same arguments it answers alike and changes nothing more.
local FLAGS = {
  h = 'heard', t = 'throttled', r = 'replayed', p = 'perhaps', u = 'free', f = 'full', b = 'failing', o = 'opted_out',
}

local at = 0 -- the argument read last
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

local NUMBERS = { delay = true, wait = true, window = true, reset = true, hold = true }
local UNSAID = {
  delay = 0, code = '', reason = '', answer = '', wait = -1, window = -1, reset = -1, hold = 0, halt = '',
  halt_ends = '',
}
local OR_UNSAID = { __index = UNSAID }

local function read_settle(i)
  local s = {
    id = ARGV[i], token = ARGV[i + 1], kind = ARGV[i + 2], provider_id = ARGV[i + 3], took = tonumber(ARGV[i + 4]),
    limit = tonumber(ARGV[i + 6]), remaining = tonumber(ARGV[i + 7]),
  }
  local flags, others = ARGV[i + 5], tonumber(ARGV[i + 8])
  for n = 1, #flags do s[FLAGS[string.sub(flags, n, n)]] = true end
  for at = i + 9, i + 7 + 2 * others, 2 do
    s[ARGV[at]] = NUMBERS[ARGV[at]] and tonumber(ARGV[at + 1]) or ARGV[at + 1]
  end
  return setmetatable(s, OR_UNSAID), 9 + 2 * others
end

local function read_start(i) return { id = ARGV[i], token = ARGV[i + 1], request = ARGV[i + 2] }, 3 end
local function read_renewal(i) return { id = ARGV[i], token = ARGV[i + 1] }, 2 end

-- As many as the next argument says, with their leases at hand. `read` says how many arguments it took.
local function read_all(read)
  local all, ids, took = {}, {}, 0
  for n = 1, narg() do
    all[n], took = read(at + 1)
    ids[n], at = all[n].id, at + took
  end
  fetch_leases(ids)
  return all
end

local function recipients_of(starts)
  local numbers = {}
  for _, s in ipairs(starts) do
    local lease = read_lease(s.id)
    if lease then numbers[#numbers + 1] = ticket_of(lease).to end
  end
  return numbers
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
fetch_optouts(recipients_of(starts)) -- now, for a settle may have told of one
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
