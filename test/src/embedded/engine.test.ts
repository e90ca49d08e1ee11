import { join } from 'node:path'
import t from 'tap'
import { EmbeddedEngine } from '../../../src/embedded/engine.ts'
import { engineSuite } from '../../engine-suite.ts'
import { quietLog } from '../../helper.ts'

const dir = t.testdir()
let stores = 0

engineSuite(t, () => {
  const path = join(dir, `${stores++}.db`)
  return (options) => new EmbeddedEngine({ path, sync: 'full', log: quietLog, ...options })
})
