import t from 'tap'
import { openDatabase } from '../../../src/embedded/database.ts'
import { prepareAll } from '../../../src/embedded/statements.ts'

t.test('no statement sorts or reads a whole table', async (t) => {
  const db = openDatabase(':memory:')

  for (const [name, { sourceSQL }] of Object.entries(prepareAll(db))) {
    const plan: { detail: string }[] = db.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all()
    const costly = plan
      .map(({ detail }) => detail)
      .filter((detail) => /TEMP B-TREE|^SCAN (?!.*USING.*INDEX)/.test(detail))
    t.strictSame(costly, [], name)
  }
})
