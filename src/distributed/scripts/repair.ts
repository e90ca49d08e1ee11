/** How often all processes together check that every task has its job. */
const repairEveryMs = 1_000
const sliceSize = 500

/**
 * Restores the jobs of tasks that were removed from the queue by BullMQ's own means, such as Bull Board. Returns the attempts among
 * them that had begun, whose outcomes have to be resolved, and where to continue: a type and a number in its order.
 */
export const repair = `
local fromType, from = unpack(ARGV)
if not call('SET', p .. 'repair', 1, 'NX', 'PX', ${repairEveryMs}) then return { {}, fromType, from } end
local types = call('SMEMBERS', p .. 'types')
table.sort(types)
local tasks = 0
for _, type in ipairs(types) do tasks = tasks + call('ZCARD', p .. 'open:' .. type) end
local jobs = call('ZCARD', p .. 'scheduled') + call('ZCARD', q .. 'prioritized') + call('ZCARD', q .. 'delayed') +
  call('LLEN', q .. 'wait') + call('LLEN', q .. 'paused') + call('LLEN', q .. 'active')
if tasks <= jobs then return { {}, '', 0 } end

local lost, t, left = {}, clock(), ${sliceSize}
local function giveBack(id)
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'type', 'attempt', 'requeues', 'owner', 'priority')
  if r[5] then releaseClaim(id, r[5]) end
  enqueue(id, r[2], r[6], t, call('GET', p .. 'input:' .. id))
  if r[1] == 'running' then
    call('ZREM', q .. 'prioritized', id)
    call('RPUSH', q .. 'wait', id)
    lost[#lost + 1] = { 'lost', id, r[2], r[3], r[4] }
  end
end

for _, type in ipairs(types) do
  if type >= fromType then
    local after = type == fromType and '(' .. from or '-inf'
    local some = call('ZRANGEBYSCORE', p .. 'open:' .. type, after, '+inf', 'WITHSCORES', 'LIMIT', 0, left)
    for n = 1, #some, 2 do
      local id = some[n]
      if call('EXISTS', q .. id) == 0 and not call('ZSCORE', p .. 'scheduled', id) then giveBack(id) end
    end
    left = left - #some / 2
    if left <= 0 then return { lost, type, some[#some] } end
  end
end
return { lost, '', 0 }
`
