-- Looks up an API key and, if the secret is its own, takes a token from its bucket. Without an id: only the bucket.
-- KEYS: the keys, the bucket. ARGV: the key's id, the hash of the secret, tokens a second, the bucket's size.
-- Answers: the key's record or false, the moment in ms, how many ms to wait for a token (0: one was taken).

local KEYS_HELD, BUCKET = KEYS[1], KEYS[2]
local ID, HASH, RATE, SIZE = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local record = false
if ID ~= '' then
  record = redis.call('HGET', KEYS_HELD, ID)
  if not record or cjson.decode(record).hash ~= HASH then return {false, now, 0} end
end

local held = redis.call('HMGET', BUCKET, 'tokens', 'at')
local tokens = SIZE
if held[1] then tokens = math.min(SIZE, held[1] + math.max(0, now - held[2]) * RATE / 1000) end
local wait = 0
if tokens >= 1 then
  tokens = tokens - 1
else
  wait = math.ceil((1 - tokens) * 1000 / RATE)
end
redis.call('HSET', BUCKET, 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', BUCKET, math.ceil((SIZE - tokens) * 1000 / RATE) + 1)
return {record, now, wait}
