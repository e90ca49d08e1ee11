import t from 'tap'
import { decodeBytes, decodeText } from '../../../../src/tasks/bom-coverage/decode.ts'
import { readBom } from '../../../../src/tasks/bom-coverage/read-bom.ts'

/** Why the file is refused. */
function refusal(file: string | Buffer): string {
  try {
    readBom(typeof file === 'string' ? decodeText(file) : decodeBytes(file))
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    if (code === 'BOM_UNREADABLE') return message
    throw error
  }
  return 'none'
}

t.test('a workbook or a PDF under the name of a CSV file is called what it is', async (t) => {
  const zip = Buffer.from('504b0304140006000800', 'hex')
  t.match(refusal(zip), /Excel or LibreOffice workbook.*CSV/)
  t.match(refusal(zip.toString('latin1')), /workbook/)
  t.match(refusal(Buffer.from('d0cf11e0a1b11ae1', 'hex')), /\.xls/)
  t.match(refusal('%PDF-1.7\n'), /PDF/)
})

t.test('a list aligned by spaces is told to come as CSV', async (t) => {
  const list = [
    'Partlist exported from board.sch at 1/2/2020',
    '',
    'Part     Value          Device         Package',
    '',
    'C1       100n           C-EUC0603      C0603',
    'R1       10k            R-EU_R0603     R0603'
  ]
  t.match(refusal(list.join('\r\n')), /aligned by spaces.*Eagle.*CSV/)
})

t.test('a list without a header row is told to get one', async (t) => {
  t.match(refusal('R1,10k,0603\nR2,22k,0603\nC1,1u,0402\n'), /no row above them names the columns: add one/)
  t.match(refusal('"R1;R2",10k\n"C1;C2",22k\n'), /add one/)
})

t.test('a header row without a part line is named, and so is what was skipped below it', async (t) => {
  const message = refusal('My board\nReference,Qty,Value\n\nNotes:,see sheet 2,\nTotal,0,\n')
  t.match(message, /^No part line: row 2 is a header row \("Reference", "Qty", "Value"\)/)
  t.match(message, /1 blank, 1 metadata, 1 totals/)
})

t.test('any other text is refused with what was looked for', async (t) => {
  t.match(refusal('<html>'), /^No header row: .*designator.*quantity.*"<html>"/)
  t.match(refusal(' \n'), /empty/)
  t.match(refusal('R\0e\0f\0'), /UTF-16/)
})
