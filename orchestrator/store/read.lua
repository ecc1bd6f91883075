-- The moment and fields of a run, all of them if none is named.
-- KEYS: the run. ARGV: fields.

local CHUNK = 4000 -- Lua's stack holds 8000 values
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if #ARGV == 0 then return {now, redis.call('HGETALL', KEYS[1])} end
local values = {}
for first = 1, #ARGV, CHUNK do
  local part = redis.call('HMGET', KEYS[1], unpack(ARGV, first, math.min(first + CHUNK - 1, #ARGV)))
  if #ARGV <= CHUNK then return {now, part} end
  for _, value in ipairs(part) do values[#values + 1] = value end
end
return {now, values}
