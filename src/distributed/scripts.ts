import { createHash } from 'node:crypto'
import { type BullmqScript, bullmqFunction } from './bullmq-scripts.ts'

export interface Script {
  text: string
  sha: string
}

/** How long a claim lasts without being renewed: a process or a Redis that stalls for two seconds loses nothing. */
export const lockMs = 5_000
export const queueName = 'tasks'
/** Events of a task that are kept; older progress is dropped, state changes never are. */
const keptEvents = 1000

/**
 * What all scripts share. KEYS[1] is the prefix of every key, with a hash tag, so that on Redis Cluster all are in one slot:
 *
 *   seq                      counts accepted tasks
 *   task:<id>                hash: the record
 *   input:<id> state:<id>    JSON text: its input, its last checkpoint
 *   events:<id>              stream: its events {t: type, d: data}
 *   in:<status>[:<type>]     sorted sets: tasks by seq, for lists and counts
 *   ended                    sorted set: finished tasks by the time of their end
 *   key:<idempotency key>    "<id> <fingerprint>"
 *   inbox:<owner>            stream: wakes a process and tells it what to cancel
 *   shutdowns                list: reports of finished shutdowns
 *   tasks:…                  BullMQ's
 *
 * An owner is a process, by the token of its locks. Times are Redis's own, in epoch milliseconds.
 */
const shared = `
local p, q = KEYS[1] .. ':', KEYS[1] .. ':${queueName}:'
local call = redis.call
local lockMs = '${lockMs}'

local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function place(id, type, seq, from, to)
  if from then
    call('ZREM', p .. 'in:' .. from, id)
    call('ZREM', p .. 'in:' .. from .. ':' .. type, id)
  end
  if to then
    call('ZADD', p .. 'in:' .. to, seq, id)
    call('ZADD', p .. 'in:' .. to .. ':' .. type, seq, id)
  end
end

local function append(id, type, data)
  local event = call('XADD', p .. 'events:' .. id, '*', 't', type, 'd', data)
  call('HSET', p .. 'task:' .. id, 'event', event)
end

local function finished(status)
  return status ~= 'pending' and status ~= 'running'
end

-- Idle workers wait for this member; who takes it and does not claim has to put it back.
local function wakeWorkers()
  call('ZADD', q .. 'marker', 0, '0')
end

-- An attempt is current while its task runs in it and its job is this owner's. A lock that ran out, because Redis or the
-- process was away, is taken again as long as nobody took the job from among the active ones.
local function holds(id, attempt, owner)
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'attempt')
  if r[1] ~= 'running' or r[2] ~= attempt then return false end
  local lock = q .. id .. ':lock'
  local holder = call('GET', lock)
  if holder then return holder == owner end
  if not call('LPOS', q .. 'active', id) then return false end
  call('SET', lock, owner, 'PX', lockMs)
  return true
end

-- Record and final event of a task that ended; its job is the caller's.
local function finish(id, status, event, data, t)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'seq')
  call('HSET', key, 'status', status, 'ended', t)
  call('HDEL', key, 'cancel', 'owner', 'trimmed')
  place(id, r[2], r[3], r[1], status)
  append(id, event, data)
  call('ZADD', p .. 'ended', t, id)
  call('DEL', p .. 'input:' .. id, p .. 'state:' .. id)
end

local function forget(id)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'seq', 'key')
  if r[1] then place(id, r[2], r[3], r[1], nil) end
  if r[4] then call('DEL', p .. 'key:' .. r[4]) end
  call('ZREM', p .. 'ended', id)
  call('DEL', key, p .. 'events:' .. id)
end

local function record(id)
  local r = call('HMGET', p .. 'task:' .. id, 'type', 'status', 'progress', 'attempt', 'priority', 'created', 'started', 'ended')
  if not r[1] then return false end
  local final = false
  if finished(r[2]) then
    local last = call('XREVRANGE', p .. 'events:' .. id, '+', '-', 'COUNT', 1)[1]
    final = last and last[2][4]
  end
  return { id, r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], final }
end
`

