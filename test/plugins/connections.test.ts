import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { startApp } from '../helper.ts'

t.test('a connection on which many requests wait for their answers gets no more of them', async (t) => {
  const app = await startApp(t)
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  let answers = ''
  socket.setEncoding('utf8').on('data', (text) => {
    answers += text
  })
  const get = (more = '') => `GET /api/tasks HTTP/1.1\r\nHost: x\r\n${more}\r\n`
  socket.write(get().repeat(40) + get('Connection: close\r\n'))
  await once(socket, 'close')

  const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
  t.strictSame(statuses.slice(0, 16), Array(16).fill('200'))
  t.strictSame([...new Set(statuses.slice(16))], ['429'])
  t.equal(statuses.length, 41)
  t.match(answers, /"code":"TOO_MANY_PIPELINED_REQUESTS"/)
})

t.test('a connection that is used again and again is not limited', async (t) => {
  const app = await startApp(t)
  for (let n = 0; n < 40; n++) {
    const response = await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/api/tasks`)
    t.equal(response.status, 200)
    await response.text()
  }
})
