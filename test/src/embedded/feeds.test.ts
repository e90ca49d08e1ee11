import t, { type Test } from 'tap'
import { Feeds } from '../../../src/embedded/feeds.ts'
import type { TaskEvent } from '../../../src/task.ts'

const eventOf = (id: number, type: TaskEvent['type'] = 'progress_update'): TaskEvent => ({
  id: String(id),
  type,
  json: '{}'
})

/** A task's log, and how it was asked. */
function logOf(first: TaskEvent[]) {
  const log = [...first]
  const asked: string[] = []
  let isRemoved = false
  return {
    log,
    asked,
    remove: () => {
      isRemoved = true
    },
    async read(after: number, limit: number) {
      asked.push(`after ${after}`)
      if (isRemoved) return undefined
      return log.filter(({ id }) => Number(id) > after).slice(0, limit)
    },
    setFollowed: (feed: number | undefined) => void asked.push(feed === undefined ? 'left' : 'followed')
  }
}

/** Reads a feed until it ends; `got` has the ids so far. */
function reader(t: Test, feeds: Feeds, source: ReturnType<typeof logOf>) {
  const controller = new AbortController()
  const got: number[] = []
  let progress = () => {}
  const ended = (async () => {
    for await (const events of feeds.follow('task', 0, controller.signal, source)) {
      got.push(...events.map(({ id }) => Number(id)))
      progress()
    }
  })()
  t.teardown(() => controller.abort())
  const has = async (count: number) => {
    while (got.length < count) await new Promise<void>((resolve) => (progress = resolve))
  }
  return { got, ended, has, leave: () => controller.abort() }
}

const ids = (count: number) => Array.from({ length: count }, (_, n) => n + 1)

t.test('a reader gets what is kept, then what comes, and asks the log no more', async (t) => {
  const feeds = new Feeds()
  const source = logOf([eventOf(1, 'task_started'), eventOf(2)])
  const { got, has, ended } = reader(t, feeds, source)
  await has(2)
  for (const event of [eventOf(3), eventOf(4, 'task_completed')]) feeds.publish('task', 1, event)
  await ended
  t.strictSame(got, ids(4), 'the final event ends the feed')
  t.strictSame(source.asked, ['followed', 'after 0', 'left'])
})

t.test('a reader that fell behind what is kept in memory reads on in the log', async (t) => {
  const feeds = new Feeds()
  const source = logOf([eventOf(1, 'task_started')])
  const { got, has, ended } = reader(t, feeds, source)
  await has(1)
  for (const id of ids(200).slice(1)) {
    const event = eventOf(id, id === 200 ? 'task_completed' : 'progress_update')
    source.log.push(event)
    feeds.publish('task', 1, event)
  }
  await ended
  t.strictSame(got, ids(200), 'each once, in order')
})

t.test('readers of one task share its feed, and the last one ends it', async (t) => {
  const feeds = new Feeds()
  const source = logOf([eventOf(1, 'task_started')])
  const readers = [reader(t, feeds, source), reader(t, feeds, source)]
  for (const { has } of readers) await has(1)
  readers[0]?.leave()
  await readers[0]?.ended
  t.notOk(source.asked.includes('left'))
  readers[1]?.leave()
  await readers[1]?.ended
  t.equal(source.asked.filter((what) => what === 'followed').length, 1)
  t.equal(source.asked.at(-1), 'left')
})

t.test('the removal of a task ends the feeds of its readers', async (t) => {
  const feeds = new Feeds()
  const source = logOf([eventOf(1, 'task_started')])
  const { has, ended } = reader(t, feeds, source)
  await has(1)
  source.remove()
  feeds.remove('task')
  await t.resolves(ended)
})

t.test(
  'an event that was on its way to an earlier feed does not hide those that were published to nobody',
  async (t) => {
    const feeds = new Feeds()
    const source = logOf([eventOf(1, 'task_started')])
    const first = reader(t, feeds, source)
    await first.has(1)
    first.leave()
    await first.ended

    source.log.push(eventOf(2), eventOf(3))
    const second = reader(t, feeds, source)
    // While the log is read.
    feeds.publish('task', 1, eventOf(2))
    await second.has(3)
    feeds.publish('task', 2, eventOf(4, 'task_completed'))
    await second.ended
    t.strictSame(second.got, ids(4))
  }
)
