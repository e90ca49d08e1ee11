import { leaseMs } from './shared.ts'

/** How often BullMQ looks for jobs whose leases have run out, all processes together. */
export const recoverEveryMs = 1_000

/**
 * Extends the leases of all that an owner has claimed. It names what it knows of. The answer is what of that it has lost
 * or has to stop, and what it has claimed without knowing it. A Redis that is full says so, and extends them all the same.
 */
export const renew = `
local owner = ARGV[1]
local known, stops, unknown, current = {}, {}, {}, {}
for n = 2, #ARGV, 2 do known[ARGV[n]] = ARGV[n + 1] end
local probe = redis.pcall('SET', p .. 'probe', clock(), 'EX', 60)
if probe.err and not string.find(probe.err, 'OOM', 1, true) then return redis.error_reply(probe.err) end

for _, id in ipairs(call('SMEMBERS', p .. 'claims:' .. owner)) do
  local lock = q .. id .. ':lock'
  -- Not a SET, which a full Redis refuses.
  if call('GET', lock) == owner and call('PEXPIRE', lock, ${leaseMs}) == 1 or holds(id, owner) then
    call('SREM', q .. 'stalled', id)
    local r = call('HMGET', p .. 'task:' .. id, 'status', 'attempt', 'type', 'failures', 'requeues', 'cancel')
    local attempt = r[1] == 'running' and r[2] or '0'
    current[id] = attempt
    if finished(r[1] or '') then
      -- Whoever ended it did not know of the claim.
      current[id] = nil
      call('LREM', q .. 'active', 1, id)
      call('DEL', q .. id, lock)
      releaseClaim(id, owner)
    elseif not known[id] then
      unknown[#unknown + 1] = describe(id, r[3], r[4], r[5], call('HGETALL', q .. id))
    elseif known[id] == attempt and r[6] then
      stops[#stops + 1] = { id, attempt, 'client' }
    end
  else
    call('SREM', p .. 'claims:' .. owner, id)
  end
end
for id, attempt in pairs(known) do
  -- Attempt 0 may have begun by a command whose answer is on its way.
  if not current[id] or attempt ~= '0' and current[id] ~= attempt then stops[#stops + 1] = { id, attempt, 'lost' } end
end
return { probe.err or false, stops, unknown }
`

/**
 * Lets due tasks join the queue, and requeues the jobs whose leases have run out; returns the attempts among them that had
 * begun, whose outcomes are missing.
 */
export const recover = `
enqueueDue(clock())
local lost = {}
-- The record of a task decides how often it may be lost.
local check = { maxStalledCount = '9007199254740991', timestamp = clock(), checkEveryMs = ${recoverEveryMs} }
for _, id in ipairs(moveStalledJobsToWait('', check)) do
  local r = call('HMGET', p .. 'task:' .. id, 'status', 'type', 'attempt', 'requeues', 'owner')
  if r[5] then call('SREM', p .. 'claims:' .. r[5], id) end
  if r[1] == 'running' then
    lost[#lost + 1] = { 'lost', id, r[2], r[3], r[4] }
  elseif r[5] then
    call('HDEL', p .. 'task:' .. id, 'owner')
  end
end
return lost
`
