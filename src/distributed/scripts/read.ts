export const get = 'return { record(ARGV[1], true), requeued(ARGV[1]) }'

export const list = `
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

/** For how many milliseconds the task that has been ready for longest waits for a slot. */
export const oldestPending = `
local t = clock()
local oldest = t

local function consider(id)
  local ready = tonumber(call('HGET', p .. 'task:' .. id, 'ready') or '')
  if ready then oldest = math.min(oldest, ready) end
end

-- The first of each priority; a score is the priority, times 2^32, and a number that counts up.
local from = '-inf'
while true do
  local first = call('ZRANGEBYSCORE', q .. 'prioritized', from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if #first == 0 then break end
  consider(first[1])
  from = integer((math.floor(first[2] / 0x100000000) + 1) * 0x100000000)
end
-- Those whose type runs as often as it may are out of the queue for a moment at a time.
for _, id in ipairs(call('ZRANGE', q .. 'delayed', 0, 19)) do consider(id) end
return t - oldest
`
