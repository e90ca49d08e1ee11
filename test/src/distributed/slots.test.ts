import t from 'tap'
import type { ClaimedTask } from '../../../src/distributed/jobs.ts'
import { Slots } from '../../../src/distributed/slots.ts'

/** Slots look at a task's id alone. */
const task = (taskId: string) => ({ taskId }) as ClaimedTask

t.test('what is reserved for a claim under way is not free', (t) => {
  const slots = new Slots(3)
  slots.reserve(2)
  t.equal(slots.free, 1)
  slots.unreserve(2)
  slots.add(task('a'))
  t.equal(slots.free, 2)
  t.strictSame(slots.known(), [{ taskId: 'a', attempt: 0 }], 'claimed, and not begun')
  t.end()
})

t.test('a slot that was taken over by a later claim is not released by the earlier one', async (t) => {
  const slots = new Slots(2)
  const earlier = slots.add(task('a'))
  const later = slots.add(task('a'))
  slots.delete(earlier)
  t.ok(slots.has(later))
  t.equal(slots.free, 1)

  const changed = slots.changed()
  slots.delete(later)
  await changed
  t.equal(slots.free, 2)
})
