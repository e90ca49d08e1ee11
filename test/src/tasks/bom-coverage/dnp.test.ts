import t from 'tap'
import {
  dropDnpWords,
  findDnpWord,
  isDnpHeading,
  isDnpWord,
  readMarker
} from '../../../../src/tasks/bom-coverage/dnp.ts'

t.test('DNP words are found as whole words, in any case and language', async (t) => {
  const texts = [
    'DNP',
    '120, dnp',
    '0R-DNF',
    'nopop',
    'no-pop',
    'No Stuff',
    'nomount',
    'do not fit',
    'DO-NOT-PLACE'
  ]
  texts.push(
    'unpopulated',
    'non-fitted',
    'not  placed',
    "don't stuff",
    'Don’t assemble',
    'R1_DNP',
    '10k (DNI)'
  )
  texts.push(
    'nicht bestückt',
    'NICHT BESTUECKTEN',
    'ne pas monter',
    'no montar',
    'не устанавливать',
    '贴片不贴',
    '未実装'
  )
  for (const text of texts) t.ok(findDnpWord(text), text)
  const others = [
    '',
    'DNP1',
    'XDNI',
    'udns',
    'not',
    'do not',
    'populate',
    'donotfit',
    'not fit',
    'no',
    'montar'
  ]
  for (const text of others) t.notOk(findDnpWord(text), text)
})

t.test('a cell that is nothing but a DNP word is known from one that only holds it', async (t) => {
  for (const cell of ['DNP', '(dnf)', '*Not Fitted!*', 'D.N.P.', '"no pop"']) t.ok(isDnpWord(cell), cell)
  for (const cell of ['', 'DNF in rev B', '10k DNP', 'DNP DNP']) t.notOk(isDnpWord(cell), cell)
  t.equal(dropDnpWords('D2 (not fitted)'), 'D2')
  t.equal(dropDnpWords('DNP: 4.7k'), '4.7k')
})

t.test('a heading says nothing but that the parts below are not placed', async (t) => {
  for (const cell of ['DNP', 'Do not populate the following parts:', 'DNP list', 'Not fitted components'])
    t.ok(isDnpHeading(cell), cell)
  for (const cell of ['Parts', 'DNP in variant B', 'Resistors DNP']) t.notOk(isDnpHeading(cell), cell)
})

t.test('a negative column marks what it says yes to, and nothing that is unclear', async (t) => {
  const marked = [
    'x',
    'DNP',
    '1',
    'yes',
    '(X)',
    'n/p',
    'NC',
    'D.N.P',
    'True',
    '✓',
    'ja',
    'да',
    '是',
    'Not Fitted',
    'sí'
  ]
  for (const cell of marked) t.equal(readMarker(cell, false), 'dnp', cell)
  const placed = [
    '',
    '-',
    '0',
    'No',
    'n',
    'FALSE',
    'f',
    'n.a.',
    'fitted',
    'Populate',
    'нет',
    'nein',
    '( )',
    'load'
  ]
  for (const cell of placed) t.equal(readMarker(cell, false), 'placed', cell)
  for (const cell of ['R3', 'CAPACITOR', 'Excluded', '2', 'see note'])
    t.equal(readMarker(cell, false), 'unclear', cell)
})

t.test('a positive column marks what it says no to, and nothing that is unclear', async (t) => {
  for (const cell of ['0', 'no', 'N', 'false', 'DNF', 'N/F', 'unpopulated', 'нет', 'off'])
    t.equal(readMarker(cell, true), 'dnp', cell)
  for (const cell of ['', '1', 'yes', '-', 'fitted', '✔', 'X', 'loaded'])
    t.equal(readMarker(cell, true), 'placed', cell)
  for (const cell of ['Generic', 'SMT', 'Top']) t.equal(readMarker(cell, true), 'unclear', cell)
})
