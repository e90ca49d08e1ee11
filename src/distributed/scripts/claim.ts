import { leaseMs } from './shared.ts'
import { queueing } from './submit.ts'

/** How long a job is delayed whose type runs as many tasks as it may. */
const limitedRetryMs = 200

/** A claimed task as it is answered. */
export const describing = `
-- A task to be run, as \`jobs.ts\` reads it.
local function describe(id, type, failures, requeues, fields)
  local state = false
  for n = 1, #fields, 2 do
    if fields[n] == 'state' then state = fields[n + 1] end
  end
  local r = call('HMGET', p .. 'task:' .. id, 'labels', 'requestId', 'traceparent')
  return { 'claimed', id, type, failures, requeues, call('GET', p .. 'input:' .. id), state, r[1], r[2], r[3] }
end
`

/** Used by whatever claims, and by `recover`, which some process runs each second, however busy all are. */
export const enqueueingDue = `
-- Lets tasks whose time has come join the queue; in how many milliseconds the next one's comes, or 0.
local function enqueueDue(t)
  for _, id in ipairs(call('ZRANGEBYSCORE', p .. 'scheduled', '-inf', integer(t), 'LIMIT', 0, 100)) do
    local r = call('HMGET', p .. 'task:' .. id, 'type', 'priority')
    call('ZREM', p .. 'scheduled', id)
    enqueue(id, r[1], r[2], t, call('GET', p .. 'input:' .. id))
  end
  local nextOne = call('ZRANGE', p .. 'scheduled', 0, 0, 'WITHSCORES')
  return nextOne[2] and math.max(1, nextOne[2] - t) or 0
end
`

/** Takes jobs from BullMQ; used by `claim` and, with the slot that became free, by `finish`. */
export const claiming = `
${describing}${queueing}${enqueueingDue}
local function removeJob(id, owner, t)
  moveToFinished(id, {
    timestamp = t, property = 'returnvalue', value = 'null', target = 'completed', fetchNext = '0', fields = '',
    options = cmsgpack.pack({ token = owner, keepJobs = { count = 0 }, attempts = 1, maxMetricsSize = '' })
  })
end

-- Whether as many tasks of a type are claimed as may run at once.
local function isFull(id, type)
  local limit = tonumber(call('HGET', p .. 'limits', type) or '')
  if not limit then return false end
  local count = 0
  for _, other in ipairs(call('LRANGE', q .. 'active', 0, -1)) do
    if other ~= id and call('HGET', p .. 'task:' .. other, 'type') == type then count = count + 1 end
  end
  return count >= limit
end

-- What the owner has to do with a job: run its task, or resolve the outcome of its attempt, because the process that ran it is lost.
-- Nothing if the task has ended.
local function take(id, fields, owner, t)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'attempt', 'failures', 'requeues')
  if not r[1] or finished(r[1]) then
    removeJob(id, owner, t)
    return nil
  end
  if r[1] == 'running' then return { 'lost', id, r[2], r[3], r[5] } end
  if isFull(id, r[2]) then
    moveToDelayed(id, {
      timestamp = t, token = owner, delay = ${limitedRetryMs}, skipAttempt = '1', fields = '', fetchNext = '0', options = ''
    })
    return 'limited'
  end
  call('HSET', key, 'owner', owner)
  call('SADD', p .. 'claims:' .. owner, id)
  return describe(id, r[2], r[4], r[5], fields)
end

-- At most \`count\` claims, and no more than \`capacity\` with those that the owner has, of which it may not know. Then
-- whether that was the limit, and in how many milliseconds the next delayed task is due, if that is all there is.
local function claim(owner, count, capacity, t)
  local claims = {}
  count = tonumber(count)
  if count == 0 then return { claims, 0, 0 } end
  local dueInMs, limited = enqueueDue(t), 0
  local room = capacity - call('SCARD', p .. 'claims:' .. owner)
  while #claims < math.min(count, room) do
    local options = cmsgpack.pack({ token = owner, lockDuration = ${leaseMs} })
    local job = moveToActive('', { timestamp = t, options = options })
    if job[1] == 0 then
      local retryInMs = job[4] > 0 and math.max(1, job[4] - t) or 0
      return { claims, 0, retryInMs > 0 and dueInMs > 0 and math.min(retryInMs, dueInMs) or retryInMs + dueInMs }
    end
    local taken = take(job[2], job[1], owner, t)
    if taken == 'limited' then
      limited = limited + 1
      -- The rest is left to another call, which others may come before.
      if limited == 50 then return { claims, 0, 1 } end
    else
      claims[#claims + 1] = taken
    end
  end
  return { claims, room < count and 1 or 0, 0 }
end
`

export const claim = `
local owner, count, capacity = unpack(ARGV)
return claim(owner, count, capacity, clock())
`

/** Starts the attempts of claimed tasks; for each its number and when it started, or 0 if it is not this owner's any more. */
export const begin = `
local owner = ARGV[1]
local t = clock()
local begun = {}
for n = 2, #ARGV do
  local id = ARGV[n]
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'owner', 'attempt', 'ready', 'started')
  local attempt, started = r[3], r[5]
  if finished(r[1] or '') or r[2] ~= owner or not holds(id, owner) then
    attempt = 0
  elseif r[1] == 'pending' then
    attempt, started = attempt + 1, integer(t)
    call('HSET', key, 'status', 'running', 'attempt', attempt, 'started', started)
    if attempt > 1 then call('HDEL', key, 'progress', 'reported') end
    append(id, 'task_started', '{"attempt":' .. attempt .. '}', t)
  end
  begun[#begun + 1] = attempt == 0 and { id, 0 } or { id, attempt, started, math.max(0, started - r[4]) }
end
return begun
`

/** Gives back what was claimed and has not begun. */
export const release = `
local owner = ARGV[1]
for n = 2, #ARGV do
  local id = ARGV[n]
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'owner')
  if r[1] == 'pending' and r[2] == owner and holds(id, owner) then
    moveJobFromActiveToWait(id, { token = owner })
    releaseClaim(id, owner)
    wakeWorker()
  end
end
`
