-- Alerts and their deliveries: what has to happen as one. ARGV is said at each verb; what it means, in alerts.py.
-- KEYS: records, ids by moment, marks, alerts of runs, windows, deliveries, their ids by moment, those that are due,
-- dead ones, then ids by moment of the open, acknowledged and resolved alerts.

local RECORDS, ALL, MARKS, RUNS, WINDOWS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local DELIVERIES, CREATED, DUE, DEAD = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local STATES = {open = KEYS[10], acknowledged = KEYS[11], resolved = KEYS[12]}
local NAMED = 10 -- alerts that a message names
local SWEPT = 100 -- old ones that are deleted by one call

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local verbs = {}

local function whole(number)
  return string.format('%.0f', number)
end

local function find(place, name)
  local text = name and call('HGET', place, name)
  return text and cjson.decode(text) or nil
end

local function keep(place, record)
  local text = cjson.encode(record)
  call('HSET', place, record.id, text)
  return text
end

local function later(one, other)
  local ms, number = one:match('^(%d+)%-(%d+)$')
  local other_ms, other_number = other:match('^(%d+)%-(%d+)$')
  ms, number, other_ms, other_number = tonumber(ms), tonumber(number), tonumber(other_ms), tonumber(other_number)
  return ms > other_ms or (ms == other_ms and number > other_number)
end

local function move(alert, state)
  call('ZREM', STATES[alert.state], alert.id)
  alert.state = state
  call('ZADD', STATES[state], whole(alert.raised_at), alert.id)
end

