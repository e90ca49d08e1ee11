import { createHash } from 'node:crypto'
import { keptAttempts } from '../stored.ts'
import { type BullmqScript, bullmqFunction } from './bullmq-scripts.ts'

export interface Script {
  text: string
  sha: string
}

/** How long a claim lasts without being renewed: a process or a Redis that stalls for two seconds loses nothing. */
export const lockMs = 4_000
export const queueName = 'tasks'
/** Events of a task that are kept; older progress is dropped, state changes never are. */
const keptEvents = 1000

/**
 * What all scripts share. KEYS[1] is the prefix of every key, with a hash tag: on Redis Cluster all are in one slot.
 *
 *   task:<id>               hash: the record; `owner` is the process that runs it, by the token of its locks
 *   events:<id>             stream: its events {t: type, d: data, a: when it happened}
 *   attempts:<id>           list: attempts after which it was requeued, "<attempt> <start> <end> <data of task_requeued>"
 *   open:<type>             sorted set: pending and running tasks by seq, the order of acceptance
 *   done:<type>:<status>    sorted set: finished tasks by seq
 *   types                   set: all types there ever was a task of
 *   ended, failed           lists: finished tasks in the order of their end, failed ones apart
 *   key:<idempotency key>   "<id> <fingerprint>"
 *   inbox:<owner>           stream: wakes a process, and tells it what to cancel
 *   shutdowns               list: reports of finished shutdowns
 *   seq                     counts accepted tasks
 *   tasks:…                 BullMQ's; a job has its task's id and input, and as `state` its checkpoint
 *
 * Times are Redis's own, in epoch milliseconds. Each command costs Redis about as much as a point read, so none is wasted.
 */
