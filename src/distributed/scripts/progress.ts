import { keptEvents } from '../../stored.ts'

/** Used by `progress` and, with the last one that was not acknowledged, by `finish`. Each attempt numbers its reports. */
export const reporting = `
local function report(id, number, latest, data, at)
  if tonumber(number) <= tonumber(latest or 0) then return end
  local key, events = p .. 'task:' .. id, p .. 'events:' .. id
  call('HSET', key, 'progress', data, 'reported', number)
  append(id, 'progress_update', data, at)
  if call('XLEN', events) <= ${keptEvents} then return end
  -- The oldest progress goes. All before the one that went last are state changes, which stay.
  local from = call('HGET', key, 'trimmed')
  from = from and '(' .. from or '-'
  while true do
    for _, entry in ipairs(call('XRANGE', events, from, '+', 'COUNT', 10)) do
      if entry[2][2] == 'progress_update' then
        call('XDEL', events, entry[1])
        call('HSET', key, 'trimmed', entry[1])
        return
      end
      from = '(' .. entry[1]
    end
  end
end
`

export const progress = `
local id, attempt, owner, number, data, at = unpack(ARGV)
local r = running(id, attempt, owner)
if not r then return 0 end
report(id, number, r[7], data, at)
return 1
`

export const checkpoint = `
local id, attempt, owner, state = unpack(ARGV)
if not running(id, attempt, owner) then return 0 end
call('HSET', q .. id, 'state', state)
return 1
`
