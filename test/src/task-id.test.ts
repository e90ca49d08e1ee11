import t from 'tap'
import { newTaskId, nextPosition, positionOf, taskIdAt } from '../../src/task-id.ts'

t.test('ids are UUIDv7s of now, which grow with their positions', (t) => {
  const before = Date.now()
  let position = 0
  const ids = Array.from({ length: 10_000 }, () => {
    position = nextPosition(position, Date.now())
    return taskIdAt(position)
  })

  for (const id of ids.slice(0, 100))
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.strictSame([...ids].sort(), ids)
  const time = Number.parseInt(ids[0]?.replace('-', '').slice(0, 12) ?? '', 16)
  t.ok(time >= before && time <= Date.now(), 'the time is in the first 48 bits')
  t.end()
})

t.test('a position goes on behind the last one when the clock was set back', (t) => {
  const ahead = nextPosition(0, Date.now()) + 60_000 * 4096
  t.equal(nextPosition(ahead, Date.now()), ahead + 1)
  t.end()
})

t.test('the position can be read from the id, and from nothing else', (t) => {
  for (const position of [1, 4095, 4096, nextPosition(0, Date.now())])
    t.equal(positionOf(taskIdAt(position)), position)
  t.type(positionOf(newTaskId()), 'number')
  for (const other of [
    '',
    'x',
    "' OR 1=1 --",
    '01890000-0000-4000-8000-000000000000',
    '00000000-0000-7000-8000-000000000000',
    'ffffffff-ffff-7fff-bfff-ffffffffffff',
    taskIdAt(5).toUpperCase(),
    `${taskIdAt(5)} `
  ])
    t.equal(positionOf(other), undefined, JSON.stringify(other))
  t.end()
})