/** Takes jobs from BullMQ and starts their tasks; used by `claim` and, with the slot that became free, by `settle`. */
const claiming = `
local function removeJob(id, owner, t)
  moveToFinished(
    { q .. 'wait', q .. 'active', q .. 'prioritized', q .. 'events', q .. 'stalled', q .. 'limiter', q .. 'delayed', q .. 'paused',
      q .. 'meta', q .. 'pc', q .. 'completed', q .. id, q .. 'metrics:completed', q .. 'marker' },
    { id, t, 'returnvalue', 'null', 'completed', '0', q,
      cmsgpack.pack({ token = owner, keepJobs = { count = 0 }, attempts = 1, maxMetricsSize = '' }), '' }
  )
end

-- What the owner has to do with a job: run its task, or judge it, because whoever ran it is lost. Nothing if it has ended.
local function begin(id, owner, t)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'attempt', 'failures', 'requeues', 'ready', 'seq')
  if not r[1] or finished(r[1]) then
    removeJob(id, owner, t)
    return nil
  end
  if r[1] == 'running' then return { 'lost', id, r[2], r[3], r[5], call('HGET', key, 'cancel') } end
  local attempt = string.format('%d', r[3] + 1)
  call('HSET', key, 'status', 'running', 'attempt', attempt, 'started', t, 'owner', owner)
  call('HDEL', key, 'progress')
  place(id, r[2], r[7], 'pending', 'running')
  append(id, 'task_started', '{"attempt":' .. attempt .. '}')
  local waited = string.format('%d', math.max(0, t - r[6]))
  -- Only an earlier attempt can have left a checkpoint.
  local state = attempt ~= '1' and call('GET', p .. 'state:' .. id)
  return { 'run', id, r[2], attempt, r[4], r[5], string.format('%d', t), waited, call('GET', p .. 'input:' .. id), state }
end

-- At most so many claims, and in how many milliseconds the next delayed task is due, if that is all there is.
local function claim(owner, count, t)
  local claims = {}
  while #claims < count do
    local job = moveToActive(
      { q .. 'wait', q .. 'active', q .. 'prioritized', q .. 'events', q .. 'stalled', q .. 'limiter', q .. 'delayed',
        q .. 'paused', q .. 'meta', q .. 'pc', q .. 'marker' },
      { q, t, cmsgpack.pack({ token = owner, lockDuration = lockMs }) }
    )
    if job[1] == 0 then return { claims, job[4] > 0 and math.max(1, job[4] - t) or 0 } end
    claims[#claims + 1] = begin(job[2], owner, t)
  end
  return { claims, 0 }
end
`

