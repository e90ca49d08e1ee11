import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import type { Values } from '../helm/chart.ts'
import { needsRedis, startRedis } from '../redis.ts'
import { Client } from '../system/retrying-client.ts'
import { type Cluster, chart, helms, must, startCluster, until } from './cluster.ts'
import { needsControlPlane } from './control-plane.ts'

t.setTimeout(1_500_000)
t.jobs = 2

const skip = needsControlPlane || needsRedis()

const types = {
  'slow.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'slow', description: 'Takes its time.', input: {}, isolation: 'inline', onShutdown: 'requeue', onLost: 'requeue',
    async run ({ ms }, { checkpoint, restored, signal }) {
      for (let done = restored?.done ?? 0; done < ms; done += 50) {
        await sleep(50, undefined, { signal })
        await checkpoint({ done })
      }
      return 'done'
    }
  }`
}

/** Short budgets and quick probes, so that a rollout takes seconds. */
const quick: Values = {
  image: { repository: 'lastcall', tag: '1' },
  service: { port: 8080 },
  preStopSleepSeconds: 1,
  minReadySeconds: 1,
  terminationMarginSeconds: 5,
  config: { GRACEFUL_SHUTDOWN_TIMEOUT: 2, CANCEL_GRACE: 1 },
  startupProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, failureThreshold: 60 },
  tasks: { modules: types }
}
const engines: Record<string, Values> = {
  embedded: { persistence: { storageClass: 'local' } },
  distributed: {
    engine: 'distributed',
    replicaCount: 2,
    redis: { existingSecret: 'redis' },
    readinessProbe: { periodSeconds: 1, failureThreshold: 2 }
  }
}

/** The chart as it was before a release that added settings, or one with another version. */
function otherChart(t: Test, files: Record<string, object>): string {
  const path = join(t.testdir({}), 'lastcall')
  cpSync(chart, path, { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), stringify(content))
  return path
}

let shared: Promise<Cluster> | undefined
const theCluster = () => {
  shared ??= startCluster(t)
  return shared
}

for (const [engine, engineValues] of Object.entries(engines)) {
  for (const major of skip ? ['4', '3'] : Object.keys(helms)) {
    t.test(`Helm ${major}, ${engine} engine: the life of a release`, { skip }, async (t) => {
      const cluster = await theCluster()
      const namespace = await cluster.namespace(`${engine}-${major.replaceAll(/\W/g, '').toLowerCase()}`)
      const redis = await startRedis(t)
      await cluster.core.createNamespacedSecret({
        namespace,
        body: { metadata: { name: 'redis' }, stringData: { url: redis.url } }
      })
      await cluster.volume(namespace)
      const values = { ...quick, ...engineValues }
      const wait = ['--wait', '--timeout', '120s']
      /** Whether only pods of one revision are left: Helm 3 waits for the new ones, not for the end of the old. */
      const isRolledOut = async () => {
        const pods = (await cluster.pods(namespace)).map(({ metadata }) => metadata)
        const revisions = pods.flatMap(
          (pod) => pod?.labels?.['pod-template-hash'] ?? pod?.labels?.['controller-revision-hash'] ?? []
        )
        return new Set(revisions).size <= 1 && !pods.some((pod) => pod?.deletionTimestamp)
      }
      const helm = async (args: string[], more: Values = {}) => {
        const done = await cluster.helm(major, [...args, '--namespace', namespace], more)
        if (done.ok && args[0] === 'upgrade') await until('the old pods are gone', isRolledOut)
        return done
      }
      const upgrade = (more: Values, args: string[] = []) =>
        helm(['upgrade', 'lastcall', chart, '--reset-then-reuse-values', ...wait, ...args], more)
      /** Of pods that are not on their way out. */
      const uids = async () =>
        (await cluster.pods(namespace))
          .filter(({ metadata }) => !metadata?.deletionTimestamp)
          .map(({ metadata }) => metadata?.uid)
          .sort()
      let url = ''
      const client = new Client(() => url)
      t.teardown(() => client.close())
      const api = async (token: string) => {
        const headers = { authorization: `Bearer ${token}` }
        return (await fetch(`${url}/api/tasks`, { headers })).status
      }
      const settings = async () => {
        const pods = await cluster.pods(namespace)
        const pod = pods.find(({ metadata }) => !metadata?.deletionTimestamp)
        const env = pod?.spec?.containers[0]?.env ?? []
        return Object.fromEntries(env.map(({ name, value }) => [name, value]))
      }
      const configMap = async () =>
        (await cluster.core.readNamespacedConfigMap({ namespace, name: 'lastcall' })).data

      await t.test('helm install --wait, and helm test', async (t) => {
        const first = parse(
          readFileSync(new URL('../helm/first-release.values.yaml', import.meta.url), 'utf8')
        )
        const before = otherChart(t, { 'values.yaml': first })
        await must(helm(['install', 'lastcall', before, ...wait], values))
        url = await cluster.urlOf(namespace, 'lastcall')
        t.equal((await fetch(`${url}/readyz`)).status, 200)
        t.match(
          await must(cluster.helmWithoutValues(major, ['test', 'lastcall', '--namespace', namespace])),
          'Succeeded'
        )
      })

      let kept = ''
      await t.test('helm upgrade --reuse-values to a chart that has more settings', async (t) => {
        const before = await uids()
        const started = await client.start({ type: 'slow', input: { ms: 3000 } }, 'kept')
        t.equal(started.status, 202)
        kept = started.body.taskId
        const reuse = ['upgrade', 'lastcall', chart, '--reuse-values', ...wait]
        await must(helm(reuse, { image: { tag: '2' }, config: { MAX_WORKERS: 3 } }))
        t.match(await settings(), { MAX_WORKERS: '3' })
        const after = await uids()
        t.notOk(
          after.some((uid) => before.includes(uid)),
          'a new image replaces every pod'
        )
        await client.follow(kept).done
        t.match((await client.get(kept)).body, { status: 'completed', result: 'done' })
      })

      await t.test('a new version of the chart alone leaves the pods alone', async (t) => {
        await must(upgrade({}))
        const before = await uids()
        const metadata = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))
        const next = otherChart(t, { 'Chart.yaml': { ...metadata, version: '9.9.9' } })
        await must(helm(['upgrade', 'lastcall', next, '--reset-then-reuse-values', ...wait]))
        t.strictSame(await uids(), before)
      })

      await t.test('a token that is taken out of the values stops working', async (t) => {
        await must(upgrade({ tokens: { admin: 'operator', api: ['one', 'two'] } }))
        t.strictSame([await api('one'), await api('two'), await api('none')], [200, 200, 401])
        await must(upgrade({ tokens: { admin: '', api: ['one'] } }))
        t.strictSame([await api('one'), await api('two')], [200, 401])
        const admin = await fetch(`${url}/admin/drain`, { headers: { authorization: 'Bearer operator' } })
        t.equal(admin.status, 403, 'no admin token is left')
        const secret = await cluster.core.readNamespacedSecret({ namespace, name: 'lastcall-tokens' })
        t.strictSame(Object.keys(secret.data ?? {}), ['API_TOKENS'])
        await must(upgrade({ tokens: { admin: '', api: [] } }))
        t.equal(await api('none'), 200, 'the API is open again')
      })

      await t.test('what would strand tasks is refused, and changes nothing', async (t) => {
        const state = async () => ({
          pods: await uids(),
          config: await configMap(),
          settings: await settings()
        })
        const before = await state()
        const other =
          engine === 'embedded'
            ? { engine: 'distributed', redis: { existingSecret: 'redis' } }
            : { engine: 'embedded', replicaCount: 1 }
        const changed = { config: { GRACEFUL_SHUTDOWN_TIMEOUT: 60, LOG_LEVEL: 'debug' } }
        t.match(await upgrade({ ...other, ...changed }), { ok: false, text: /Changing the engine/ })
        if (engine === 'embedded') {
          t.match(await upgrade({ persistence: { size: '3Gi' }, ...changed }), {
            ok: false,
            text: /Changing the claim/
          })
          t.match(await upgrade({ fullnameOverride: 'renamed', ...changed }), {
            ok: false,
            text: /fullnameOverride/
          })
          t.match(
            await upgrade({ persistence: { size: '2048Mi' } }),
            { ok: true },
            'the same size in other words'
          )
        }
        // What only the API server refuses, of the workload itself, after the ConfigMap was sent.
        const refused = { ...changed, annotations: { 'no annotation!': 'is called so' } }
        t.match(await upgrade(refused), { ok: false })
        t.match((await state()).settings, before.settings, 'no pod has the new budget')
        t.match((await state()).pods, before.pods)
        t.match(await configMap(), { LOG_LEVEL: 'debug' }, 'the ConfigMap has the new settings')
        t.notOk('GRACEFUL_SHUTDOWN_TIMEOUT' in ((await configMap()) ?? {}), 'and no budget')
      })

      await t.test(
        'an image that never becomes ready: the upgrade fails, the rollback succeeds',
        async (t) => {
          const { version } = JSON.parse(
            await must(
              cluster.helmWithoutValues(major, ['status', 'lastcall', '-n', namespace, '-o', 'json'])
            )
          )
          const good = String(lastGood(await historyOf(cluster, major, namespace)) ?? version)
          const tried = await helm(
            ['upgrade', 'lastcall', chart, '--reset-then-reuse-values', '--wait', '--timeout', '12s'],
            { image: { tag: 'stuck' } }
          )
          t.equal(tried.ok, false)
          if (engine === 'distributed')
            t.equal((await fetch(`${url}/readyz`)).status, 200, 'the old pods serve')
          const rollback = ['rollback', 'lastcall', good, '--namespace', namespace, ...wait]
          await must(cluster.helmWithoutValues(major, rollback))
          t.equal((await fetch(`${url}/readyz`)).status, 200)
          // The pods of the stuck image may take a moment to go.
          const isOld = async () =>
            (await cluster.pods(namespace)).every(({ spec }) => spec?.containers[0]?.image === 'lastcall:2')
          t.ok(await until('the old image alone', isOld))
          t.match((await client.get(kept)).body, { status: 'completed' }, 'and has its tasks')
        }
      )

      await t.test('helm uninstall, and what stays', async (t) => {
        await must(cluster.helmWithoutValues(major, ['uninstall', 'lastcall', '-n', namespace, ...wait]))
        await until('no pods', async () => (await cluster.pods(namespace)).length === 0)
        const claims = (await cluster.core.listNamespacedPersistentVolumeClaim({ namespace })).items
        t.equal(claims.length, engine === 'embedded' ? 1 : 0, 'the claim stays, and only that')
        await must(helm(['install', 'lastcall', chart, ...wait], values))
        url = await cluster.urlOf(namespace, 'lastcall')
        t.match((await client.get(kept)).body, { status: 'completed' }, 'installed again, it has its tasks')
        await must(cluster.helmWithoutValues(major, ['uninstall', 'lastcall', '-n', namespace, ...wait]))
      })
    })
  }
}

interface Revision {
  revision: number
  status: string
}
async function historyOf(cluster: Cluster, major: string, namespace: string): Promise<Revision[]> {
  return JSON.parse(
    await must(cluster.helmWithoutValues(major, ['history', 'lastcall', '-n', namespace, '-o', 'json']))
  )
}
const lastGood = (history: Revision[]): number | undefined =>
  history.filter(({ status }) => ['deployed', 'superseded'].includes(status)).at(-1)?.revision
