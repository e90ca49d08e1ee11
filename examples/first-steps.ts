import { LastcallClient } from 'lastcall-client'

const client = new LastcallClient({ baseUrl: 'http://localhost:3000' })

// Three tasks in one step: all of them, or none.
const labels = { order: '4711' }
const [short, long] = await client.startMany([
  { type: 'demo', input: { seconds: 1 }, labels },
  { type: 'demo', input: { seconds: 10 }, labels },
  { type: 'bom-coverage', input: { bom: 'this is no table' }, labels }
])

const { status, result } = await client.wait(short.taskId)
console.log('the short one:', status, result)

// Stop the service meanwhile, or kill it, and start it again.
for await (const event of client.follow(long.taskId)) {
  if (event.type === 'progress_update') console.log(`the long one: ${Math.round(event.data.value * 100)} %`)
  else console.log('the long one:', event.type)
}

for await (const task of client.list({ status: 'failed', label: ['order:4711'] })) {
  console.log('failed:', task.type, task.error?.code)
  const again = await client.retry(task.taskId)
  console.log('once more:', (await client.wait(again.taskId)).status)
}
