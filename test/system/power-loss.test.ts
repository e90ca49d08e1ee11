import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { checkDatabase, closeDatabase, openDatabase } from '../../src/embedded/database.ts'
import { Store } from '../../src/embedded/store.ts'
import { StoreService } from '../../src/embedded/store-service.ts'
import { needsCommand, quietLog } from '../helper.ts'
import { type Fact, lost } from './acknowledged-tasks.ts'
import { lostPowerAfter, type Operation, recordFiles, writeImage } from './disk-images.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { soak } from './soak.ts'

t.setTimeout(soak ? 3_600_000 : 300_000)

const seed = chooseSeed()
const skip = needsCommand('gcc')
const images = soak ? 5_000 : 210
/** What is wrong shows in one image of some hundred. */
const untilSeen = 5_000

const program = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url))

interface History {
  /** What stands for the whole disk. */
  disk: string
  /** Where the process, which makes the folders too, keeps its store. */
  store: string
  facts: string
  operations: Operation[]
}

/** What a program did to its disk, and what it told meanwhile. */
function record(
  t: Test,
  name: string,
  args: readonly string[],
  faults: { FAIL_SYNCS?: string; NO_SYNC?: string } = {}
): History {
  // In memory: what its disk does is the test's to say, and a real one takes minutes for as many starts.
  const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'power-loss-'))
  t.teardown(() => rmSync(scratch, { recursive: true }))
  const disk = join(scratch, 'disk')
  mkdirSync(disk)
  const [store, facts] = [join(disk, 'a', 'b', 'tasks.db'), join(disk, 'facts')]
  const argv = ['--import=./test/typescript.mjs', program(name), store, facts, ...args]
  return { disk, store, facts, operations: recordFiles(scratch, disk, argv, faults) }
}

/** What is wrong after power losses at random moments, one by one; `check` says so for one. */
async function* losePower(
  { disk, store, facts, operations }: History,
  count: number,
  check: (path: string, told: string[]) => Promise<string | undefined>
): AsyncGenerator<string> {
  const random = seededRandom(seed)
  const copy = join(disk, '..', 'copy')
  const failures = operations.flatMap(({ kind }, index) => (kind === 'lost' ? index : []))
  for (let n = 0; n < count; n++) {
    // Half of them soon after a sync has failed, if one has: what it breaks is soon mended, or not to be seen any more.
    const moment =
      failures.length > 0 && n % 2 === 0
        ? Math.min(random.pick(failures) + random.below(100), operations.length)
        : random.below(operations.length + 1)
    const told = operations
      .slice(0, moment)
      .filter(({ kind, path }) => kind === 'write' && path === facts)
      .map(({ data }) => String(data))
    rmSync(copy, { recursive: true, force: true })
    writeImage(
      lostPowerAfter(new Map(), operations, moment, random, random.pick([0, 0.5, 0.9, 1])),
      disk,
      copy
    )
    const problem = await check(store.replace(disk, copy), told).catch((error) => String(error))
    if (problem) yield `power lost after ${moment}: ${problem}`
  }
}

async function all(problems: AsyncGenerator<string>): Promise<string[]> {
  const found: string[] = []
  for await (const problem of problems) found.push(problem)
  return found
}

const first = async (problems: AsyncGenerator<string>) => (await problems.next()).value

