-- Gives slots of limits to holders and keeps the line of those who must wait; what it means is said in limits.py.
-- KEYS: the line, its places, its calls, then for each quota its slots and its turns.
-- ARGV: the verb, the holder, priority, lease, call, place and longest wait in ms; then for each quota how many, and the
-- ms of a rate or ''. Answers: whether it was granted (or renewed), the place in line, the wait in ms, whom to wake.

local LINE, PLACES, CALLS = KEYS[1], KEYS[2], KEYS[3]
local VERB, HOLDER, PRIORITY = ARGV[1], ARGV[2], tonumber(ARGV[3])
local LEASE, CALL, PLACE, LONGEST = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local CLASS = 2 ^ 49 -- ranks of one priority; ten of them are still whole numbers

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local quotas = {}
for i = 1, (#KEYS - 3) / 2 do
  quotas[i] = {
    slots = KEYS[2 * i + 2],
    turns = KEYS[2 * i + 3],
    count = tonumber(ARGV[2 * i + 6]),
    per = tonumber(ARGV[2 * i + 7]),
  }
end

local function score(key, member)
  local found = redis.call('ZSCORE', key, member)
  return found and tonumber(found)
end

local function expire_with_last(key, ...)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  for _, name in ipairs({key, ...}) do redis.call('PEXPIREAT', name, last) end
end

local function leave_line(waiter)
  redis.call('ZREM', LINE, waiter)
  redis.call('ZREM', PLACES, waiter)
  redis.call('ZREM', CALLS, waiter)
end

local function drop_what_lapsed()
  for _, waiter in ipairs(redis.call('ZRANGEBYSCORE', PLACES, '-inf', whole(now))) do leave_line(waiter) end
  for _, quota in ipairs(quotas) do redis.call('ZREMRANGEBYSCORE', quota.slots, '-inf', whole(now)) end
end

local function is_standing(waiter)
  local called_until = score(CALLS, waiter)
  return score(LINE, waiter) and not (called_until and called_until <= now)
end

-- The first of those that wait for a slot of this quota; who left the line or did not come when called loses its turn.
local function first_standing(quota, limit)
  local found = {}
  while #found < limit do
    local page = redis.call('ZRANGE', quota.turns, #found, limit - 1)
    if #page == 0 then break end
    for _, waiter in ipairs(page) do
      if is_standing(waiter) then
        found[#found + 1] = waiter
      else
        redis.call('ZREM', quota.turns, waiter)
      end
    end
  end
  return found
end

local function free(quota)
  return quota.count - redis.call('ZCARD', quota.slots)
end

local function may_enter(quota, rank)
  local left = free(quota)
  for _, waiter in ipairs(first_standing(quota, left)) do
    if score(LINE, waiter) < rank then left = left - 1 end
  end
  return left > 0
end

local function new_rank()
  local first = (9 - PRIORITY) * CLASS
  local last = redis.call('ZREVRANGEBYSCORE', LINE, whole(first + CLASS - 1), whole(first), 'WITHSCORES', 'LIMIT', 0, 1)
  return last[2] and tonumber(last[2]) + 1 or first
end

local function take(quota, until_moment)
  redis.call('ZADD', quota.slots, whole(quota.per and now + quota.per or until_moment), HOLDER)
  expire_with_last(quota.slots)
end

-- The moment at which time alone will have made room, if nobody renews or comes when called.
local function wait_for(quota, rank)
  local held, left = redis.call('ZCARD', quota.slots), free(quota)
  local number = redis.call('ZCOUNT', quota.turns, '-inf', '(' .. whole(rank)) - left + 1
  local wait = math.huge
  if held > 0 then
    local nth = (number - 1) % held
    local lapse = redis.call('ZRANGE', quota.slots, nth, nth, 'WITHSCORES')[2]
    wait = lapse - now + math.floor((number - 1) / held) * (quota.per or LEASE)
  end
  return left > 0 and math.min(wait, number * CALL) or wait, number + left
end

local function call_the_next()
  local called = {}
  for _, quota in ipairs(quotas) do
    for _, waiter in ipairs(first_standing(quota, free(quota))) do
      if not score(CALLS, waiter) then
        redis.call('ZADD', CALLS, whole(now + CALL), waiter)
        called[#called + 1] = waiter
      end
    end
  end
  if #called > 0 then expire_with_last(PLACES, CALLS) end
  return called
end

local function line_up(rank, blocking)
  local wait, place = 0, 1
  for _, quota in ipairs(blocking) do
    local quota_wait, quota_place = wait_for(quota, rank)
    wait, place = math.max(wait, quota_wait), math.max(place, quota_place)
  end
  wait = math.min(wait, LONGEST)
  redis.call('ZADD', LINE, whole(rank), HOLDER)
  redis.call('ZADD', PLACES, whole(now + wait + PLACE), HOLDER)
  local is_first = redis.call('ZRANK', LINE, HOLDER) == 0
  for _, quota in ipairs(quotas) do
    if quota.blocks then
      redis.call('ZADD', quota.turns, whole(rank), HOLDER)
      expire_with_last(PLACES, quota.turns)
    else
      redis.call('ZREM', quota.turns, HOLDER)
      if is_first then
        take(quota, now + wait + CALL)
      elseif not quota.per then
        redis.call('ZREM', quota.slots, HOLDER)
      end
    end
  end
  expire_with_last(PLACES, LINE)
  return place, wait
end

local function acquire()
  local waits, has_slot = score(LINE, HOLDER), false
  for _, quota in ipairs(quotas) do has_slot = has_slot or not quota.per and score(quota.slots, HOLDER) end
  redis.call('ZREM', CALLS, HOLDER)
  local rank, blocking = waits or new_rank(), {}
  for _, quota in ipairs(quotas) do
    local has_it = has_slot and not waits or score(quota.slots, HOLDER)
    if not has_it and not may_enter(quota, rank) then
      quota.blocks = true
      blocking[#blocking + 1] = quota
    end
  end
  if #blocking > 0 then return 0, line_up(rank, blocking) end
  for _, quota in ipairs(quotas) do
    if not (quota.per and has_slot and not waits) then take(quota, now + LEASE) end
    redis.call('ZREM', quota.turns, HOLDER)
  end
  leave_line(HOLDER)
  return 1, 0, 0
end

local function release()
  for _, quota in ipairs(quotas) do
    if not quota.per then redis.call('ZREM', quota.slots, HOLDER) end
    redis.call('ZREM', quota.turns, HOLDER)
  end
  leave_line(HOLDER)
end

-- Calls nobody: whoever renews does not wake.
local function renew()
  for _, quota in ipairs(quotas) do
    if not quota.per and (score(quota.slots, HOLDER) or 0) <= now then return {0} end
  end
  for _, quota in ipairs(quotas) do
    if not quota.per then take(quota, now + LEASE) end
  end
  return {1}
end

if VERB == 'renew' then return renew() end
drop_what_lapsed()
if VERB == 'release' then
  release()
  return {1, 0, '0', call_the_next()}
end
local granted, place, wait = acquire()
return {granted, place, whole(wait), call_the_next()}
