import { maxPriority } from '../../task.ts'

/** The arguments of `submit` for each task, in this order; what is missing is empty. */
export const submitted = [
  'id',
  'type',
  'priority',
  'input',
  'key',
  'fingerprint',
  'labels',
  'runAt',
  'requestId',
  'traceparent',
  'retryOf',
  'once'
] as const

/** A larger input is not kept with the job too. */
const shownInputBytes = 1024

/** Adds a task's job to the queue. Used by `submit` and, when its time has come, by whatever claims. */
export const queueing = `
local function enqueue(id, type, priority, t, input)
  -- For those who look at the queue: nothing of ours reads it there.
  local data = #input <= ${shownInputBytes} and input or '{"inputBytes":' .. #input .. '}'
  -- In BullMQ a lower number goes first, and none at all before all others.
  addPrioritizedJob(id, {
    packed = cmsgpack.pack({ q, id, type, t }), data = data, options = cmsgpack.pack({ priority = ${maxPriority + 1} - priority })
  })
end
`

/**
 * Creates tasks, with their records and jobs: all of them or none. Repeated with the same ids it gives the same answer: for each
 * task its id, or that of the existing one that takes its place (its key was used, or with `once` it was retried before).
 */
export const submit = `
local names = { ${submitted.map((name) => `'${name}'`).join(', ')} }
local maxPending = tonumber(ARGV[1])
local tasks, keys, count = {}, {}, 0
for n = 2, #ARGV, #names do
  local task = {}
  for index, name in ipairs(names) do task[name] = ARGV[n + index - 1] end
  tasks[#tasks + 1] = task
end
for index, task in ipairs(tasks) do
  local id = task.id
  if task.once ~= '' then
    local retried = call('HGET', p .. 'task:' .. task.retryOf, 'retried')
    if retried and retried ~= id then task.used = retried end
  end
  if task.key ~= '' then
    local used = keys[task.key] or call('GET', p .. 'key:' .. task.key)
    if used then
      local usedBy, fingerprint = string.match(used, '^(%S+) (.*)$')
      if fingerprint ~= task.fingerprint then return { 'reused', index - 1 } end
      if usedBy ~= id then task.used = usedBy end
    else
      keys[task.key] = id .. ' ' .. task.fingerprint
    end
  end
  -- Before anything is written: it throws if they are no JSON.
  task.labelList = labelsOf(task.labels)
  -- One that is there was made by the same command.
  task.exists = task.used or call('EXISTS', p .. 'task:' .. id) == 1
  if not task.exists then count = count + 1 end
end
local pending = call('ZCARD', q .. 'prioritized') + call('ZCARD', q .. 'delayed') + call('ZCARD', p .. 'scheduled')
if count > 0 and pending + count > maxPending then return { 'full', pending } end

local t = clock()
local function accept(task)
  local id, key = task.id, p .. 'task:' .. task.id
  local runAt = tonumber(task.runAt)
  local isScheduled = runAt and runAt > t
  local seq = call('INCR', p .. 'seq')
  call('HSET', key, 'type', task.type, 'status', 'pending', 'seq', seq, 'priority', task.priority, 'attempt', 0,
    'failures', 0, 'requeues', 0, 'created', integer(t), 'ready', isScheduled and task.runAt or integer(t))
  call('SET', p .. 'input:' .. id, task.input)
  for _, name in ipairs({ 'key', 'labels', 'runAt', 'requestId', 'traceparent', 'retryOf' }) do
    if task[name] ~= '' then call('HSET', key, name, task[name]) end
  end
  if task.key ~= '' then call('SET', p .. 'key:' .. task.key, id .. ' ' .. task.fingerprint) end
  if task.retryOf ~= '' and call('EXISTS', p .. 'task:' .. task.retryOf) == 1 then
    call('HSET', p .. 'task:' .. task.retryOf, 'retried', id)
  end
  call('SADD', p .. 'types', task.type)
  call('ZADD', p .. 'open:' .. task.type, seq, id)
  for _, label in ipairs(task.labelList) do call('ZADD', p .. 'label:' .. label .. ':open', seq, id) end
  publish(id, 'task_accepted', isScheduled and '{"status":"pending","runAt":' .. task.runAt .. '}' or '{"status":"pending"}', t)
  if isScheduled then
    call('ZADD', p .. 'scheduled', task.runAt, id)
    wakeWorker()
  else
    enqueue(id, task.type, task.priority, t, task.input)
  end
end

local answers = {}
for index, task in ipairs(tasks) do
  if not task.exists then accept(task) end
  answers[index] = task.used or task.id
end
return { 'accepted', answers }
`
