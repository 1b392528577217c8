-- What luacheck holds the scripts to: `luacheck .`
std = "lua51"
read_globals = { "cjson", "redis", "KEYS", "ARGV", "part", "later" }
max_line_length = 100
include_files = { "**/lua/*.lua" }
exclude_files = { ".venv" }
