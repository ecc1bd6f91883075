-- Makes who asks the leader, or keeps it the leader, unless another one leads; or lets it resign.
-- KEYS: the leadership. ARGV: who asks, for how many ms; 0: it resigns.
-- Answers: the number of its leadership, 0 if it does not lead. Each new leadership has a higher number.

local LEADER, HOLDER, LEASE = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local held = redis.call('HMGET', LEADER, 'holder', 'fence', 'until')
local fence, leads = tonumber(held[2] or 0), held[3] and tonumber(held[3]) > now

local function keep(moment)
  redis.call('HSET', LEADER, 'holder', HOLDER, 'fence', string.format('%.0f', fence), 'until', string.format('%.0f', moment))
end

if leads and held[1] ~= HOLDER then return 0 end
if LEASE == 0 then
  if leads then keep(now) end
  return 0
end
if not leads then fence = fence + 1 end
keep(now + LEASE)
return fence
