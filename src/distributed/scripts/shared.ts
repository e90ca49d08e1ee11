/** How long a claim lasts without being renewed: a process or a Redis that stalls for two seconds loses nothing. */
export const leaseMs = 4_000
export const queueName = 'tasks'
/** How long the answer to a command is kept, for one that is sent again because its answer was lost. */
const onceMs = 60_000

/**
 * What all scripts share. KEYS[1] is the prefix of every key, with a hash tag: on Redis Cluster all are in one slot.
 *
 *   task:<id>               hash: the record; `owner` is the process that has claimed it, by the token of its leases
 *   events:<id>             stream: its events {t: type, d: data, a: when it happened}
 *   attempts:<id>           list: attempts after which it was requeued, "<attempt> <start> <end> <data of task_requeued>"
 *   claims:<owner>          set: tasks that a process has claimed
 *   input:<id>              its input
 *   limits                  hash: how many tasks of a type may run at once
 *   scheduled               sorted set: pending tasks that wait for their time, by it
 *   label:<key:value>:open  sorted set: pending and running tasks with that label, by seq
 *   label:<key:value>:<status>  the same of finished ones
 *   open:<type>             sorted set: pending and running tasks by seq, the order of acceptance
 *   done:<type>:<status>    sorted set: finished tasks by seq
 *   types                   set: all types there ever was a task of
 *   ended, failed           lists: finished tasks in the order of their end, failed ones apart
 *   key:<idempotency key>   "<id> <fingerprint>"
 *   inbox:<owner>           stream: wakes a process, and names tasks that it has to cancel
 *   removed                 stream: tasks that were removed soon after their end, for readers that wait for it
 *   once:<request>          the answer to a command that must not be done twice
 *   repair                  exists until the next check that every task has its job
 *   shutdowns               list: reports of finished shutdowns
 *   seq                     counts accepted tasks
 *   watched                 exists while a process watches all changes, which are published on the channel `changes`
 *   tasks:…                 BullMQ's; a job has its task's id, and as `state` its checkpoint
 *
 * A task is pending until its process has begun it: claimed and never begun, it is claimed again as if nothing had been.
 * Each script may be done twice, because its answer can be lost. Times are Redis's own, in epoch milliseconds. Each command
 * costs Redis about as much as a point read, so none is wasted.
 */
export const shared = `
local p, q = KEYS[1] .. ':', KEYS[1] .. ':${queueName}:'
local call = redis.call

local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function integer(n)
  return string.format('%d', n)
end

-- Does it unless it was done for this request already; the answer is the first one's.
local function once(request, act)
  local key = p .. 'once:' .. request
  local kept = call('GET', key)
  if kept then return cmsgpack.unpack(kept) end
  local answer = act()
  call('SET', key, cmsgpack.pack(answer), 'PX', ${onceMs})
  return answer
end

-- For those who watch all tasks.
local function publish(id, type, data, at)
  if call('EXISTS', p .. 'watched') == 0 then return end
  local r = call('HMGET', p .. 'task:' .. id, 'type', 'labels')
  call('PUBLISH', p .. 'changes', table.concat({ id, r[1], type, integer(at), r[2] or '', data }, '\\n'))
end

local function append(id, type, data, at)
  call('XADD', p .. 'events:' .. id, '*', 't', type, 'd', data, 'a', integer(at))
  publish(id, type, data, at)
end

local function labelsOf(json)
  local labels = {}
  if not json or json == '' then return labels end
  for key, value in pairs(cjson.decode(json)) do labels[#labels + 1] = key .. ':' .. value end
  return labels
end

local function finished(status)
  return status ~= 'pending' and status ~= 'running'
end

-- Idle workers wait for this member; a worker that takes it without claiming has to restore it.
local function wakeWorker()
  call('ZADD', q .. 'marker', 0, '0')
end

-- Whether this owner has the lease of a job. One that ran out, because Redis or the process was away, is taken again as long
-- as nobody took the job from among the active ones.
local function holds(id, owner)
  local lock = q .. id .. ':lock'
  local holder = call('GET', lock)
  if holder == owner then return true end
  if holder or not call('LPOS', q .. 'active', id) then return false end
  call('SET', lock, owner, 'PX', ${leaseMs})
  return true
end

-- The record of an attempt that is current: its task runs in it, and the lease is this owner's.
local function running(id, attempt, owner)
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'attempt', 'type', 'seq', 'started', 'cancel', 'reported')
  return r[1] == 'running' and r[2] == attempt and holds(id, owner) and r or nil
end

-- The job of a task is nobody's any more.
local function releaseClaim(id, owner)
  call('SREM', p .. 'claims:' .. owner, id)
  call('HDEL', p .. 'task:' .. id, 'owner')
end

-- Record and final event of a task that ends.
local function endTask(id, type, seq, status, event, data, at)
  call('HSET', p .. 'task:' .. id, 'status', status, 'ended', integer(at))
  for _, label in ipairs(labelsOf(call('HGET', p .. 'task:' .. id, 'labels'))) do
    call('ZREM', p .. 'label:' .. label .. ':open', id)
    call('ZADD', p .. 'label:' .. label .. ':' .. status, seq, id)
  end
  call('ZREM', p .. 'open:' .. type, id)
  call('ZADD', p .. 'done:' .. type .. ':' .. status, seq, id)
  call('RPUSH', p .. (status == 'failed' and 'failed' or 'ended'), id)
  append(id, event, data, at)
  -- Redis gives each stream 4 KiB to grow into; one that is restored gets what it needs. Where that is forbidden it stays.
  if #data > 16384 then return end
  local events = p .. 'events:' .. id
  local dump = redis.pcall('DUMP', events)
  if not dump.err then redis.pcall('RESTORE', events, 0, dump, 'REPLACE') end
end

-- As \`records.ts\` reads it; without its result if that is not wanted.
local function record(id, withResult)
  local r = call('HMGET', p .. 'task:' .. id, 'type', 'status', 'progress', 'attempt', 'priority', 'created', 'started', 'ended',
    'labels', 'runAt', 'requestId', 'retryOf', 'retried')
  if not r[1] then return false end
  local final = false
  if finished(r[2]) and (withResult or r[2] ~= 'completed') then
    local last = call('XREVRANGE', p .. 'events:' .. id, '+', '-', 'COUNT', 1)[1]
    final = last and last[2][4]
  end
  return { id, r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], final, r[9], r[10], r[11], r[12], r[13] }
end

local function requeued(id)
  return call('LRANGE', p .. 'attempts:' .. id, 0, -1)
end
`
