-- Adds to the sums of metrics what a batch of the feed comes to, and moves the reader on, if it is where it was taken to be.
-- KEYS: the reader's positions, since when hours are rolled up, then the hashes of sums. ARGV: the shard, the id where the
-- reader was taken to be, the id of where it is then, and for each hash JSON: {until: the moment of its end, or absent,
-- add: {field: by how much}}.
-- Answers 1 if that was done, 0 if somebody else had moved the reader.

local POSITIONS, SINCE, SHARD, AFTER, UPTO = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local HOUR_S = 3600

if (redis.call('HGET', POSITIONS, SHARD) or '0-0') ~= AFTER then return 0 end
if redis.call('EXISTS', SINCE) == 0 then
  -- who has counted already did so by the hour alone: the first hour of which nothing can have been counted yet
  local since = 0
  if redis.call('EXISTS', POSITIONS) == 1 then since = (math.floor(redis.call('TIME')[1] / HOUR_S) + 1) * HOUR_S * 1000 end
  redis.call('SET', SINCE, string.format('%.0f', since))
end
redis.call('HSET', POSITIONS, SHARD, UPTO)
for i = 3, #KEYS do
  local sums = cjson.decode(ARGV[i + 1])
  for field, more in pairs(sums.add) do redis.call('HINCRBY', KEYS[i], field, string.format('%.0f', more)) end
  if sums['until'] then redis.call('PEXPIREAT', KEYS[i], string.format('%.0f', sums['until'])) end
end
return 1
