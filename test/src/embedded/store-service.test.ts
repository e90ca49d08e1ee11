import t from 'tap'
import { openService } from '../../open-store-service.ts'

t.test(
  'a page goes on behind its last task, also if one of them is deleted while it is searched',
  async (t) => {
    const { service } = openService(t, { maxPending: 300 })
    const tasks = Array.from({ length: 300 }, () => ({ type: 'any', input: '1', priority: 0 }))
    const ids = (await service.submit(tasks)).map(({ taskId }) => taskId)
    await service.cancelMany(ids)

    // Both begin in this turn of the event loop: the search finds the newest before it pauses, and then that one is deleted.
    const removed = service.removeMany([ids.at(-1) ?? ''])
    const page = await service.list({ status: 'cancelled', limit: 250 })
    t.equal(await removed, 1)
    t.equal(page.tasks.length, 249)
    t.ok(page.nextCursor)
    const rest = await service.list({ status: 'cancelled', limit: 250, cursor: page.nextCursor ?? '' })
    t.strictSame(
      [...page.tasks, ...rest.tasks].map(({ taskId }) => taskId),
      ids.slice(0, -1).reverse()
    )
  }
)
