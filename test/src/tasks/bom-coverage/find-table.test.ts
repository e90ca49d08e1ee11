import t from 'tap'
import { findTable } from '../../../../src/tasks/bom-coverage/find-table.ts'

t.test('the delimiter is the one that gives the header most roles', async (t) => {
  t.equal(findTable('Ref,Qty,Value').delimiter, ',')
  t.equal(findTable('Ref;Qty;Value, Comment').delimiter, ';')
  t.equal(findTable('Ref\tQty').delimiter, '\t')
  t.equal(findTable('Ref|Qty').delimiter, '|')
})

t.test('on a tie of roles most cells win, then comma before semicolon', async (t) => {
  t.equal(findTable('Ref,Qty\nRef;Qty;x').delimiter, ';')
  t.equal(findTable('Ref;Qty\nRef,Qty').delimiter, ',')
})

t.test('a first line sep=X names the delimiter and no other is tried', async (t) => {
  t.match(findTable('sep=;\r\nRef;Qty'), { delimiter: ';', header: { line: 2 } })
  t.match(findTable('"sep=^"\nRef^Qty'), { delimiter: '^', header: { line: 2 } })
  t.throws(() => findTable('sep=;\nRef,Qty'), { code: 'BOM_UNREADABLE' })
})

t.test('the header may stand anywhere in the first 60 records that are not blank', async (t) => {
  t.equal(findTable(`${'note\n\n'.repeat(59)}Ref,Qty`).header.line, 119)
  t.throws(() => findTable(`${'note\n'.repeat(60)}Ref,Qty`), { code: 'BOM_UNREADABLE' })
})

t.test('text that is no BOM is refused, saying what was looked for', async (t) => {
  t.throws(() => findTable('<html>'), {
    code: 'BOM_UNREADABLE',
    message: /^No header row: .*designator.*quantity.*"<html>"/
  })
  t.throws(() => findTable(' \n'), { code: 'BOM_UNREADABLE', message: /empty/ })
  t.throws(() => findTable('R\0e\0f\0'), { code: 'BOM_UNREADABLE', message: /UTF-16/ })
})
