import { keptAttempts } from '../../stored.ts'

/** Records what becomes of an attempt, and claims for the slot that it releases. */
export const finish = `
local id, attempt, owner, count, capacity, agoMs, status, event, data, cancelled, reason, delayMs, number, progress = unpack(ARGV)
local t = clock()
-- What could not be written at once has happened before.
local at = t - agoMs
local key = p .. 'task:' .. id
-- The owner is lost, and BullMQ has put the job back, to be run at once.
local stalled = owner == ''

local function stalledAttempt()
  local r = call('HMGET', key, 'status', 'attempt', 'type', 'seq', 'started', 'cancel', 'reported')
  -- Unless somebody has claimed it already.
  return r[1] == 'running' and r[2] == attempt and call('LREM', q .. 'wait', 1, id) == 1 and r or nil
end

local function requeue(startedAt)
  call('HINCRBY', key, reason == 'retry' and 'failures' or 'requeues', 1)
  call('HSET', key, 'status', 'pending', 'ready', integer(t + delayMs))
  call('HDEL', key, 'owner')
  append(id, event, data, at)
  call('RPUSH', p .. 'attempts:' .. id, table.concat({ attempt, startedAt, integer(at), data }, ' '))
  call('LTRIM', p .. 'attempts:' .. id, ${-keptAttempts}, -1)
  if stalled then
    call('ZADD', q .. 'prioritized', call('HGET', q .. id, 'priority') * 0x100000000, id)
  elseif tonumber(delayMs) > 0 then
    return moveToDelayed(id, {
      timestamp = t, token = owner, delay = delayMs, skipAttempt = '1', fields = '', fetchNext = '0', options = ''
    })
  else
    moveJobFromActiveToWait(id, { token = owner })
  end
  wakeWorker()
end

local r
if stalled then r = stalledAttempt() else r = running(id, attempt, owner) end
if not r then
  -- Done already, and the answer was lost?
  local now = call('HMGET', key, 'status', 'attempt')
  local recorded = now[2] == attempt and now[1]
  for _, entry in ipairs(requeued(id)) do
    local number, reasonThen = string.match(entry, '^(%d+) %d+ %d+ {"reason":"(%l+)"')
    if number == attempt and reasonThen == reason then recorded = 'pending' end
  end
  return { 'refused', recorded, integer(at), claim(owner, count, capacity, t) }
end
if not stalled then
  call('SREM', p .. 'claims:' .. owner, id)
  if number ~= '0' then report(id, number, r[7], progress, at) end
end
-- A cancel was accepted: \`afterCancel\` of outcome.ts.
if r[6] then status, event, data = 'cancelled', 'task_cancelled', cancelled end
if status == 'pending' then
  requeue(r[5])
else
  if stalled then call('DEL', q .. id) else removeJob(id, owner, t) end
  endTask(id, r[3], r[4], status, event, data, at)
end
return { status, r[5], integer(at), claim(owner, count, capacity, t) }
`
