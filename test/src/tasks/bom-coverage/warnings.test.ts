import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { collectWarnings, say, warningTexts } from '../../../../src/tasks/bom-coverage/warnings.ts'

const root = new URL('../../../../', import.meta.url)
const page = readFileSync(new URL('docs/bom-coverage.md', root), 'utf8')

t.test('docs/bom-coverage.md lists exactly the warnings there are, each with what to do', async (t) => {
  const rows = page.slice(page.indexOf('| warning |')).trim().split('\n').slice(2)
  const documented = rows.map((row) => row.split('|').map((cell) => cell.trim()))
  t.same(
    documented.map(([, warning]) => warning),
    Object.values(warningTexts).map((text) => text.replaceAll(/%[sd]/g, '…'))
  )
  for (const [, warning, , advice] of documented) t.match(advice, /.{10}/, String(warning))
})

t.test('every rule that the code names is in docs/bom-coverage.md by its number', async (t) => {
  const folder = new URL('src/tasks/bom-coverage/', root)
  const rules = readdirSync(folder).flatMap((file) => {
    const comments = readFileSync(new URL(file, folder), 'utf8').match(/\/[/*].*|^ \*.*/gm) ?? []
    return comments.flatMap((comment) =>
      [...comment.matchAll(/\b[1-9]\d?\.[1-9]\b(?=[^()]*\)| [a-d]\)|\.)/g)].map(String)
    )
  })
  t.ok(new Set(rules).size > 25)
  for (const rule of new Set(rules)) t.match(page, `\n- ${rule} `, rule)
})

t.test('a warning says what it is about', async (t) => {
  t.equal(say('quantityDiffers', 3, 2), 'the quantity is 3, the designators named are 2')
  const warnings = collectWarnings('bom', 'BOM')
  warnings.add(7, say('extraCells'))
  t.match(warnings.list(), [{ source: 'bom', row: 7, message: /^Row 7 of the BOM: the row has cells past/ }])
})
