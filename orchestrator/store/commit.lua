-- Applies one commit to one run: stages of guards -> changes, each whole or not at all. What KEYS, ARGV and the JSON in
-- ARGV[1] hold is said in wire.py; what they mean, in engine/commit.py. Values are text and go through as they are.
-- Answers: one letter for each stage tried, the moment, the values of the fields asked for.
--
-- All fields that the commit names are read by one command and, like the ledger's entries, written by one when all
-- stages have been tried: what a commit costs is commands, and how often a name passes through Lua. What only a stage
-- that was sent before is known by, is read when that is the question.

local RUN, LEDGER, HISTORY, SHARD, FEED, ENDED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local RUN_ID, FEED_LENGTH = ARGV[2], ARGV[3]
local CHUNK = 4000 -- even; Lua's stack holds 8000 values
local NULL, NONE = cjson.null, {}
local call = redis.call

local commit = cjson.decode(ARGV[1])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local values = {} -- field -> its text, or false: absent
local written, gone = {}, {} -- field, text, field, text, …, the last one of a field stands; fields that were removed
local entries = {} -- address -> the moment to be written, or false: removed
local forgotten = false -- the run has been deleted by this commit, so nothing more is written
local apply_to_other -- applies a commit to another run of the shard

local function whole(number)
  return string.format('%.0f', number)
end

