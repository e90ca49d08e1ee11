/** Makes a task, its record and its job; the answer to the same id again is the same. */
export const accept = `
local id, type, priority, input, maxPending, idempotencyKey, fingerprint = unpack(ARGV)
if idempotencyKey ~= '' then
  local used = call('GET', p .. 'key:' .. idempotencyKey)
  if used and string.sub(used, 1, #id) ~= id then return { 'used', used } end
end
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
addPrioritizedJob(id, {
  packed = cmsgpack.pack({ q, id, type, t }), data = input, options = cmsgpack.pack({ priority = 11 - priority })
})
return { 'accepted' }
`