const shared = `
local p, q = KEYS[1] .. ':', KEYS[1] .. ':${queueName}:'
local call = redis.call

local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function append(id, type, data, at)
  call('XADD', p .. 'events:' .. id, '*', 't', type, 'd', data, 'a', string.format('%d', at))
end

local function finished(status)
  return status ~= 'pending' and status ~= 'running'
end

-- Idle workers wait for this member; who takes it and does not claim has to put it back.
local function wakeWorkers()
  call('ZADD', q .. 'marker', 0, '0')
end

-- The record of an attempt that is current: its task runs in it, and the job is this owner's. A lock that ran out, because
-- Redis or the process was away, is taken again as long as nobody took the job from among the active ones.
local function held(id, attempt, owner)
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'attempt', 'type', 'seq', 'started', 'cancel')
  if r[1] ~= 'running' or r[2] ~= attempt then return nil end
  local lock = q .. id .. ':lock'
  local holder = call('GET', lock)
  if holder == owner then return r end
  if holder or not call('LPOS', q .. 'active', id) then return nil end
  call('SET', lock, owner, 'PX', ${lockMs})
  return r
end

-- Record and final event of a task that ends.
local function finish(id, type, seq, status, event, data, at)
  call('HSET', p .. 'task:' .. id, 'status', status, 'ended', string.format('%d', at))
  call('ZREM', p .. 'open:' .. type, id)
  call('ZADD', p .. 'done:' .. type .. ':' .. status, seq, id)
  call('RPUSH', p .. (status == 'failed' and 'failed' or 'ended'), id)
  append(id, event, data, at)
  -- Redis gives each stream 4 KiB to grow into; one that is restored gets what it needs. Where that is forbidden it stays.
  local events = p .. 'events:' .. id
  local dump = redis.pcall('DUMP', events)
  if not dump.err then redis.pcall('RESTORE', events, 0, dump, 'REPLACE') end
end

local function forget(id)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'key')
  call('ZREM', p .. 'done:' .. r[2] .. ':' .. r[1], id)
  if r[3] then call('DEL', p .. 'key:' .. r[3]) end
  call('DEL', key, p .. 'events:' .. id, p .. 'attempts:' .. id)
end

-- As \`records.ts\` reads it; without its result if that is not wanted.
local function record(id, withResult)
  local r = call('HMGET', p .. 'task:' .. id, 'type', 'status', 'progress', 'attempt', 'priority', 'created', 'started', 'ended')
  if not r[1] then return false end
  local final = false
  if finished(r[2]) and (withResult or r[2] ~= 'completed') then
    local last = call('XREVRANGE', p .. 'events:' .. id, '+', '-', 'COUNT', 1)[1]
    final = last and last[2][4]
  end
  return { id, r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], final }
end

local function requeued(id)
  return call('LRANGE', p .. 'attempts:' .. id, 0, -1)
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

-- A task to be run, as \`records.ts\` reads it.
local function started(id, type, attempt, failures, requeues, t, waited, fields)
  local input, state = 'null', false
  for n = 1, #fields, 2 do
    if fields[n] == 'data' then input = fields[n + 1] elseif fields[n] == 'state' then state = fields[n + 1] end
  end
  return { 'run', id, type, attempt, failures, requeues, string.format('%d', t), waited, input, state }
end

-- What the owner has to do with a job: run its task, or judge it, because whoever ran it is lost. Nothing if it has ended.
local function begin(id, fields, owner, t)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'attempt', 'failures', 'requeues', 'ready')
  if not r[1] or finished(r[1]) then
    removeJob(id, owner, t)
    return nil
  end
  if r[1] == 'running' then return { 'lost', id, r[2], r[3], r[5] } end
  local attempt = r[3] + 1
  call('HSET', key, 'status', 'running', 'attempt', attempt, 'started', t, 'owner', owner)
  if attempt > 1 then call('HDEL', key, 'progress') end
  append(id, 'task_started', '{"attempt":' .. attempt .. '}', t)
  return started(id, r[2], attempt, r[4], r[5], t, math.max(0, t - r[6]), fields)
end

-- At most so many claims, and in how many milliseconds the next delayed task is due, if that is all there is.
local function claim(owner, count, t)
  local claims = {}
  while #claims < count do
    local job = moveToActive(
      { q .. 'wait', q .. 'active', q .. 'prioritized', q .. 'events', q .. 'stalled', q .. 'limiter', q .. 'delayed',
        q .. 'paused', q .. 'meta', q .. 'pc', q .. 'marker' },
      { q, t, cmsgpack.pack({ token = owner, lockDuration = ${lockMs} }) }
    )
    if job[1] == 0 then return { claims, job[4] > 0 and math.max(1, job[4] - t) or 0 } end
    claims[#claims + 1] = begin(job[2], job[1], owner, t)
  end
  return { claims, 0 }
end
`