local function leave_run(alert)
  local ids = alert.run_id ~= '' and call('HGET', RUNS, alert.run_id)
  if not ids then return end
  local rest = {}
  for id in ids:gmatch('%S+') do
    if id ~= alert.id then rest[#rest + 1] = id end
  end
  if #rest == 0 then
    call('HDEL', RUNS, alert.run_id)
  else
    call('HSET', RUNS, alert.run_id, table.concat(rest, ' '))
  end
end

local function forget(id)
  local alert = find(RECORDS, id)
  call('ZREM', ALL, id)
  if not alert then return end
  call('ZREM', STATES[alert.state], id)
  call('HDEL', RECORDS, id)
  leave_run(alert)
  local mark = call('HGET', MARKS, alert.key)
  if mark and mark:match('^%S+') == id then call('HDEL', MARKS, alert.key) end
end

local function tidy(kept, most)
  local before = whole(now - kept)
  for _, id in ipairs(call('ZRANGEBYSCORE', ALL, '-inf', before, 'LIMIT', 0, SWEPT)) do forget(id) end
  local excess = call('ZCARD', ALL) - most
  if excess > 0 then
    for _, id in ipairs(call('ZRANGE', ALL, 0, math.min(excess, SWEPT) - 1)) do forget(id) end
  end
  for _, id in ipairs(call('ZRANGEBYSCORE', CREATED, '-inf', before, 'LIMIT', 0, SWEPT)) do
    call('HDEL', DELIVERIES, id)
    for _, place in ipairs({CREATED, DUE, DEAD}) do call('ZREM', place, id) end
  end
end

local function send(id, channel, alert, due, tries)
  local delivery = {
    id = id, channel = channel, kind = alert.kind, workflow = alert.workflow, state = 'pending', alerts = {alert.id},
    count = 1, attempts = 0, tries = tries, created_at = now, due_at = due, sent_at = 0, error = '',
  }
  keep(DELIVERIES, delivery)
  call('ZADD', CREATED, whole(now), id)
  call('ZADD', DUE, whole(due), id)
  return id
end

-- The first alert of a kind goes at once; what comes within its window is gathered, and goes as one at the window's end.
local function deliver(alert, channel, id, group, tries)
  local name = table.concat({channel, alert.kind, alert.level, alert.workflow}, '|')
  local window = find(WINDOWS, name)
  local gathered = window and find(DELIVERIES, window.delivery)
  if window and now < window.ends then
    if gathered and gathered.state == 'pending' and gathered.attempts == 0 then
      gathered.count = gathered.count + 1
      if #gathered.alerts < NAMED then table.insert(gathered.alerts, alert.id) end
      keep(DELIVERIES, gathered)
      return gathered.id
    end
    window.delivery = id
  elseif gathered and now < window.ends + group then
    window = {ends = window.ends + group, delivery = id}
  else
    window = {ends = now + group}
  end
  call('HSET', WINDOWS, name, cjson.encode(window))
  return send(id, channel, alert, window.delivery and window.ends or now, tries)
end

local function die(delivery, error)
  delivery.state, delivery.error = 'dead', error
  call('ZREM', DUE, delivery.id)
  call('ZADD', DEAD, whole(now), delivery.id)
  keep(DELIVERIES, delivery)
end

-- ARGV: the alert, its occurrence, ms to gather for, how long and how many are kept, tries of each delivery, then channel
-- and delivery id of each. Answers whether the alert is new, and its record; false for what was seen and forgotten.
function verbs.raise()
  local alert, occurrence = cjson.decode(ARGV[2]), ARGV[3]
  tidy(tonumber(ARGV[5]), tonumber(ARGV[6]))
  local mark, held = call('HGET', MARKS, alert.key), nil
  if mark then
    local id, seen = mark:match('^(%S+) (%S+)$')
    held = find(RECORDS, id)
    if not later(occurrence, seen) then return held and {0, cjson.encode(held)} or false end
  end
  if held and held.state ~= 'resolved' then
    held.count, held.last_at = held.count + 1, alert.last_at
    call('HSET', MARKS, alert.key, held.id .. ' ' .. occurrence)
    return {0, keep(RECORDS, held)}
  end
  alert.raised_at = now
  call('ZADD', ALL, whole(now), alert.id)
  call('ZADD', STATES.open, whole(now), alert.id)
  call('HSET', MARKS, alert.key, alert.id .. ' ' .. occurrence)
  if alert.run_id ~= '' then
    local others = call('HGET', RUNS, alert.run_id)
    call('HSET', RUNS, alert.run_id, (others and others .. ' ' or '') .. alert.id)
  end
  for i = 8, #ARGV, 2 do
    alert.deliveries[ARGV[i]] = deliver(alert, ARGV[i], ARGV[i + 1], tonumber(ARGV[4]), tonumber(ARGV[7]))
  end
  return {1, keep(RECORDS, alert)}
end

-- ARGV: id, the new state, by whom, a comment. Answers whether it changed anything, and the record.
function verbs.change()
  local alert, state = find(RECORDS, ARGV[2]), ARGV[3]
  if not alert then return false end
  if alert.state == state or alert.state == 'resolved' then return {0, cjson.encode(alert)} end
  move(alert, state)
  alert[state .. '_by'], alert[state .. '_at'] = ARGV[4], now
  if ARGV[5] ~= '' then alert.comment = ARGV[5] end
  if state == 'resolved' then leave_run(alert) end
  return {1, keep(RECORDS, alert)}
end

-- ARGV: channel, delivery id.
function verbs.test()
  keep(DELIVERIES, {
    id = ARGV[3], channel = ARGV[2], kind = 'test', workflow = '', state = 'pending', alerts = {}, count = 0,
    attempts = 0, tries = 1, created_at = now, due_at = now, sent_at = 0, error = '',
  })
  call('ZADD', CREATED, whole(now), ARGV[3])
  call('ZADD', DUE, whole(now), ARGV[3])
end

-- ARGV: limit, how long whoever takes them has for it. Answers of each: the delivery, then the alerts that it names.
function verbs.take()
  local taken = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', DUE, '-inf', whole(now), 'LIMIT', 0, ARGV[2])) do
    local delivery = find(DELIVERIES, id)
    if not delivery then
      call('ZREM', DUE, id)
    elseif delivery.attempts >= delivery.tries then
      die(delivery, 'whoever sent it last has not said what came of it')
    else
      delivery.attempts, delivery.state = delivery.attempts + 1, 'sending'
      delivery.due_at = now + tonumber(ARGV[3])
      call('ZADD', DUE, whole(delivery.due_at), id)
      local told = {keep(DELIVERIES, delivery)}
      for _, alert in ipairs(delivery.alerts) do
        local text = call('HGET', RECORDS, alert)
        if text then told[#told + 1] = text end
      end
      taken[#taken + 1] = told
    end
  end
  return taken
end

-- ARGV: id, the attempt, what went wrong (nothing: it was sent), after how long to try again. Answers its state.
function verbs.done()
  local delivery, error = find(DELIVERIES, ARGV[2]), ARGV[4]
  if not delivery then return false end
  if error == '' then
    delivery.state, delivery.error, delivery.sent_at = 'sent', '', now
    call('ZREM', DUE, delivery.id)
    call('ZREM', DEAD, delivery.id)
    keep(DELIVERIES, delivery)
  elseif delivery.state == 'sending' and delivery.attempts == tonumber(ARGV[3]) then
    if delivery.attempts >= delivery.tries then
      die(delivery, error)
    else
      delivery.state, delivery.error, delivery.due_at = 'pending', error, now + tonumber(ARGV[5])
      call('ZADD', DUE, whole(delivery.due_at), delivery.id)
      keep(DELIVERIES, delivery)
    end
  end
  return delivery.state
end

-- ARGV: id. Answers whether it was dead.
function verbs.replay()
  local delivery = find(DELIVERIES, ARGV[2])
  if not delivery or delivery.state ~= 'dead' then return 0 end
  delivery.state, delivery.attempts, delivery.due_at = 'pending', 0, now
  call('ZREM', DEAD, delivery.id)
  call('ZADD', DUE, whole(now), delivery.id)
  keep(DELIVERIES, delivery)
  return 1
end

return verbs[ARGV[1]]()
