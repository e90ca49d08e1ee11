import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { describeSettings, readSettings, Settings } from '../../src/config.ts'
import { environmentOf, needsHelm, renderChart } from './chart.ts'
import { distributed } from './variants.ts'

const root = new URL('../../', import.meta.url)
const declared = describeSettings()
  .map(({ name }) => name)
  .sort()
const tokens = { ADMIN_TOKEN: 'operator', API_TOKENS: 'one,two', TICKET_SECRET: 'shared' }
const full = {
  config: { CORS_ORIGINS: '*' },
  tokens: { existingSecret: 'tokens' },
  tasks: { modules: { 'a.mjs': '' } }
}
const redis = { redis: { address: 'redis://redis:6379' }, tokens }

t.test(
  'with every switch on, the environment is exactly what src/config.ts declares',
  { skip: needsHelm },
  async (t) => {
    t.strictSame(Object.keys(environmentOf(renderChart(full), { tokens })).sort(), declared)
    const environment = environmentOf(renderChart({ ...distributed, ...full }), redis)
    t.strictSame(Object.keys(environment).sort(), declared)
    t.match(environment, { ...tokens, TASKS_DIR: '/tasks' })
  }
)

t.test('tokens that are values are in a Secret of the release', { skip: needsHelm }, async (t) => {
  const environment = environmentOf(renderChart({ tokens: { admin: 'operator', api: ['one', 'two'] } }))
  t.match(environment, { ADMIN_TOKEN: 'operator', API_TOKENS: 'one,two' })
})

t.test('without any, only what is optional is missing', { skip: needsHelm }, async (t) => {
  const required = Settings.required
  t.strictSame(Object.keys(environmentOf(renderChart())).sort(), [...(required ?? [])].sort())
  t.strictSame(
    Object.keys(environmentOf(renderChart(distributed), redis)).sort(),
    [...(required ?? [])].sort()
  )
})

t.test(
  'the service takes the environment, and reads its own defaults from it',
  { skip: needsHelm },
  async (t) => {
    const { TASK_STORE_URL, ...settings } = readSettings(environmentOf(renderChart()))
    const { TASK_STORE_URL: _, ...defaults } = readSettings({})
    t.strictSame(settings, defaults)
    t.equal(TASK_STORE_URL, 'sqlite:/data/tasks.db', 'but for the file, which is on the volume')
    const environment = environmentOf(renderChart({ ...distributed, ...full }), redis)
    t.equal(readSettings(environment).TASK_STORE_URL, 'redis://redis:6379')
  }
)

t.test('the URL of the Redis is in no object', { skip: needsHelm }, async (t) => {
  t.match(JSON.stringify(renderChart(distributed)), /"secretKeyRef":\{"name":"redis","key":"address"\}/)
})

t.test('the chart is as old as the program', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const { appVersion } = parse(readFileSync(new URL('helm/Chart.yaml', root), 'utf8'))
  t.equal(appVersion, version)
})
