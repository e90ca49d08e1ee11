/** How many tasks of a set one script looks at, at most. */
const chunk = 200

/**
 * Finds tasks, newest first: { ids and seqs, where to go on }. A set whose tasks have to be looked at one by one is read in
 * chunks, and what is older than the last that was looked at is left to the next call.
 */
export const search = `
local before, limit, type, except, createdBefore, createdAfter = unpack(ARGV, 1, 6)
limit, createdBefore, createdAfter = tonumber(limit), tonumber(createdBefore), tonumber(createdAfter)
local wanted, labels = {}, {}
for status in string.gmatch(ARGV[7], '%l+') do wanted[status] = true end
for n = 8, #ARGV do labels[#labels + 1] = ARGV[n] end

local function matches(id, set, status)
  for n = 2, #labels do
    if not call('ZSCORE', p .. 'label:' .. labels[n] .. ':' .. set, id) then return false end
  end
  local byLabel = #labels > 0 and type ~= ''
  if not (status or byLabel or except ~= '' or createdBefore or createdAfter) then return true end
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'type', 'created', 'cancel', 'retried')
  if not r[1] or status and r[1] ~= status or byLabel and r[2] ~= type then return false end
  if except == 'cancelling' and r[4] or except == 'retried' and r[5] then return false end
  if createdBefore and tonumber(r[3]) >= createdBefore then return false end
  return not createdAfter or tonumber(r[3]) > createdAfter
end

-- The place, in the order of acceptance, of the first task of a set that is not older than a time.
local function placeAt(key, time)
  local low, high = 0, call('ZCARD', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local created = call('HGET', p .. 'task:' .. call('ZRANGE', key, middle, middle)[1], 'created')
    if tonumber(created) < time then low = middle + 1 else high = middle end
  end
  return tonumber(call('ZRANGE', key, low, low, 'WITHSCORES')[2])
end

local found, floor = {}, 0
local function collect(key, set, status)
  local place = createdBefore and placeAt(key, createdBefore)
  local last = place and math.min(place, before) or before
  local some = call('ZREVRANGEBYSCORE', key, '(' .. integer(last), '-inf', 'WITHSCORES', 'LIMIT', 0, ${chunk})
  for n = 1, #some, 2 do
    if matches(some[n], set, status) then found[#found + 1] = { some[n], tonumber(some[n + 1]) } end
  end
  if #some == ${2 * chunk} then floor = math.max(floor, tonumber(some[#some])) end
end

local function collectAll(set, status)
  if #labels > 0 then return collect(p .. 'label:' .. labels[1] .. ':' .. set, set, status) end
  for _, one in ipairs(type ~= '' and { type } or call('SMEMBERS', p .. 'types')) do
    collect(p .. (set == 'open' and 'open:' .. one or 'done:' .. one .. ':' .. set), set, status)
  end
end

before = tonumber(before)
if wanted.running and not wanted.pending then
  for _, id in ipairs(call('LRANGE', q .. 'active', 0, -1)) do
    local r = call('HMGET', p .. 'task:' .. id, 'type', 'seq', 'labels')
    local first = #labels == 0 or call('ZSCORE', p .. 'label:' .. labels[1] .. ':open', id)
    local isOfType = type == '' or r[1] == type
    if first and isOfType and r[2] and tonumber(r[2]) < before and matches(id, 'open', 'running') then
      found[#found + 1] = { id, tonumber(r[2]) }
    end
  end
elseif wanted.pending then
  collectAll('open', not wanted.running and 'pending' or nil)
end
for _, status in ipairs({ 'completed', 'failed', 'cancelled' }) do
  if wanted[status] then collectAll(status) end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
local page = {}
for _, task in ipairs(found) do
  if task[2] < floor then break end
  if #page == limit then return { page, page[limit][2] } end
  page[#page + 1] = task
end
return { page, floor }
`

/** The records of tasks, without their results; none for one that is gone. */
export const summaries = `
local records = {}
for n, id in ipairs(ARGV) do records[n] = record(id) end
return records
`
