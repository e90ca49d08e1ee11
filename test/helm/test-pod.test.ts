import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { startServer } from '../helper.ts'
import { needsHelm, only, renderChart } from './chart.ts'

const run = promisify(execFile)

/** The container of `helm test`, started here with the addresses of a process in place of those of the services. */
async function runTestPod(url: string, environment: Record<string, string> = {}) {
  const { command, args } = only(renderChart(), 'Pod').spec.containers[0]
  const addresses = { LASTCALL_URL: url, LASTCALL_METRICS_URL: `${url}/metrics` }
  const [, ...options] = command
  return run(process.execPath, [...options, ...args], {
    env: { PATH: process.env.PATH, ...addresses, ...environment }
  })
}

t.test(
  'helm test starts a task, follows it to its end and reads the metrics',
  { skip: needsHelm },
  async (t) => {
    const { url } = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:', API_TOKENS: 'one,two' })
    const { stdout } = await runTestPod(url, { API_TOKENS: 'one,two' })
    t.match(
      stdout,
      /\/stream: 200\nGET .*\/metrics: 200\nA task was started, followed to its end, and counted/
    )
  }
)

t.test('helm test fails where the service does not do its work', { skip: needsHelm }, async (t) => {
  const { url } = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:', API_TOKENS: 'one' })
  await t.rejects(runTestPod(url), { code: 1, stderr: /api\/tasks: 401/ })
})

t.test(
  'the pod of helm test finds the services and the tokens of its release',
  { skip: needsHelm },
  async (t) => {
    const objects = renderChart({ tokens: { api: ['one'] }, service: { port: 8080 }, config: { PORT: 4000 } })
    const services = objects.filter(({ kind }) => kind === 'Service')
    const addresses = services.map(({ metadata, spec }) => `http://${metadata.name}:${spec.ports[0].port}`)
    const { env } = only(objects, 'Pod').spec.containers[0]
    for (const { name, value, valueFrom } of env) {
      if (name === 'API_TOKENS') t.equal(valueFrom.secretKeyRef.name, only(objects, 'Secret').metadata.name)
      else t.ok(addresses.includes(new URL(value).origin), value, { addresses })
    }
  }
)
