// A reader that has not seen the final event by then looks itself: its connection was away for longer.
const announcedForMs = 60_000

/** Used by `remove` and `sweep`. */
export const removing = `
local function removeTask(id)
  local key = p .. 'task:' .. id
  local r = call('HMGET', key, 'status', 'type', 'key', 'labels', 'ended')
  call('ZREM', p .. 'done:' .. r[2] .. ':' .. r[1], id)
  if r[3] then call('DEL', p .. 'key:' .. r[3]) end
  for _, label in ipairs(labelsOf(r[4])) do call('ZREM', p .. 'label:' .. label .. ':' .. r[1], id) end
  call('DEL', key, p .. 'events:' .. id, p .. 'attempts:' .. id, p .. 'input:' .. id)
  -- Somebody may still wait for its final event.
  if clock() - r[5] < ${announcedForMs} then call('XADD', p .. 'removed', 'MAXLEN', '~', 1000, '*', 'id', id) end
end
`

/** The status that the task had; it is gone if that was a final one. */
export const remove = `
local id, request = unpack(ARGV)
return once(request, function()
  local status = call('HGET', p .. 'task:' .. id, 'status')
  if status and finished(status) then removeTask(id) end
  return status
end)
`

export const sweep = `
local ended, before, count = p .. ARGV[1], clock() - ARGV[2], 0
while count < tonumber(ARGV[3]) do
  local id = call('LINDEX', ended, 0)
  if not id then return count end
  -- None if a client has removed it.
  local at = call('HGET', p .. 'task:' .. id, 'ended')
  if at and tonumber(at) > before then return count end
  if at then removeTask(id) end
  call('LPOP', ended)
  count = count + 1
end
return count
`
