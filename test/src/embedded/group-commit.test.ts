import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { GroupCommit } from '../../../src/embedded/group-commit.ts'
import type { WriteAheadLog } from '../../../src/embedded/write-ahead-log.ts'
import { TaskError } from '../../../src/errors.ts'

/** A log whose syncs end when the test says so; `did` says what else was asked of it. */
function slowLog() {
  const syncs: ((error: Error | null) => void)[] = []
  const unwritable: Error[] = []
  const did: string[] = []
  const state = { pages: 0 }
  const act = (what: string) => {
    did.push(what)
    const error = unwritable.shift()
    if (error) throw error
  }
  const log: WriteAheadLog = {
    sync: (done) => syncs.push(done),
    rewrite: () => act('rewrite'),
    pages: () => state.pages,
    checkpoint: () => act('checkpoint')
  }
  return { log, syncs, unwritable, did, state }
}

function start(t: Test, log: WriteAheadLog | undefined) {
  const db = new DatabaseSync(':memory:')
  t.teardown(() => db.close())
  db.exec('CREATE TABLE words (word TEXT UNIQUE)')
  const insert = db.prepare('INSERT INTO words VALUES (?)')
  const heard: string[] = []
  let transactions = 0
  const commits = new GroupCommit(db, log, {
    beforeCommit: () => {},
    committed: () => {
      const name = `transaction ${++transactions}`
      heard.push(`${name} committed`)
      return () => heard.push(`${name} durable`)
    },
    durable: () => {},
    failed: (error) => heard.push(`failed: ${error instanceof Error ? error.message : error}`),
    checkpointFailed: () => heard.push('checkpoint failed')
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
  const { log, syncs } = slowLog()
  const { write, words, heard } = start(t, log)
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
  const { log, syncs } = slowLog()
  const { write, words } = start(t, log)
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
  const { log, syncs } = slowLog()
  const { write, words, heard } = start(t, log)
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

t.test('what is committed can be waited for until it is durable', async (t) => {
  const { log, syncs } = slowLog()
  const { commits, write } = start(t, log)
  t.equal(commits.durable(), undefined)
  void write('a')
  await nextTurn()
  let durable = false
  const waiting = commits.durable()?.then(() => (durable = true))
  await nextTurn()
  t.notOk(durable)

  syncs[0]?.(null)
  await waiting

  t.ok(durable)
  t.equal(commits.durable(), undefined)
})

t.test(
  'after a failed sync the log is written again, and nothing is durable before the next one',
  async (t) => {
    const { log, syncs, unwritable, did } = slowLog()
    const { commits, write, heard } = start(t, log)
    const unlucky = write('a')
    await nextTurn()
    syncs[0]?.(new Error('EIO'))
    await t.rejects(unlucky, { code: 'STORE_UNAVAILABLE', message: /EIO/ })
    const reading = commits.durable() ?? Promise.resolve()
    await t.rejects(reading, { code: 'STORE_UNAVAILABLE' })
    t.notOk(commits.isDurable)

    unwritable.push(new Error('still EIO'))
    await t.rejects(write('b'), { code: 'STORE_UNAVAILABLE', message: /still EIO/ })
    t.equal(syncs.length, 1, 'what could not be written again is not synced')
    const lucky = write('c')
    await nextTurn()
    t.strictSame(did, ['rewrite', 'rewrite'])
    syncs[1]?.(null)

    t.equal(await lucky, 'c')
    t.ok(commits.isDurable)
    t.strictSame(did, ['rewrite', 'rewrite'])
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
  }
)

t.test('a long log is copied into the database when all of it is durable, not before', async (t) => {
  const { log, syncs, did, state } = slowLog()
  const { write } = start(t, log)
  const first = write('a')
  await nextTurn()
  const urgent = write('b', 'urgent')
  await nextTurn()
  state.pages = 1_000
  syncs[0]?.(null)
  await first
  t.strictSame(did, [], 'one transaction is committed but not durable')
  const last = write('c', 'urgent')
  await nextTurn()
  await nextTurn()
  t.equal(syncs.length, 2, 'no other transaction comes in between')

  syncs[1]?.(null)

  t.equal(await urgent, 'b')
  t.strictSame(did, ['checkpoint'])
  state.pages = 0
  await nextTurn()
  syncs[2]?.(null)
  t.equal(await last, 'c')
  t.strictSame(did, ['checkpoint'])
})

t.test('after a failed checkpoint the log is written again before it is synced', async (t) => {
  const { log, syncs, did, unwritable, state } = slowLog()
  const { commits, write, heard } = start(t, log)
  state.pages = 1_000
  unwritable.push(new Error('EIO'))
  const first = write('a')
  await nextTurn()
  syncs[0]?.(null)
  t.equal(await first, 'a', 'it is in the log')
  t.equal(heard.at(-1), 'checkpoint failed')
  t.notOk(commits.isDurable)

  const second = write('b')
  await nextTurn()
  syncs[1]?.(null)

  t.equal(await second, 'b')
  t.ok(commits.isDurable)
  t.strictSame(did, ['checkpoint', 'rewrite'], 'the next checkpoint is due when the log has grown')
})

t.test(
  'while the disk does not answer callers are told so, and what it took is durable when it does',
  async (t) => {
    const { log, syncs } = slowLog()
    const { commits, write, words, heard } = start(t, log)
    const first = write('a')
    await nextTurn()
    const waiting = write('b')

    await t.rejects(first, { code: 'STORE_UNAVAILABLE', message: /does not answer/ })
    await t.rejects(waiting, { code: 'STORE_UNAVAILABLE' })
    await t.rejects(write('c'), { code: 'STORE_UNAVAILABLE' })
    await t.rejects(commits.durable() ?? Promise.resolve(), { code: 'STORE_UNAVAILABLE' })

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

t.test('a sync that fails while a checkpoint is due is not tried again at once', async (t) => {
  const { log, syncs, unwritable, did, state } = slowLog()
  const { write } = start(t, log)
  state.pages = 1_000
  const first = write('a')
  await nextTurn()
  const second = write('b', 'urgent')
  const rejected = t.rejects(second, { code: 'STORE_UNAVAILABLE' })
  await nextTurn()
  syncs[0]?.(null)
  await first
  for (let n = 0; n < 100; n++) unwritable.push(new Error('EROFS'))
  const before = did.length

  syncs[1]?.(new Error('EIO'))
  await rejected
  t.equal(did.length, before)
  t.equal(syncs.length, 2)
})
