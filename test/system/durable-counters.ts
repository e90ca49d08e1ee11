/**
 * Counts in a store through a GroupCommit, and writes down what was durable, for a recorder to watch. Arguments: the path of
 * the store, that of the facts, and how a failed sync is repaired: `rewrite`, as openLog does, or `checkpoint`, as it did
 * once. With `early` what is committed is told before it is durable, as by a read that does not wait.
 */
import { openSync, writeSync } from 'node:fs'
import { checkDatabase, openDatabase } from '../../src/embedded/database.ts'
import { GroupCommit } from '../../src/embedded/group-commit.ts'
import { Store } from '../../src/embedded/store.ts'
import { openLog } from '../../src/embedded/write-ahead-log.ts'

const [path = '', factsPath = '', how] = process.argv.slice(2)
const facts = openSync(factsPath, 'a')
checkDatabase(path)
const db = openDatabase(path)
const log = openLog(db)
if (how === 'checkpoint' && log) {
  db.exec('PRAGMA wal_autocheckpoint = 1000')
  log.rewrite = () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  log.pages = () => 0
}
const store = new Store(db)
const noop = () => {}
let tell = noop
const committed = () => {
  if (how === 'early') tell()
  return noop
}
const commits = new GroupCommit(db, log, {
  ...{ beforeCommit: noop, committed, durable: noop, failed: noop, checkpointFailed: noop }
})

for (let n = 1; n <= 1_500; n++) {
  const key = `counter ${n % 50}`
  tell = () => writeSync(facts, `${JSON.stringify([key, n])}\n`)
  const written = commits.write(() => {
    // Long, so that checkpoints come soon.
    for (let k = 0; k < 4; k++) store.setMeta(`${key} ${k} ${'x'.repeat(2_000)}`, n)
    store.setMeta(key, n)
  })
  await written.then(tell, noop)
}
process.kill(process.pid, 'SIGKILL')