function script(functions: BullmqScript[], ...parts: string[]): Script {
  const text = [shared, ...functions.map(bullmqFunction), ...parts].join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Arguments and answers are those of the methods of records.ts. */
export const scripts = {
  accept: script(
    ['addPrioritizedJob'],
    `
local id, type, priority, input, maxPending, idempotencyKey, fingerprint = unpack(ARGV)
if idempotencyKey ~= '' then
  local used = call('GET', p .. 'key:' .. idempotencyKey)
  if used and string.sub(used, 1, #id) ~= id then return { 'used', used } end
end
-- Done already, and sent again because the connection broke.
if call('EXISTS', p .. 'task:' .. id) == 1 then return { 'accepted' } end
local pending = call('ZCARD', q .. 'prioritized') + call('ZCARD', q .. 'delayed')
if pending >= tonumber(maxPending) then return { 'full', pending } end
local t = clock()
local seq = call('INCR', p .. 'seq')
call('HSET', p .. 'task:' .. id, 'type', type, 'status', 'pending', 'seq', seq, 'priority', priority, 'attempt', 0,
  'failures', 0, 'requeues', 0, 'created', t, 'ready', t)
if idempotencyKey ~= '' then
  call('HSET', p .. 'task:' .. id, 'key', idempotencyKey)
  call('SET', p .. 'key:' .. idempotencyKey, id .. ' ' .. fingerprint)
end
call('SADD', p .. 'types', type)
call('ZADD', p .. 'open:' .. type, seq, id)
-- In BullMQ a lower number goes first, and none at all before all others.
addPrioritizedJob(
  { q .. 'marker', q .. 'meta', q .. 'id', q .. 'prioritized', q .. 'delayed', q .. 'completed', q .. 'active', q .. 'events',
    q .. 'pc' },
  { cmsgpack.pack({ q, id, type, t }), input, cmsgpack.pack({ priority = 11 - priority }) }
)
return { 'accepted' }
`
  ),

  claim: script(
    ['moveToActive', 'moveToFinished'],
    claiming,
    'return claim(ARGV[1], tonumber(ARGV[2]), clock())'
  ),

  recall: script(
    ['moveToActive', 'moveToFinished'],
    claiming,
    `
local owner, known, claims = ARGV[1], {}, {}
for n = 2, #ARGV do known[ARGV[n]] = true end
for _, id in ipairs(call('LRANGE', q .. 'active', 0, -1)) do
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'owner', 'type', 'attempt', 'failures', 'requeues', 'started', 'ready')
  if r[1] == 'running' and r[2] == owner and not known[id] and held(id, r[4], owner) then
    local waited = math.max(0, r[7] - r[8])
    claims[#claims + 1] = started(id, r[3], r[4], r[5], r[6], r[7], waited, call('HGETALL', q .. id))
  end
end
return { claims, 0 }
`
  ),

  settle: script(
    ['moveToActive', 'moveToFinished', 'moveToDelayed', 'moveJobFromActiveToWait'],
    claiming,
    `
local id, attempt, owner, count, agoMs, status, event, data, cancelled, reason, delayMs = unpack(ARGV)
local t = clock()
-- What could not be written at once has happened before.
local at = t - agoMs
local key = p .. 'task:' .. id
-- The owner is lost, and BullMQ has put the job back, to be run at once.
local stalled = owner == ''

local function taken()
  local r = call('HMGET', key, 'status', 'attempt', 'type', 'seq', 'started', 'cancel')
  -- Unless somebody has claimed it already.
  return r[1] == 'running' and r[2] == attempt and call('LREM', q .. 'wait', 1, id) == 1 and r or nil
end

local function putBack(startedAt)
  call('HINCRBY', key, reason == 'retry' and 'failures' or 'requeues', 1)
  call('HSET', key, 'status', 'pending', 'ready', t + delayMs)
  append(id, event, data, at)
  call('RPUSH', p .. 'attempts:' .. id, table.concat({ attempt, startedAt, string.format('%d', at), data }, ' '))
  call('LTRIM', p .. 'attempts:' .. id, ${-keptAttempts}, -1)
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

local r
if stalled then r = taken() else r = held(id, attempt, owner) end
if not r then
  local now = call('HMGET', key, 'status', 'attempt')
  return { 'refused', now[1], now[2], claim(owner, tonumber(count), t) }
end
-- A cancel was accepted: \`afterCancel\` of outcome.ts.
if r[6] then status, event, data = 'cancelled', 'task_cancelled', cancelled end
if status == 'pending' then
  putBack(r[5])
else
  if stalled then call('DEL', q .. id) else removeJob(id, owner, t) end
  finish(id, r[3], r[4], status, event, data, at)
end
return { status, r[5], string.format('%d', at), claim(owner, tonumber(count), t) }
`
  ),

  progress: script(
    [],
    `
local id, attempt, owner, data, at = unpack(ARGV)
if not held(id, attempt, owner) then return 0 end
local key, events = p .. 'task:' .. id, p .. 'events:' .. id
call('HSET', key, 'progress', data)
append(id, 'progress_update', data, at)
if call('XLEN', events) <= ${keptEvents} then return 1 end
-- The oldest progress goes. All before the one that went last are state changes, which stay.
local from = call('HGET', key, 'trimmed')
from = from and '(' .. from or '-'
while true do
  for _, entry in ipairs(call('XRANGE', events, from, '+', 'COUNT', 10)) do
    if entry[2][2] == 'progress_update' then
      call('XDEL', events, entry[1])
      call('HSET', key, 'trimmed', entry[1])
      return 1
    end
    from = '(' .. entry[1]
  end
end
`
  ),

  checkpoint: script(
    [],
    `
local id, attempt, owner, state = unpack(ARGV)
if not held(id, attempt, owner) then return 0 end
call('HSET', q .. id, 'state', state)
return 1
`
  ),

  confirm: script(
    [],
    `
local owner, stops = ARGV[1], {}
for n = 2, #ARGV, 2 do
  local id, attempt = ARGV[n], ARGV[n + 1]
  local r = held(id, attempt, owner)
  if not r then stops[#stops + 1] = { id, attempt, 'lost' } elseif r[6] then stops[#stops + 1] = { id, attempt, 'client' } end
end
return stops
`
  ),

  cancel: script(
    [],
    `
local id = ARGV[1]
local key = p .. 'task:' .. id
local r = call('HMGET', key, 'status', 'owner', 'type', 'seq')
if not r[1] then return { 'unknown' } end
if finished(r[1]) then return { 'finished', r[1] } end
if r[1] == 'running' then
  call('HSET', key, 'cancel', 1)
  local inbox = p .. 'inbox:' .. r[2]
  call('XADD', inbox, 'MAXLEN', '~', 1000, '*', 'cancel', id)
  call('PEXPIRE', inbox, 60000)
  return { 'running', record(id, true), requeued(id) }
end
call('ZREM', q .. 'prioritized', id)
call('ZREM', q .. 'delayed', id)
call('DEL', q .. id)
local t = clock()
finish(id, r[3], r[4], 'cancelled', 'task_cancelled', '{"reason":"client"}', t)
return { 'pending', record(id, true), requeued(id), string.format('%d', t) }
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
local ended, before, count = p .. ARGV[1], clock() - ARGV[2], 0
while count < tonumber(ARGV[3]) do
  local id = call('LINDEX', ended, 0)
  if not id then return count end
  -- None if a client has removed it.
  local at = call('HGET', p .. 'task:' .. id, 'ended')
  if at and tonumber(at) > before then return count end
  if at then forget(id) end
  call('LPOP', ended)
  count = count + 1
end
return count
`
  ),

  get: script([], 'return { record(ARGV[1], true), requeued(ARGV[1]) }'),

  findLost: script(
    [],
    `
local r = call('HMGET', p .. 'task:' .. ARGV[1], 'status', 'type', 'attempt', 'requeues')
return r[1] == 'running' and { r[2], r[3], r[4] }
`
  ),

  list: script(
    [],
    `
local wanted, type, before, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local found = {}

local function add(id, seq)
  found[#found + 1] = { id, tonumber(seq) }
end

-- The newest of a set.
local function collect(set, count, status)
  local some = call('ZREVRANGEBYSCORE', p .. set, '(' .. ARGV[3], '-inf', 'WITHSCORES', 'LIMIT', 0, count)
  for n = 1, #some, 2 do
    if not status or call('HGET', p .. 'task:' .. some[n], 'status') == status then add(some[n], some[n + 1]) end
  end
end

local active = call('LRANGE', q .. 'active', 0, -1)
if wanted == 'running' then
  for _, id in ipairs(active) do
    local r = call('HMGET', p .. 'task:' .. id, 'status', 'type', 'seq')
    if r[1] == 'running' and (type == '' or r[2] == type) and tonumber(r[3]) < before then add(id, r[3]) end
  end
else
  for _, one in ipairs(type ~= '' and { type } or call('SMEMBERS', p .. 'types')) do
    if wanted == '' then collect('open:' .. one, limit) end
    -- No more than the active ones can be in the way.
    if wanted == 'pending' then collect('open:' .. one, limit + #active, 'pending') end
    for _, status in ipairs({ 'completed', 'failed', 'cancelled' }) do
      if wanted == '' or wanted == status then collect('done:' .. one .. ':' .. status, limit) end
    end
  end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
local page = {}
for n = 1, math.min(limit, #found) do page[n] = { found[n][2], record(found[n][1]) } end
return page
`
  )
} satisfies Record<string, Script>
