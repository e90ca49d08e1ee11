// Enough for some weeks of rollouts; a report that nobody takes must not stay for ever.
const keptShutdowns = 100

export const addShutdown = `
local request, report = unpack(ARGV)
return once(request, function()
  call('RPUSH', p .. 'shutdowns', report)
  call('LTRIM', p .. 'shutdowns', ${-keptShutdowns}, -1)
  return 1
end)
`

export const takeShutdown = `
return once(ARGV[1], function() return call('LPOP', p .. 'shutdowns') end)
`
