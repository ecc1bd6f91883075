-- Applies one commit to one run: stages of guards -> changes, each whole or not at all. What KEYS, ARGV and the JSON in
-- ARGV[1] hold is said in wire.py; what they mean, in engine/commit.py. Values are text and go through as they are.
-- Answers: one letter for each stage tried, the moment, the values of the fields asked for.

local RUN, LEDGER, HISTORY, SHARD, FEED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local RUN_ID, FEED_LENGTH = ARGV[2], ARGV[3]
local CHUNK = 4000 -- even; Lua's stack holds 8000 values
local NULL, NONE = cjson.null, {}

local commit = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local function write(command, key, args)
  for first = 1, #args, CHUNK do
    redis.call(command, key, unpack(args, first, math.min(first + CHUNK - 1, #args)))
  end
end

local function read(fields)
  local values = {}
  for first = 1, #fields, CHUNK do
    local part = redis.call('HMGET', RUN, unpack(fields, first, math.min(first + CHUNK - 1, #fields)))
    if #fields <= CHUNK then return part end
    for _, value in ipairs(part) do values[#values + 1] = value end
  end
  return values
end

local function holds(guards)
  local fields, wanted = {}, {}
  for field, value in pairs(guards or NONE) do
    fields[#fields + 1] = field
    wanted[#wanted + 1] = value ~= NULL and value
  end
  local found = read(fields)
  for i = 1, #fields do
    if found[i] ~= wanted[i] then return false end
  end
  return true
end

local function due(addresses)
  for _, address in ipairs(addresses or NONE) do
    local moment = redis.call('ZSCORE', LEDGER, address)
    if not moment or tonumber(moment) > now then return false end
  end
  return true
end

local function put_fields(changes)
  local args = {}
  for field, value in pairs(changes.set or NONE) do
    args[#args + 1] = field
    args[#args + 1] = value
  end
  if changes.del then
    write('HSET', RUN, args)
    write('HDEL', RUN, changes.del)
    args = {}
  end
  for field, ms in pairs(changes.stamp or NONE) do
    args[#args + 1] = field
    args[#args + 1] = whole(now + ms)
  end
  for _, field in ipairs(changes.num or NONE) do
    args[#args + 1] = field
    args[#args + 1] = whole(redis.call('HINCRBY', RUN, 'sequence', 1))
  end
  write('HSET', RUN, args)
end

local function put_members(changes)
  local add, sub = changes.add or NONE, changes.sub or NONE
  for i = 1, #add, 2 do
    if redis.call('HSETNX', RUN, add[i + 1], '1') == 1 then redis.call('HINCRBY', RUN, add[i], 1) end
  end
  for i = 1, #sub, 2 do
    if redis.call('HDEL', RUN, sub[i + 1]) == 1 then redis.call('HINCRBY', RUN, sub[i], -1) end
  end
end

local function put_entries(entries)
  local put, gone = {}, {}
  for address, moments in pairs(entries) do
    if moments == NULL then
      gone[#gone + 1] = address
    else
      local moment = moments[1] ~= NULL and now + moments[1] or math.huge
      if moments[2] ~= NULL then moment = math.min(moment, moments[2]) end
      put[#put + 1] = moment == math.huge and '+inf' or whole(moment)
      put[#put + 1] = address
    end
  end
  write('ZADD', LEDGER, put)
  write('ZREM', LEDGER, gone)
end

local function hurry(suffix, value)
  local later = redis.call('ZRANGEBYSCORE', LEDGER, '(' .. whole(now), '+inf')
  local fields, put = {}, {}
  for i, address in ipairs(later) do fields[i] = address .. suffix end
  local found = read(fields)
  for i, address in ipairs(later) do
    if address ~= '$' and found[i] ~= value then
      put[#put + 1] = whole(now)
      put[#put + 1] = address
    end
  end
  write('ZADD', LEDGER, put)
end

local function put_indexes(changes)
  if not changes.into then return end
  local created_at = redis.call('HGET', RUN, 'created_at') or '0'
  for _, key in ipairs(changes.into) do redis.call('ZADD', KEYS[key], created_at, RUN_ID) end
  for _, key in ipairs(changes.out) do redis.call('ZREM', KEYS[key], RUN_ID) end
end

local function apply(changes)
  put_fields(changes)
  put_members(changes)
  if changes.ledger then put_entries(changes.ledger) end
  if changes.hurry then hurry(changes.hurry[1], changes.hurry[2]) end
  put_indexes(changes)
  for _, event in ipairs(changes.log or NONE) do
    redis.call('XADD', HISTORY, '*', 'event', ARGV[event])
    redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'run', RUN_ID, 'event', ARGV[event])
  end
  if changes.over then redis.call('DEL', LEDGER) end
end

local function try(stage)
  if holds(stage.w) and due(stage.d) then
    apply(stage.c)
    for _, later in ipairs(stage.t or NONE) do
      if holds(later.w) then apply(later.c) end
    end
    return 'a'
  end
  return stage.a and holds(stage.a) and 'y' or 'r'
end

local function keep_shard_entry()
  local first = redis.call('ZRANGE', LEDGER, 0, 0, 'WITHSCORES')
  if #first == 0 then
    redis.call('ZREM', SHARD, RUN_ID)
  elseif redis.call('HGET', RUN, 'paused') == '1' then
    redis.call('ZADD', SHARD, '+inf', RUN_ID)
  else
    redis.call('ZADD', SHARD, first[2], RUN_ID)
  end
end

local function exists_as(incarnation)
  if not incarnation then return redis.call('EXISTS', RUN) == 0 end
  return redis.call('HGET', RUN, 'incarnation') == incarnation
end

local answers = ''
if exists_as(commit.inc) then
  for _, stage in ipairs(commit.stages) do
    local answer = try(stage)
    answers = answers .. answer
    if answer == 'r' then break end
  end
  if string.find(answers, 'a', 1, true) then keep_shard_entry() end
else
  answers = 'g'
end
return {answers, now, read(commit.reads)}
