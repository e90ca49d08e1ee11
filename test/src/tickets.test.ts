import t from 'tap'
import { deriveSecret, Tickets } from '../../src/tickets.ts'

t.test('a ticket is valid for its own task only', async (t) => {
  const tickets = new Tickets(Buffer.from('secret'), 60_000)
  const { ticket, expiresAt } = tickets.issue('one')

  t.ok(tickets.isValid('one', ticket))
  t.notOk(tickets.isValid('two', ticket))
  t.ok(expiresAt.getTime() > Date.now())
})

t.test('a ticket is not valid once it has expired', async (t) => {
  const tickets = new Tickets(Buffer.from('secret'), 0)
  const { ticket, expiresAt } = tickets.issue('one')
  while (Date.now() < expiresAt.getTime()) await new Promise(setImmediate)

  t.notOk(tickets.isValid('one', ticket))
})

t.test('a ticket that was changed or made up is not valid', async (t) => {
  const tickets = new Tickets(Buffer.from('secret'), 60_000)
  const { ticket } = tickets.issue('one')
  const [expiry = '', signature = ''] = ticket.split('.')
  const later = (Number.parseInt(expiry, 36) + 1).toString(36)

  for (const forged of [`${later}.${signature}`, `${expiry}.${'A'.repeat(43)}`, expiry, `${ticket}x`, ''])
    t.notOk(tickets.isValid('one', forged), forged)
})

t.test('processes with the same tokens, in any order, accept each other’s tickets', async (t) => {
  const [one, other, third] = await Promise.all([
    deriveSecret(['a', 'b']),
    deriveSecret(['b', 'a']),
    deriveSecret(['a', 'c'])
  ])
  const { ticket } = new Tickets(one, 60_000).issue('task')

  t.ok(new Tickets(other, 60_000).isValid('task', ticket))
  t.notOk(new Tickets(third, 60_000).isValid('task', ticket))
})
