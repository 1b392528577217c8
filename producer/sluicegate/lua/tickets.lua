-- A ticket, id|segments|type|expires_ms|to: all that a claim must know of a message to take it.
-- KEYS none. ARGV none.
-- Returns: parse.
-- Keys touched: none.
local match = string.match

-- Its parts: text (as it came), id, segments, kind, expires (ms, nil for never), to. `readable` is
-- false where the text can't be a ticket.
local function parse(ticket)
  local id, segments, kind, expires, to =
    match(ticket, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)')
  local size = tonumber(segments)
  return {
    text = ticket, id = id, segments = size or 1, kind = kind,
    expires = tonumber(expires), to = to or '',
    readable = id ~= nil and id ~= '' and size ~= nil
      and (kind == 'SMS' or kind == 'MMS') and to ~= '',
  }
end

return { parse = parse }
