import t from 'tap'
import { deniesFitting, hasDnpWord, marksDnp } from '../../../../src/tasks/bom-coverage/dnp.ts'

t.test('DNP words are found as whole words, in any case', async (t) => {
  for (const text of [
    'DNP',
    '120, dnp',
    '0R-DNF',
    'nopop',
    'no-pop',
    'No Stuff',
    'do not fit',
    'DO-NOT-PLACE'
  ]) {
    t.ok(hasDnpWord(text), text)
  }
  for (const text of ['', 'DNP1', 'XDNI', 'udns', 'not', 'do not', 'populate'])
    t.notOk(hasDnpWord(text), text)
})

t.test('a negative column marks whatever does not say no or nothing', async (t) => {
  for (const cell of ['x', 'DNP', '1', 'yes', 'Excluded']) t.ok(marksDnp(cell), cell)
  for (const cell of ['', '-', '0', 'No', 'n', 'FALSE', 'f']) t.notOk(marksDnp(cell), cell)
})

t.test('a positive column marks only what says no', async (t) => {
  for (const cell of ['0', 'no', 'N', 'false', 'DNF']) t.ok(deniesFitting(cell), cell)
  for (const cell of ['', '1', 'yes', '-', 'Generic']) t.notOk(deniesFitting(cell), cell)
})