local function write(command, key, args)
  for first = 1, #args, CHUNK do
    call(command, key, unpack(args, first, math.min(first + CHUNK - 1, #args)))
  end
end

local function read(fields)
  for first = 1, #fields, CHUNK do
    local last = math.min(first + CHUNK - 1, #fields)
    local found = call('HMGET', RUN, unpack(fields, first, last))
    for i = first, last do values[fields[i]] = found[i - first + 1] end
  end
end

local function read_all_named()
  local fields, n = {'incarnation', 'paused', 'sequence', 'created_at'}, 4
  local function add(names)
    for i = 1, #names do fields[n + i] = names[i] end
    n = n + #names
  end
  local function add_all(guards, changes)
    for name in pairs(guards or NONE) do
      n = n + 1
      fields[n] = name
    end
    if changes.add then add(changes.add) end
    if changes.sub then add(changes.sub) end
  end
  for _, stage in ipairs(commit.stages) do
    add_all(stage.w, stage.c)
    for _, other in ipairs(stage.b or NONE) do add_all(other.w, other.c) end
    for _, later in ipairs(stage.t or NONE) do add_all(later.w, later.c) end
  end
  add(commit.reads)
  if commit.caps then add(commit.caps) end
  read(fields)
end

local function read_unread(guards)
  local fields = {}
  for field in pairs(guards) do
    if values[field] == nil then fields[#fields + 1] = field end
  end
  read(fields)
end

local function put(field, value)
  local n = #written
  values[field] = value
  written[n + 1] = field
  written[n + 2] = value
end

local function remove(field)
  values[field] = false
  gone[#gone + 1] = field
end

local function write_fields()
  write('HSET', RUN, written)
  local still = {}
  for _, field in ipairs(gone) do
    if not values[field] then still[#still + 1] = field end
  end
  write('HDEL', RUN, still)
  written, gone = {}, {}
end

local function write_entries()
  local put_in, gone = {}, {}
  for address, moment in pairs(entries) do
    if moment then
      put_in[#put_in + 1] = moment == math.huge and '+inf' or whole(moment)
      put_in[#put_in + 1] = address
    else
      gone[#gone + 1] = address
    end
  end
  write('ZADD', LEDGER, put_in)
  write('ZREM', LEDGER, gone)
  entries = {}
end

local function holds(guards)
  for field, value in pairs(guards or NONE) do
    if values[field] ~= (value ~= NULL and value) then return false end
  end
  return true
end

local function has_come(field) -- while the run is paused, time stands still
  if not field then return true end
  local moment, at = values[field], now
  if values.paused == '1' and values.paused_at then at = math.min(now, tonumber(values.paused_at)) end
  return moment and tonumber(moment) <= at
end

local function due(addresses)
  if not addresses then return true end
  write_entries()
  for _, address in ipairs(addresses) do
    local moment = call('ZSCORE', LEDGER, address)
    if not moment or tonumber(moment) > now then return false end
  end
  return true
end

local function put_fields(changes)
  for field, value in pairs(changes.set or NONE) do put(field, value) end
  for _, field in ipairs(changes.del or NONE) do remove(field) end
  for field, ms in pairs(changes.stamp or NONE) do put(field, whole(now + ms)) end
  for _, field in ipairs(changes.num or NONE) do
    local number = whole((values.sequence or 0) + 1)
    put('sequence', number)
    put(field, number)
  end
end

local function count(field, more)
  put(field, whole((values[field] or 0) + more))
end

local function put_members(changes)
  local add, sub = changes.add or NONE, changes.sub or NONE
  for i = 1, #add, 2 do
    if not values[add[i + 1]] then
      put(add[i + 1], '1')
      count(add[i], 1)
    end
  end
  for i = 1, #sub, 2 do
    if values[sub[i + 1]] then
      remove(sub[i + 1])
      count(sub[i], -1)
    end
  end
end

local function put_entries(ledger)
  for address, moments in pairs(ledger or NONE) do
    if moments == NULL then
      entries[address] = false
    else
      local moment = moments[1] ~= NULL and now + moments[1] or math.huge
      if moments[2] ~= NULL then moment = math.min(moment, moments[2]) end
      local cap = moments[3] and values[moments[3]]
      if cap then moment = math.min(moment, tonumber(cap)) end
      entries[address] = moment
    end
  end
end

local function hurry(suffix, value)
  write_fields()
  write_entries()
  local later = call('ZRANGEBYSCORE', LEDGER, '(' .. whole(now), '+inf')
  local fields = {}
  for i, address in ipairs(later) do fields[i] = address .. suffix end
  read(fields)
  for i, address in ipairs(later) do
    if address ~= '$' and values[fields[i]] ~= value then entries[address] = now end
  end
end

local function put_indexes(changes)
  if not changes.into then return end
  for _, key in ipairs(changes.into) do call('ZADD', KEYS[key], values.created_at or '0', RUN_ID) end
  for _, key in ipairs(changes.out) do call('ZREM', KEYS[key], RUN_ID) end
end

local function forget(ms)
  call('UNLINK', RUN, LEDGER, HISTORY)
  call('ZREM', SHARD, RUN_ID)
  call('ZREM', ENDED, RUN_ID)
  if ms > 0 then call('SET', KEYS[commit.tomb], '', 'PX', ms) end
  values, forgotten = {}, true
end

local function holds_elsewhere(others)
  for _, other in ipairs(others or NONE) do
    for field, value in pairs(other.w) do
      if call('HGET', KEYS[other.run], field) ~= (value ~= NULL and value) then return false end
    end
  end
  return true
end

local function apply(changes)
  put_fields(changes)
  put_members(changes)
  put_entries(changes.ledger)
  if changes.hurry then hurry(changes.hurry[1], changes.hurry[2]) end
  put_indexes(changes)
  for _, event in ipairs(changes.log or NONE) do
    local id = call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'run', RUN_ID, 'event', ARGV[event])
    call('XADD', HISTORY, id, 'event', ARGV[event]) -- one id in both: who lost its place in the feed reads on here
  end
  if changes.over then
    entries = {}
    call('DEL', LEDGER)
    call('ZADD', ENDED, whole(now), RUN_ID)
  end
  if changes.forget then forget(changes.forget) end
  for _, other in ipairs(changes.also or NONE) do apply_to_other(other) end
end

local function apply_if(several)
  for _, one in ipairs(several or NONE) do
    if not forgotten and holds(one.w) and has_come(one.p) then apply(one.c) end
  end
end

local function try(stage)
  if holds(stage.w) and due(stage.d) and holds_elsewhere(stage.o) then
    if stage.b then apply_if(stage.b) end
    if not forgotten then apply(stage.c) end
    apply_if(stage.t)
    return 'a'
  end
  if not stage.a then return 'r' end
  read_unread(stage.a)
  return holds(stage.a) and 'y' or 'r'
end

local function keep_shard_entry()
  local first = call('ZRANGE', LEDGER, 0, 0, 'WITHSCORES')
  if #first == 0 then
    call('ZREM', SHARD, RUN_ID)
  else
    call('ZADD', SHARD, values.paused == '1' and '+inf' or first[2], RUN_ID)
  end
end

local function exists_as(incarnation)
  if not incarnation then return call('EXISTS', RUN, KEYS[commit.tomb]) == 0 end
  return values.incarnation == incarnation
end

local function apply_commit()
  read_all_named()
  if not exists_as(commit.inc) then return 'g' end
  local answers = ''
  for _, stage in ipairs(commit.stages) do
    local answer = try(stage)
    answers = answers .. answer
    if answer == 'r' or forgotten then break end
  end
  if not forgotten and string.find(answers, 'a', 1, true) then
    write_fields()
    write_entries()
    keep_shard_entry()
    if commit.inc and values.incarnation ~= commit.inc then call('ZREM', ENDED, RUN_ID) end
  end
  return answers
end

function apply_to_other(other)
  local own = {RUN, LEDGER, HISTORY, RUN_ID, commit, values, written, gone, entries, forgotten}
  RUN, LEDGER, HISTORY, RUN_ID = KEYS[other.run], KEYS[other.run + 1], KEYS[other.run + 2], other.id
  commit, values, written, gone, entries, forgotten = other, {}, {}, {}, {}, false
  apply_commit()
  RUN, LEDGER, HISTORY, RUN_ID, commit, values, written, gone, entries, forgotten = unpack(own, 1, 10)
end

local answers = apply_commit()

local asked = {}
for i, field in ipairs(commit.reads) do asked[i] = values[field] or false end
return {answers, now, asked}
