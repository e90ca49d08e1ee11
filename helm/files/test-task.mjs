// The pod of `helm test`: starts a task, follows its stream to the end, and reads the metrics.
const { LASTCALL_URL, LASTCALL_METRICS_URL, API_TOKENS = '' } = process.env
// Each entry is a token, or a name, a colon and a token.
const token = API_TOKENS.split(',')[0]
  .replace(/^[^:]*:/, '')
  .trim()
const headers = token ? { authorization: `Bearer ${token.trim()}` } : {}

async function ask(url, init = {}) {
  const response = await fetch(url, { ...init, headers: { ...headers, ...init.headers } })
  const text = await response.text()
  const asked = `${init.method ?? 'GET'} ${url.split('?')[0]}` // without the stream's ticket, which is a secret
  if (!response.ok) throw new Error(`${asked}: ${response.status} ${text}`)
  console.log(`${asked}: ${response.status}`)
  return text
}

const bom = 'Reference,Value,Qty,Manufacturer,MPN\n"R1,R2",10k,2,Yageo,RC0603FR-0710KL\n'
const stock = 'part_id,manufacturer_code,value,quantity\nA1,RC0603FR-0710KL,10k,100\n'
const started = JSON.parse(
  await ask(`${LASTCALL_URL}/api/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'bom-coverage', input: { bom, stock, boards: 1 } })
  })
)
const events = await ask(LASTCALL_URL + started.streamUrl)
if (!events.includes('event: task_completed')) throw new Error(`The task was not completed:\n${events}`)

const metrics = await ask(LASTCALL_METRICS_URL)
for (const name of ['task_started_total', 'task_finished_total', 'task_draining_state']) {
  if (!metrics.includes(name)) throw new Error(`The metrics lack ${name}`)
}
console.log('A task was started, followed to its end, and counted.')
