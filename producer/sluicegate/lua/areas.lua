-- Areas: where a number is, as far as its first digits tell: an area code in countries that begin
-- with +1, else a country.
-- KEYS none. ARGV none.
-- Returns: of.
-- Keys touched: none.
local match, sub = string.match, string.sub

-- Of the calling codes of two digits the first, and which digits may follow.
local SHORT = {
  ['2'] = '[07]', ['3'] = '[0-469]', ['4'] = '[013-9]', ['5'] = '[1-8]', ['6'] = '[0-6]',
  ['8'] = '[1246]', ['9'] = '[0-58]',
}

-- The area of a number in E.164: +1212, +44, +353. Mirrored by `area_of` in numbering.py.
local function of(number)
  local first = sub(number, 2, 2)
  if first == '1' then return sub(number, 1, 5) end
  if first == '7' then return '+7' end
  local short = SHORT[first] and match(number, '^%+' .. first .. SHORT[first])
  return short or sub(number, 1, 4)
end

return { of = of }
