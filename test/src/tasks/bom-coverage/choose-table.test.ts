import t from 'tap'
import { readBest } from '../../../../src/tasks/bom-coverage/choose-table.ts'

t.test('the delimiter is the one that gives part lines, then the header most roles', async (t) => {
  t.equal(readBest('Ref,Qty,Value\nR1,1,1k')?.delimiter, ',')
  t.equal(readBest('Ref;Qty;Value, Comment\nR1;1;1k')?.delimiter, ';')
  t.equal(readBest('Ref\tQty\nR1\t1')?.delimiter, '\t')
  t.equal(readBest('Ref|Qty\nR1|1')?.delimiter, '|')
  t.equal(readBest('Ref,Qty,Value\nnote\nRef;Qty\nR1;1')?.delimiter, ';')
})

t.test('on a tie of roles most part lines win, then most cells, then comma before semicolon', async (t) => {
  const comma = 'Ref,Qty,Value\nR1,1,1k\n'
  t.equal(readBest(`${comma}Ref;Qty;Value\nR2;1;2k\nR3;1;3k`)?.delimiter, ';')
  t.equal(readBest(`${comma}Ref;Qty;Value;Note\nR2;1;2k;`)?.delimiter, ';')
  t.equal(readBest(`Ref;Qty;Value\nR2;1;2k\n${comma}`)?.delimiter, ',')
})

t.test('a first line sep=X names the delimiter and no other is tried', async (t) => {
  t.match(readBest('sep=;\r\nRef;Qty'), { delimiter: ';', header: { line: 2 } })
  t.match(readBest('"sep=^"\nRef^Qty'), { delimiter: '^', header: { line: 2 } })
  t.equal(readBest('sep=;\nRef,Qty'), undefined)
})

t.test('the header may stand anywhere in the first 60 records that are not blank', async (t) => {
  t.equal(readBest(`${'note\n\n'.repeat(59)}Ref,Qty`)?.header.line, 119)
  t.equal(readBest(`${'note\n'.repeat(60)}Ref,Qty`), undefined)
})
