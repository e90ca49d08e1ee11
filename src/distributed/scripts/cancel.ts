export const cancel = `
local id, request = unpack(ARGV)

-- Its job is removed, wherever it is; a process that has claimed it has not begun it.
local function removePending(owner)
  for _, set in ipairs({ 'prioritized', 'delayed' }) do call('ZREM', q .. set, id) end
  for _, list in ipairs({ 'wait', 'active' }) do call('LREM', q .. list, 1, id) end
  call('SREM', q .. 'stalled', id)
  call('ZREM', p .. 'scheduled', id)
  call('DEL', q .. id, q .. id .. ':lock')
  if owner then releaseClaim(id, owner) end
end

return once(request, function()
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'owner', 'type', 'seq', 'cancel')
  if not r[1] then return { 'unknown' } end
  if finished(r[1]) then return { 'finished', r[1] } end
  if r[1] == 'running' then
    call('HSET', key, 'cancel', 1)
    local inbox = p .. 'inbox:' .. r[2]
    call('XADD', inbox, 'MAXLEN', '~', 1000, '*', 'cancel', id)
    call('PEXPIRE', inbox, 60000)
    return { r[5] and 'cancelling' or 'running', record(id, true), requeued(id) }
  end
  removePending(r[2])
  local t = clock()
  endTask(id, r[3], r[4], 'cancelled', 'task_cancelled', '{"reason":"client"}', t)
  return { 'pending', record(id, true), requeued(id), integer(t) }
end)
`
