import t from 'tap'
import { toSearch } from '../../src/many-tasks.ts'

t.test('a filter without any condition is refused', async (t) => {
  for (const filter of [{}, { labels: {} }])
    t.throws(() => toSearch(filter, ['failed']), { code: 'FILTER_EMPTY' })
})

t.test('a filter is searched for among the statuses that the operation applies to', async (t) => {
  t.strictSame(toSearch({ type: 'echo' }, ['pending', 'running'], 'cancelling'), {
    statuses: ['pending', 'running'],
    labels: [],
    type: 'echo',
    except: 'cancelling'
  })
  t.match(toSearch({ status: 'completed' }, ['pending', 'running']), { statuses: [] })
})

t.test('labels and times become conditions', async (t) => {
  const filter = {
    labels: { team: 'a' },
    createdBefore: '1970-01-01T00:00:01Z',
    createdAfter: '1970-01-01T00:00:00Z'
  }

  t.match(toSearch(filter, ['failed']), { labels: ['team:a'], createdBefore: 1000, createdAfter: 0 })
})
