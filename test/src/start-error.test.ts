import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { StartError } from '../../src/errors.ts'
import { explainStartError } from '../../src/start-error.ts'

t.test('a start error is explained by its own message', async (t) => {
  t.equal(
    explainStartError(new StartError('MAX_WORKERS=0: must be at least 1')),
    'MAX_WORKERS=0: must be at least 1'
  )
})

t.test('a port that is in use is named', async (t) => {
  const listen = (port: number) => createServer().listen(port, '127.0.0.1')
  const first = listen(0)
  t.teardown(() => first.close())
  await once(first, 'listening')
  const address = first.address()
  const port = typeof address === 'object' ? Number(address?.port) : 0

  const [error] = await once(listen(port), 'error')

  t.equal(explainStartError(error), `PORT=${port}: the port is in use on 127.0.0.1 (EADDRINUSE)`)
})

t.test('anything else is a bug, and has no explanation', async (t) => {
  for (const error of [new Error('no'), 'no', undefined]) t.equal(explainStartError(error), undefined)
})
