-- The runs of a shard that are due, longest due first, and which of their addresses are: now, then a list for each run,
-- its id and the addresses. Changes nothing.
-- KEYS: the shard's ledger. ARGV: how many addresses at most, and what stands before and after the id in the names of
-- the runs' ledgers (of the same slot), which cannot be KEYS as only the shard's ledger knows whose they are.

local limit, before, after = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local moment = string.format('%.0f', now)

local answer = {now}
for _, run_id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', moment, 'LIMIT', 0, limit)) do
  if limit <= 0 then break end
  local found = redis.call('ZRANGEBYSCORE', before .. run_id .. after, '-inf', moment, 'LIMIT', 0, limit)
  limit = limit - #found
  table.insert(found, 1, run_id)
  answer[#answer + 1] = found
end
return answer