function script(functions: BullmqScript[], ...parts: string[]): Script {
  const text = [shared, ...functions.map(bullmqFunction), ...parts].join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

const claimFunctions: BullmqScript[] = ['moveToActive', 'moveToFinished']

/** Arguments and answers are those of the methods of records.ts, in order. */
export const scripts = {
  accept: script(
    ['addPrioritizedJob'],
    `
local id, type, priority, input, maxPending, idempotencyKey, fingerprint = unpack(ARGV)
if idempotencyKey ~= '' then
  local used = call('GET', p .. 'key:' .. idempotencyKey)
  if used then return { 'used', used } end
end
local pending = call('ZCARD', p .. 'in:pending')
if pending >= tonumber(maxPending) then return { 'full', pending } end
local t = clock()
local seq = call('INCR', p .. 'seq')
call('HSET', p .. 'task:' .. id, 'type', type, 'status', 'pending', 'seq', seq, 'priority', priority, 'attempt', 0,
  'failures', 0, 'requeues', 0, 'created', t, 'ready', t)
call('SET', p .. 'input:' .. id, input)
if idempotencyKey ~= '' then
  call('HSET', p .. 'task:' .. id, 'key', idempotencyKey)
  call('SET', p .. 'key:' .. idempotencyKey, id .. ' ' .. fingerprint)
end
place(id, type, seq, nil, 'pending')
-- In BullMQ a lower number goes first, and none at all before all others.
addPrioritizedJob(
  { q .. 'marker', q .. 'meta', q .. 'id', q .. 'prioritized', q .. 'delayed', q .. 'completed', q .. 'active', q .. 'events',
    q .. 'pc' },
  { cmsgpack.pack({ q, id, 'task', t }), '{}', cmsgpack.pack({ priority = 11 - priority }) }
)
return { 'accepted' }
`
  ),

  claim: script(claimFunctions, claiming, 'return claim(ARGV[1], tonumber(ARGV[2]), clock())'),

  settle: script(
    [...claimFunctions, 'moveToDelayed', 'moveJobFromActiveToWait'],
    claiming,
    `
local id, attempt, owner, count, status, event, data, reason, delayMs = unpack(ARGV)
local t = clock()
local key = p .. 'task:' .. id

-- A job that BullMQ took from a lost owner waits to be run again, unless somebody has it already.
local function takeStalled()
  local r = call('HMGET', key, 'status', 'attempt')
  return r[1] == 'running' and r[2] == attempt and call('LREM', q .. 'wait', 1, id) == 1
end

local function putBack(stalled)
  call('HINCRBY', key, reason == 'retry' and 'failures' or 'requeues', 1)
  local r = call('HMGET', key, 'type', 'seq')
  call('HSET', key, 'status', 'pending', 'ready', t + delayMs)
  call('HDEL', key, 'owner')
  place(id, r[1], r[2], 'running', 'pending')
  append(id, 'task_requeued', '{"reason":"' .. reason .. '"}')
  if stalled then
    call('ZADD', q .. 'prioritized', call('HGET', q .. id, 'priority') * 0x100000000, id)
  elseif tonumber(delayMs) > 0 then
    return moveToDelayed(
      { q .. 'marker', q .. 'active', q .. 'prioritized', q .. 'delayed', q .. id, q .. 'events', q .. 'meta', q .. 'stalled',
        q .. 'wait', q .. 'limiter', q .. 'pc' },
      { q, t, id, owner, delayMs, '1', '', '0', '' }
    )
  else
    moveJobFromActiveToWait(
      { q .. 'active', q .. 'wait', q .. 'stalled', q .. 'paused', q .. 'meta', q .. 'limiter', q .. 'prioritized', q .. 'marker',
        q .. 'events' },
      { id, owner, q .. id }
    )
  end
  wakeWorkers()
end

local stalled = owner == ''
local mine
if stalled then mine = takeStalled() else mine = holds(id, attempt, owner) end
if not mine then
  local now = call('HMGET', key, 'status', 'attempt')
  return { 'refused', now[1], now[2], stalled and { {}, 0 } or claim(owner, tonumber(count), t) }
end
local started = call('HGET', key, 'started')
-- A cancel that was accepted outlives being put back.
if status == 'pending' and call('HGET', key, 'cancel') then
  status, event, data = 'cancelled', 'task_cancelled', '{"reason":"client"}'
end
if status == 'pending' then
  putBack(stalled)
else
  if stalled then call('DEL', q .. id) else removeJob(id, owner, t) end
  finish(id, status, event, data, t)
end
return { status, started, string.format('%d', t), stalled and { {}, 0 } or claim(owner, tonumber(count), t) }
`
  ),

  progress: script(
    [],
    `
local id, attempt, owner, data = unpack(ARGV)
if not holds(id, attempt, owner) then return 0 end
local key, events = p .. 'task:' .. id, p .. 'events:' .. id
call('HSET', key, 'progress', data)
append(id, 'progress_update', data)
if call('XLEN', events) <= ${keptEvents} then return 1 end
-- The oldest progress goes. All before the one that went last are state changes, which stay.
local from = call('HGET', key, 'trimmed')
from = from and '(' .. from or '-'
while true do
  local some = call('XRANGE', events, from, '+', 'COUNT', 10)
  if #some == 0 then return 1 end
  for _, entry in ipairs(some) do
    from = '(' .. entry[1]
    if entry[2][2] == 'progress_update' then
      call('XDEL', events, entry[1])
      call('HSET', key, 'trimmed', entry[1])
      return 1
    end
  end
end
`
  ),

  checkpoint: script(
    [],
    `
local id, attempt, owner, state = unpack(ARGV)
if not holds(id, attempt, owner) then return 0 end
call('SET', p .. 'state:' .. id, state)
return 1
`
  ),

  confirm: script(
    [],
    `
local owner, stops = ARGV[1], {}
for n = 2, #ARGV, 2 do
  local id, attempt = ARGV[n], ARGV[n + 1]
  if not holds(id, attempt, owner) then
    stops[#stops + 1] = { id, attempt, 'lost' }
  elseif call('HGET', p .. 'task:' .. id, 'cancel') then
    stops[#stops + 1] = { id, attempt, 'client' }
  end
end
return stops
`
  ),

  cancel: script(
    [],
    `
local id = ARGV[1]
local key = p .. 'task:' .. id
local r = call('HMGET', key, 'status', 'owner', 'type')
if not r[1] then return { 'unknown' } end
if finished(r[1]) then return { 'finished', r[1] } end
if r[1] == 'running' then
  call('HSET', key, 'cancel', 1)
  local inbox = p .. 'inbox:' .. r[2]
  call('XADD', inbox, 'MAXLEN', '~', 1000, '*', 'cancel', id)
  call('PEXPIRE', inbox, 60000)
  return { 'running', record(id) }
end
call('ZREM', q .. 'prioritized', id)
call('ZREM', q .. 'delayed', id)
call('LREM', q .. 'wait', 1, id)
call('DEL', q .. id)
local t = clock()
finish(id, 'cancelled', 'task_cancelled', '{"reason":"client"}', t)
return { 'cancelled', record(id), string.format('%d', t) }
`
  ),

  remove: script(
    [],
    `
local status = call('HGET', p .. 'task:' .. ARGV[1], 'status')
if status and finished(status) then forget(ARGV[1]) end
return status
`
  ),

  sweep: script(
    [],
    `
local due = call('ZRANGEBYSCORE', p .. 'ended', '-inf', clock() - ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do forget(id) end
return #due
`
  ),

  get: script([], 'return record(ARGV[1])'),

  judgement: script(
    [],
    `
local r = call('HMGET', p .. 'task:' .. ARGV[1], 'status', 'type', 'attempt', 'requeues', 'cancel')
return r[1] == 'running' and { r[2], r[3], r[4], r[5] }
`
  ),

  list: script(
    [],
    `
local type, before, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = {}
for n = 4, #ARGV do
  local set = p .. 'in:' .. ARGV[n] .. (type ~= '' and ':' .. type or '')
  local some = call('ZREVRANGEBYSCORE', set, '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #some, 2 do found[#found + 1] = { some[i], tonumber(some[i + 1]) } end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
local page = {}
for n = 1, math.min(limit, #found) do page[n] = { string.format('%d', found[n][2]), record(found[n][1]) } end
return page
`
  )
} satisfies Record<string, Script>