/** Starts on a store and looks for all that was told about its tasks. */
async function checkFacts(path: string, told: string[]): Promise<string | undefined> {
  checkDatabase(path)
  // Without its thread, which takes longer to start than all else here.
  const service = new StoreService(
    {
      ...{ path, sync: 'full', limits: new Map(), maxRunning: 1, maxPending: 10_000 },
      ...{ retentionMs: 3_600_000, failedRetentionMs: 3_600_000 }
    },
    quietLog,
    () => {}
  )
  await service.recover(service.interrupted().map(lost))
  const facts = told.map((line): Fact => JSON.parse(line))
  const removing = new Set(facts.flatMap(({ what, taskId }) => (what === 'removing' ? taskId : [])))
  const problems: string[] = []
  const stored: (Fact & { what: 'event' | 'checkpoint' })[] = []
  for (const fact of facts) {
    const { what, taskId } = fact
    const record = await service.get(taskId)
    if (what === 'removed' && record) problems.push('a deleted task is back')
    if (removing.has(taskId)) continue
    if (!record) {
      problems.push(`${what}, but it is missing`)
    } else if (what === 'accepted') {
      if ((await service.input(taskId)) !== fact.input) problems.push('another input')
      if ((await service.findByKey(fact.key))?.taskId !== taskId) problems.push('its key is not known')
    } else if (what === 'ended') {
      if (record.status !== fact.status || record.result !== fact.result) problems.push('another end')
    } else if (what === 'began') {
      if (record.attempt < fact.attempt) problems.push('its attempt is forgotten')
    } else if (what === 'cancelled') {
      if (record.status !== 'cancelled') problems.push('its cancel is forgotten')
    } else if (what === 'event') stored.push(fact)
    else if (what === 'checkpoint' && record.endedAt === undefined) stored.push(fact)
  }
  await service.stop()

  const db = openDatabase(path)
  const store = new Store(db)
  for (const fact of stored) {
    const { seq = 0 } = store.position(fact.taskId) ?? {}
    if (fact.what === 'event') {
      const [event] = store.events.after(seq, fact.id - 1, 1)
      if (event?.id !== fact.id || !fact.json.endsWith(`"data":${event.data}}`))
        problems.push('another event')
    } else if (Number(store.checkpoint(seq)) < fact.state) problems.push('an older checkpoint')
  }
  const sound = Object.values(db.prepare('PRAGMA integrity_check').get() ?? {})[0]
  closeDatabase(db)
  if (sound !== 'ok') problems.push(`corrupt: ${sound}`)
  return problems.length > 0 ? `${problems.length} facts, ${[...new Set(problems)].join(', ')}` : undefined
}

const failing = '5,6,30,31,32,60,90,91,150'

t.test(`what was told survives power loss at every moment (LASTCALL_SEED=${seed})`, { skip }, async (t) => {
  const history = record(t, 'acknowledged-tasks.ts', [String(seed), 'full'])
  t.ok(history.operations.length > 1_000, `${history.operations.length} operations`)
  t.strictSame(await all(losePower(history, images / 3, checkFacts)), [])
})

t.test(`… also where syncs have failed (LASTCALL_SEED=${seed})`, { skip }, async (t) => {
  const history = record(t, 'acknowledged-tasks.ts', [String(seed), 'full'], { FAIL_SYNCS: failing })
  t.ok(history.operations.some(({ kind }) => kind === 'lost'))
  t.strictSame(await all(losePower(history, images / 3, checkFacts)), [])
})

t.test('an answer before its sync is seen', { skip }, async (t) => {
  const history = record(t, 'acknowledged-tasks.ts', [String(seed), 'normal'])
  t.ok(await first(losePower(history, untilSeen, checkFacts)))
})

t.test('a sync that does nothing is seen', { skip }, async (t) => {
  const history = record(t, 'acknowledged-tasks.ts', [String(seed), 'full'], { NO_SYNC: '1' })
  t.ok(await first(losePower(history, untilSeen, checkFacts)))
})

/** Looks for the counters that were told. */
async function checkCounters(path: string, told: string[]): Promise<string | undefined> {
  checkDatabase(path)
  const db = openDatabase(path)
  const store = new Store(db)
  const newest = new Map<string, number>()
  for (const line of told) newest.set(...(JSON.parse(line) as [string, number]))
  const old = [...newest].filter(([key, n]) => !(Number(store.takeMeta(key)) >= n))
  const sound = Object.values(db.prepare('PRAGMA integrity_check').get() ?? {})[0]
  closeDatabase(db)
  if (sound !== 'ok') return `corrupt: ${sound}`
  return old.length > 0 ? `${old.length} counters are behind` : undefined
}

t.test(`a failed sync is repaired by writing the log again (LASTCALL_SEED=${seed})`, { skip }, async (t) => {
  const history = record(t, 'durable-counters.ts', ['rewrite'], { FAIL_SYNCS: failing })
  t.strictSame(await all(losePower(history, images / 3, checkCounters)), [])
})

t.test('a failed sync that is repaired by a checkpoint is seen', { skip }, async (t) => {
  const history = record(t, 'durable-counters.ts', ['checkpoint'], { FAIL_SYNCS: failing })
  t.ok(await first(losePower(history, untilSeen, checkCounters)))
})

t.test('a read that does not wait for its sync is seen', { skip }, async (t) => {
  const history = record(t, 'durable-counters.ts', ['early'])
  t.ok(await first(losePower(history, untilSeen, checkCounters)))
})
