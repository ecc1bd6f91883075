-- External events: what has to happen as one. What KEYS and ARGV hold is said at each verb; what they mean, in events.py.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local verbs = {}

local function whole(number)
  return string.format('%.0f', number)
end

local function append(stream, kept, ...)
  return redis.call('XADD', stream, 'MINID', '~', whole(math.max(now - kept, 0)), '*', ...)
end

-- KEYS: stream. ARGV: how long entries are kept, fields and values.
function verbs.append()
  return append(KEYS[1], ARGV[2], unpack(ARGV, 3))
end

-- KEYS: stream. ARGV: group, consumer, least time since the last delivery, limit. Answers id, fields, deliveries of each.
function verbs.claim()
  local stream, group, consumer, idle = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
  local claimed = {}
  for _, pending in ipairs(redis.call('XPENDING', stream, group, 'IDLE', idle, '-', '+', ARGV[5])) do
    local id, deliveries = pending[1], pending[4]
    local entry = redis.call('XRANGE', stream, id, id)[1]
    if entry then
      redis.call('XCLAIM', stream, group, consumer, idle, id)
      claimed[#claimed + 1] = {id, entry[2], deliveries + 1}
    else
      redis.call('XACK', stream, group, id) -- it was cut off by age
    end
  end
  return claimed
end

-- KEYS: stream. ARGV: group, consumer, ids. JUSTID: that somebody is still at an entry is no delivery.
function verbs.keep()
  local args = {unpack(ARGV, 4)}
  args[#args + 1] = 'JUSTID'
  redis.call('XCLAIM', KEYS[1], ARGV[2], ARGV[3], 0, unpack(args))
end

-- KEYS: stream. ARGV: group, least time since a consumer was last heard of. A consumer that owes something stays.
function verbs.tidy()
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[2])) do
    local consumer = {}
    for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
    if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[2], consumer.name)
    end
  end
end

-- KEYS: dead letters, the mark of this one. ARGV: how long it is kept, fields and values.
function verbs.bury()
  if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) then return false end
  return append(KEYS[1], ARGV[2], 'at', whole(now), unpack(ARGV, 3))
end

-- KEYS: dead letters, stream. ARGV: id of the letter, how long entries of the stream are kept.
function verbs.replay()
  local letter = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
  if not letter then return false end
  local held = {}
  for i = 1, #letter[2], 2 do held[letter[2][i]] = letter[2][i + 1] end
  redis.call('XDEL', KEYS[1], ARGV[2])
  return append(KEYS[2], ARGV[3], 'event', held.event, 'only', held.only)
end

-- KEYS: a mark. ARGV: when the event came in, the run that it would start, the window, how long the mark is kept.
-- Answers the run that stands for the key in that window, and whether it is known to be started.
function verbs.reserve()
  local came, run, window = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
  local held = redis.call('HMGET', KEYS[1], 'came', 'run', 'started')
  local first = tonumber(held[1] or '')
  if first and math.abs(came - first) < window then return {held[2], held[3] and 1 or 0} end
  if first and held[2] == run then return {run, held[3] and 1 or 0} end
  if not first or came > first then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'came', ARGV[2], 'run', run)
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
  end
  return {run, 0}
end

-- KEYS: a mark. ARGV: the run that was started.
function verbs.settle()
  if redis.call('HGET', KEYS[1], 'run') == ARGV[2] then redis.call('HSET', KEYS[1], 'started', '1') end
end

return verbs[ARGV[1]]()
