-- Approval: where it is configured, a second person lets a campaign go out, as it then is.
-- KEYS[1] the account's key prefix. ARGV none.
-- Returns: is_missing, is_early, which only read; changed, no_longer_resumes, approve.
-- Keys touched: campaign:<n>; those of pausing.lua; it reads limits.
--
-- `changes` counts what was changed of a campaign's text, recipients, caps, guards and start;
-- `changed_by` is who did it last, and `changers` are all who did, by lines: none of them may
-- approve it. An approval is of so many changes: one more, and it is void, and
-- the campaign pauses if it runs. The field `approval` of the limits is there where every campaign
-- needs it: who may give it, by lines, or * for anybody. A campaign with `drafted_by` needs it too:
-- an agent, which is no person, has drafted it. No agent approves anything.
local account, limits = part('sluicegate.account'), part('sluicegate.limits')
local pausing = later('sluicegate.pausing')
local num = part('sluicegate.texts').num
local key, call = account.key, redis.call

local AGENT = 'agent:' -- what the names of agents begin with

local function is_needed(campaign)
  return limits.get('approval') or call('HGET', campaign, 'drafted_by')
end

-- Whether a campaign may not go out yet.
local function is_missing(name)
  local campaign = key('campaign:' .. name)
  return is_needed(campaign) and not call('HGET', campaign, 'approved')
end

-- Whether a campaign that is scheduled would start before the time that somebody approves it for.
local function is_early(now, name)
  local campaign = key('campaign:' .. name)
  local at = is_needed(campaign) and call('HGET', campaign, 'at')
  return at and num(at, 0) > now.wall
end

local function has_line(lines, line)
  return string.find('\n' .. lines .. '\n', '\n' .. line .. '\n', 1, true) ~= nil
end

-- All who have changed a campaign; an earlier version kept the last of them alone.
local function changers_of(campaign)
  local fields = call('HMGET', campaign, 'changers', 'changed_by')
  return fields[1] or fields[2] or ''
end

local function note_changer(campaign, who)
  local changers = changers_of(campaign)
  local known = changers ~= '' and has_line(changers, who)
  local all = known and changers or changers == '' and who or changers .. '\n' .. who
  call('HSET', campaign, 'changed_by', who, 'changers', all)
end

-- A campaign is no longer what somebody approved; `said` is the audit's entry of that.
local function changed(now, name, said)
  local campaign = key('campaign:' .. name)
  call('HINCRBY', campaign, 'changes', 1)
  if said ~= '' then note_changer(campaign, cjson.decode(said).who) end
  call('HDEL', campaign, 'approved')
  if is_needed(campaign) and call('HGET', campaign, 'state') == 'running' then
    pausing().pause(now, name, 'approval', 'it was changed after it was approved')
  end
end

-- A person pauses what waits for an approval: whoever approves it does not resume it then. Returns
-- whether that was so.
local function no_longer_resumes(name)
  local campaign = key('campaign:' .. name)
  if call('HGET', campaign, 'stopped_by') ~= 'approval' then return false end
  return call('HDEL', campaign, 'stopped', 'stopped_by') > 0
end

-- Approve it as it was after so many changes. Returns approved; or changed | same (who changed it
-- can't approve it) | stranger (who may not approve anything) | agent.
local function approve(name, seen, approval)
  local campaign, who = key('campaign:' .. name), cjson.decode(approval).who
  local fields = call('HMGET', campaign, 'changes', 'approved')
  if (fields[1] or '0') ~= seen then return 'changed' end
  local may = limits.get('approval') or '*'
  if string.sub(who, 1, #AGENT) == AGENT then return 'agent' end
  if may ~= '*' and not has_line(may, who) then return 'stranger' end
  if has_line(changers_of(campaign), who) then return 'same' end
  if not fields[2] then call('HSET', campaign, 'approved', approval) end
  return 'approved'
end

return {
  is_missing = is_missing, is_early = is_early, changed = changed,
  no_longer_resumes = no_longer_resumes, approve = approve,
}
