import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runTask } from './run-task.ts'

// Third-party files that lie beside the project, not in it.
const folder = fileURLToPath(new URL('../../../../../shared/data/boms/', import.meta.url))
const missing = existsSync(`${folder}expected.json`) ? false : `no real exports at ${folder}`

/** `dnp_lines` = `dnpLines`, at every depth. */
function camelCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCase)
  if (value === null || typeof value !== 'object') return value
  const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [camel(key), camelCase(inner)]))
}

t.test('the figures of real exports are those expected', { skip: missing }, async (t) => {
  const expected: Record<string, unknown> = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8'))
  t.ok(Object.keys(expected).length >= 14)

  for (const [name, figures] of Object.entries(expected)) {
    const bomBase64 = readFileSync(folder + name).toString('base64')
    t.strictSame((await runTask({ bomBase64 })).figures, camelCase(figures), name)
  }
})

t.test('real exports against a real stock list promise no piece twice', { skip: missing }, async (t) => {
  const stock = readFileSync(`${folder}../stock.csv`, 'utf8')
  const expected: Record<string, unknown> = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8'))
  for (const name of Object.keys(expected)) {
    const bomBase64 = readFileSync(folder + name).toString('base64')
    const { lines, warnings } = await runTask({ bomBase64, stock, boards: 10 })
    for (const { needed = 0, available, shortage, locations = [] } of lines) {
      const drawn = locations.reduce((sum, { quantity }) => sum + quantity, 0)
      t.ok(drawn === available && drawn + (shortage ?? 0) === needed, name)
    }
    t.notOk(warnings.some(({ source }) => source === 'stock'))
  }
})
