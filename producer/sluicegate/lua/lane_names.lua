-- What the name of a lane says, and that of a node of the tree over the lanes (lanes.lua).
-- KEYS none. ARGV none.
-- Returns: CLASSES; class_of, sender_of, campaign_in, scope_of, app_of, side_in, side_of,
--   is_node, is_app.
-- Keys touched: none.
local sub, match = string.sub, string.match

local CLASSES = { 'ts', 'tm', 'bs', 'bm' }

local function class_of(lane) return sub(lane, 1, 2) end
local function sender_of(lane) return match(lane, '^..:([^#@~^]*)') end
local function campaign_in(lane) return match(lane, '#(.*)$') end
local function side_in(lane) return match(lane, '~(.)') end
local function scope_of(member) return match(member, '@.*$') or '' end
local function app_of(lane) return match(lane, '@(.*)$') or '' end
local function side_of(lane, carrier)
  return (string.gsub(lane, '^..:[^#@~]*', '%0~' .. carrier, 1))
end
local function is_node(member) return sub(member, 2, 2) == '|' end
local function is_app(member) return sub(member, 1, 2) == 'a|' end

return {
  CLASSES = CLASSES, class_of = class_of, sender_of = sender_of, campaign_in = campaign_in,
  scope_of = scope_of, app_of = app_of, side_in = side_in, side_of = side_of, is_node = is_node,
  is_app = is_app,
}
