import t from 'tap'
import { HostTurns, Slots } from '../../../../src/tasks/link-check/turns.ts'

/** Pieces of work that note when they start, and end when they are told to. */
function heldWork() {
  const started: string[] = []
  const ends = new Map<string, PromiseWithResolvers>()
  const work = (name: string) => () => {
    started.push(name)
    const held = withResolvers()
    ends.set(name, held)
    return held.promise
  }
  return { started, ends, work }
}

interface PromiseWithResolvers {
  promise: Promise<void>
  resolve: () => void
  reject: (error: Error) => void
}

function withResolvers(): PromiseWithResolvers {
  let resolve = () => {}
  let reject = (_error: Error) => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

t.test('work beyond the number of slots waits, first in, first out', async (t) => {
  const { started, ends, work } = heldWork()
  const slots = new Slots(2)
  const done = ['a', 'b', 'c', 'd'].map((name) => slots.take(work(name)))
  t.strictSame(started, ['a', 'b'])

  ends.get('b')?.resolve()
  await done[1]
  t.strictSame(started, ['a', 'b', 'c'])
  ends.get('a')?.resolve()
  await done[0]
  t.strictSame(started, ['a', 'b', 'c', 'd'])
})

t.test('work that fails gives its slot on', async (t) => {
  const { ends, started, work } = heldWork()
  const slots = new Slots(1)
  const failing = slots.take(work('failing'))
  void slots.take(work('next'))
  ends.get('failing')?.reject(new Error('broken'))
  await t.rejects(failing, { message: 'broken' })
  t.strictSame(started, ['failing', 'next'])
})

t.test('hosts take turns each for itself', async (t) => {
  const { started, ends, work } = heldWork()
  const turns = new HostTurns()
  const first = turns.take('a', work('a1'))
  void turns.take('a', work('a2'))
  void turns.take('b', work('b1'))
  t.strictSame(started, ['a1', 'b1'])
  ends.get('a1')?.resolve()
  await first
  t.strictSame(started, ['a1', 'b1', 'a2'])
})
