import type { Test } from 'tap'
import type { TaskSearch } from '../../src/engine.ts'
import type { TaskQuery } from '../../src/task.ts'
import { completed, type StartEngine } from './harness.ts'

export function listTests(t: Test, start: StartEngine): void {
  t.test('pages show each task once, newest first, also while tasks are added', async (t) => {
    const { engine, submit } = await start(t, { maxRunning: 1 })
    const ids: string[] = []
    for (let n = 0; n < 25; n++) ids.unshift(await submit({ type: n % 2 ? 'odd' : 'even' }))

    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await engine.list({ limit: 7, ...(cursor !== undefined && { cursor }) })
      seen.push(...page.tasks.map(({ taskId }) => taskId))
      cursor = page.nextCursor
      await submit()
    } while (cursor !== undefined)

    t.strictSame(seen, ids)
    const odd = await engine.list({ limit: 200, type: 'odd' })
    t.equal(odd.tasks.length, 12)
    t.equal(odd.nextCursor, undefined)
    t.equal((await engine.list({ limit: 200, status: 'running' })).tasks.length, 1)
    t.match(await engine.list({ limit: 1, type: 'odd', status: 'pending' }), {
      tasks: [{ type: 'odd', status: 'pending' }],
      nextCursor: String
    })
    t.strictSame(await engine.list({ limit: 50, type: 'none' }), { tasks: [] })
    for (const bad of ['x', '', 'c2VxOng', '../..'])
      await t.rejects(engine.list({ limit: 5, cursor: bad }), { code: 'CURSOR_INVALID' })
  })

  t.test(
    'a list by labels has the tasks that all of them hold for, newest first, page by page',
    async (t) => {
      const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
      const blocker = await submit({ labels: { n: '0', parity: 'even' } })
      const all = [blocker]
      for (let n = 1; n < 30; n++)
        all.unshift(
          await submit({
            type: n % 5 ? 'work' : 'other',
            labels: { n: String(n % 3), parity: n % 2 ? 'odd' : 'even' }
          })
        )
      ;(await attempt(0)).finish(completed())
      await outcomes(blocker)
      await attempt(1)
      const list = async (query: Partial<TaskQuery>) => {
        const found: string[] = []
        let cursor: string | undefined
        do {
          const page = await engine.list({ limit: 2, ...query, ...(cursor !== undefined && { cursor }) })
          t.ok(page.tasks.length <= 2)
          found.push(...page.tasks.map(({ taskId }) => taskId))
          cursor = page.nextCursor
        } while (cursor !== undefined)
        return found
      }
      const those = (wanted: (n: number) => boolean) => all.filter((_, index) => wanted(29 - index))

      t.strictSame(
        await list({ label: ['parity:odd'] }),
        those((n) => n % 2 === 1)
      )
      t.strictSame(
        await list({ label: ['n:1', 'parity:odd'] }),
        those((n) => n % 3 === 1 && n % 2 === 1)
      )
      t.strictSame(await list({ label: ['n:1', 'n:2'] }), [])
      t.strictSame(
        await list({ label: ['n:1'], type: 'other' }),
        those((n) => n % 3 === 1 && n % 5 === 0)
      )
      t.strictSame(await list({ label: ['n:0'], status: 'completed' }), [blocker])
      t.strictSame(await list({ label: ['parity:even', 'n:0'], status: 'completed' }), [blocker])
      t.strictSame(
        await list({ label: ['n:1'], status: 'running' }),
        those((n) => n === 1)
      )
      t.strictSame(await list({ label: ['n'] }), [])
      t.strictSame(await list({ label: ['absent:1'] }), [])
      await engine.remove(blocker)
      t.strictSame(
        await list({ label: ['n:0'] }),
        those((n) => n % 3 === 0 && n > 0)
      )
    }
  )

  t.test('a search finds in pages what all its conditions hold for', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const running = await submit({ labels: { a: '1' } })
    await attempt(0)
    const ids: string[] = []
    for (let n = 0; n < 7; n++)
      ids.unshift(await submit({ labels: { a: '1' }, type: n === 3 ? 'other' : 'work' }))
    const search = async (conditions: Partial<TaskSearch>) => {
      const found: string[] = []
      let from: string | undefined
      do {
        const page = await engine.search(
          { statuses: ['pending', 'running'], labels: [], ...conditions },
          3,
          from
        )
        found.push(...page.taskIds)
        from = page.next
      } while (from !== undefined)
      return found
    }
    const created = (await engine.get(ids[3] ?? ''))?.createdAt ?? ''

    t.strictSame(await search({}), [...ids, running])
    t.strictSame(await search({ statuses: ['pending'] }), ids)
    t.strictSame(await search({ statuses: [] }), [])
    t.strictSame(await search({ labels: ['a:1'], type: 'other' }), [ids[3]])
    t.strictSame(await search({ labels: ['a:2'] }), [])
    const after = await search({ createdAfter: Date.parse(created) })
    const before = await search({ createdBefore: Date.parse(created) })
    const same = await search({
      createdAfter: Date.parse(created) - 1,
      createdBefore: Date.parse(created) + 1
    })
    t.ok(same.includes(ids[3] ?? ''))
    t.strictSame([...after, ...same, ...before], [...ids, running])
    await engine.cancel(running)
    t.strictSame(await search({ statuses: ['running'], except: 'cancelling' }), [])
    ;(await attempt(0)).finish({ status: 'cancelled', reason: 'client' })
    await outcomes(running)
    t.strictSame(await search({ statuses: ['cancelled'], except: 'retried' }), [running])
    await submit({ retryOf: { taskId: running, once: false } })
    t.strictSame(await search({ statuses: ['cancelled'], except: 'retried' }), [])
  })
}
