import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { type Disk, GroupCommit } from '../../../src/embedded/group-commit.ts'
import { TaskError } from '../../../src/errors.ts'

/** A disk whose syncs end when the test says so. */
function slowDisk() {
  const syncs: ((error: Error | null) => void)[] = []
  const rescues: (Error | undefined)[] = []
  const disk: Disk = {
    sync: (done) => syncs.push(done),
    syncAll: () => {
      const error = rescues.shift()
      if (error) throw error
    }
  }
  return { disk, syncs, rescues }
}

function start(t: Test, disk: Disk | undefined) {
  const db = new DatabaseSync(':memory:')
  t.teardown(() => db.close())
  db.exec('CREATE TABLE words (word TEXT UNIQUE)')
  const insert = db.prepare('INSERT INTO words VALUES (?)')
  const heard: string[] = []
  let transactions = 0
  const commits = new GroupCommit(db, disk, {
    beforeCommit: () => {},
    committed: () => {
      const name = `transaction ${++transactions}`
      heard.push(`${name} committed`)
      return () => heard.push(`${name} durable`)
    },
    durable: () => {},
    failed: (error) => heard.push(`failed: ${error instanceof Error ? error.message : error}`)
  })
  const write = (word: string, urgency?: 'urgent' | 'lazy') =>
    commits.write(() => insert.run(word) && word, urgency)
  const words = () =>
    db
      .prepare('SELECT word FROM words')
      .all()
      .map(({ word }) => word)
  return { commits, write, words, heard }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

t.test('writes of a turn share a transaction, and are answered when it is durable', async (t) => {
  const { disk, syncs } = slowDisk()
  const { write, words, heard } = start(t, disk)
  let answered = false
  const both = Promise.all([write('a'), write('b')]).finally(() => (answered = true))
  await nextTurn()
  await nextTurn()
  t.strictSame(words(), ['a', 'b'])
  t.strictSame(heard, ['transaction 1 committed'])
  t.notOk(answered)

  syncs[0]?.(null)

  t.strictSame(await both, ['a', 'b'])
  t.strictSame(heard, ['transaction 1 committed', 'transaction 1 durable'])
})

t.test('writes that come while a sync is under way make one transaction when it has ended', async (t) => {
  const { disk, syncs } = slowDisk()
  const { write, words } = start(t, disk)
  const first = write('a')
  await nextTurn()
  const later = [write('b')]
  await nextTurn()
  later.push(write('c'))
  await nextTurn()
  t.strictSame(words(), ['a'])

  syncs[0]?.(null)

  t.strictSame(words(), ['a', 'b', 'c'])
  t.equal(syncs.length, 2, 'the disk is at work again')
  t.equal(await first, 'a')
  syncs[1]?.(null)
  t.strictSame(await Promise.all(later), ['b', 'c'])
})

t.test('an urgent write is committed at once, and durable by the next sync', async (t) => {
  const { disk, syncs } = slowDisk()
  const { write, words, heard } = start(t, disk)
  const first = write('a')
  await nextTurn()
  const urgent = write('b', 'urgent')
  await nextTurn()
  t.strictSame(words(), ['a', 'b'])

  syncs[0]?.(null)
  await first
  t.strictSame(heard, ['transaction 1 committed', 'transaction 2 committed', 'transaction 1 durable'])
  syncs[1]?.(null)

  t.equal(await urgent, 'b')
  t.equal(heard.at(-1), 'transaction 2 durable')
})

t.test('a lazy write goes along with the next one, or alone after a few milliseconds', async (t) => {
  const { write, words, heard } = start(t, undefined)
  const lazy = write('a', 'lazy')
  await nextTurn()
  t.strictSame(words(), [])
  t.strictSame(await Promise.all([lazy, write('b')]), ['a', 'b'])
  t.equal(heard.length, 2, 'in one transaction')

  t.equal(await write('c', 'lazy'), 'c')
})

t.test('what is committed is waited for before it is told', async (t) => {
  const { disk, syncs } = slowDisk()
  const { commits, write } = start(t, disk)
  t.equal(commits.settled(), undefined)
  void write('a')
  await nextTurn()
  let settled = false
  const settling = commits.settled()?.then(() => (settled = true))
  await nextTurn()
  t.notOk(settled)

  syncs[0]?.(null)
  await settling

  t.ok(settled)
  t.equal(commits.settled(), undefined)
})

t.test('a failed sync is no success, and what it missed is written another way', async (t) => {
  const { disk, syncs, rescues } = slowDisk()
  const { commits, write, heard } = start(t, disk)
  const unlucky = write('a')
  await nextTurn()
  syncs[0]?.(new Error('EIO'))
  await t.rejects(unlucky, { code: 'STORE_UNAVAILABLE', message: /EIO/ })
  const reading = commits.settled() ?? Promise.resolve()
  await t.rejects(reading, { code: 'STORE_UNAVAILABLE' })

  rescues.push(new Error('still EIO'))
  await t.rejects(write('b'), { code: 'STORE_UNAVAILABLE', message: /still EIO/ })
  t.equal(await write('c'), 'c')

  t.equal(syncs.length, 1, 'a second sync of the same pages would be believed wrongly')
  t.strictSame(heard, [
    'transaction 1 committed',
    'failed: EIO',
    'transaction 2 committed',
    'failed: still EIO',
    'transaction 3 committed',
    'transaction 1 durable',
    'transaction 2 durable',
    'transaction 3 durable'
  ])
})

t.test(
  'while the disk does not answer callers are told so, and what it took is durable when it does',
  async (t) => {
    const { disk, syncs } = slowDisk()
    const { commits, write, words, heard } = start(t, disk)
    const first = write('a')
    await nextTurn()
    const waiting = write('b')

    await t.rejects(first, { code: 'STORE_UNAVAILABLE', message: /does not answer/ })
    await t.rejects(waiting, { code: 'STORE_UNAVAILABLE' })
    await t.rejects(write('c'), { code: 'STORE_UNAVAILABLE' })
    await t.rejects(commits.settled() ?? Promise.resolve(), { code: 'STORE_UNAVAILABLE' })

    syncs[0]?.(null)
    syncs[1]?.(null)
    const last = write('d')
    await nextTurn()
    syncs[2]?.(null)
    t.equal(await last, 'd')
    t.strictSame(words(), ['a', 'd'])
    t.strictSame(heard.slice(0, 3), [
      'transaction 1 committed',
      'failed: the disk does not answer',
      'transaction 1 durable'
    ])
  }
)

t.test('a refused write leaves the others alone; any other error undoes its whole transaction', async (t) => {
  const { commits, write, words, heard } = start(t, undefined)
  const refused = commits.write(() => {
    throw new TaskError('TASK_NOT_FOUND', 'x')
  })
  const [, kept] = await Promise.all([t.rejects(refused, { code: 'TASK_NOT_FOUND' }), write('a')])
  t.equal(kept, 'a')

  const failures = [write('b'), write('a')]

  for (const failure of failures) await t.rejects(failure, { code: 'STORE_UNAVAILABLE' })
  t.strictSame(words(), ['a'])
  t.match(heard.at(-1), /failed: .*UNIQUE/)
})
