import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Availability } from '../../../src/embedded/availability.ts'

function open(t: Test, path?: string) {
  const lines: string[] = []
  const log = pino({ base: null }, { write: (line) => lines.push(JSON.parse(line).msg) })
  const availability = new Availability(path, log)
  t.teardown(() => availability.stop())
  return { availability, lines }
}

t.test('a store that cannot be written is logged once, tried again, and logged when it works', async (t) => {
  const { availability, lines } = open(t)
  const retried = new Promise<void>((resolve) => availability.onRetry(resolve))
  availability.failed(new Error('disk full'))
  availability.failed(new Error('disk full'))
  t.ok(availability.hasFailed)
  await retried

  availability.works()
  availability.works()
  t.notOk(availability.hasFailed)
  t.strictSame(lines, ['the task store cannot be written', 'the task store can be written again'])
})

t.test('a store that is moved away is named, until it is back', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'tasks.db')
  for (const suffix of ['', '-wal']) await writeFile(path + suffix, '')
  const { availability, lines } = open(t, path)
  await availability.checkFiles()
  t.equal(availability.misplaced, undefined)

  await rename(path, `${path}.away`)
  await t.rejects(availability.checkFiles(), { code: 'STORE_UNAVAILABLE', message: /tasks\.db was deleted/ })
  await writeFile(path, 'another')
  await t.rejects(availability.checkFiles(), { message: /was replaced by another file/ })
  await rm(path)
  await rename(`${path}.away`, path)
  await availability.checkFiles()
  t.equal(availability.misplaced, undefined)
  t.strictSame(lines, [
    'the task store was moved, what is written now will be lost',
    'the task store was moved, what is written now will be lost',
    'the task store is back in its place'
  ])
})
