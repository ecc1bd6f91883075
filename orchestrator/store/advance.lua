-- Moves a reader of the feed on in one shard, if it is where the caller took it to be.
-- KEYS: the reader's positions. ARGV: the shard, the id where it was taken to be, the id of where it is then.
-- Answers 1 if it was moved, 0 if somebody else had done so.

local POSITIONS, SHARD, AFTER, UPTO = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

if (redis.call('HGET', POSITIONS, SHARD) or '0-0') ~= AFTER then return 0 end
redis.call('HSET', POSITIONS, SHARD, UPTO)
return 1
