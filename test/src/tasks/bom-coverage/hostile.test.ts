/** Files made to be slow: were anything quadratic in their size, these tests would not end. */
import t from 'tap'
import { decodeBytes } from '../../../../src/tasks/bom-coverage/decode.ts'
import { readBom } from '../../../../src/tasks/bom-coverage/read-bom.ts'

t.setTimeout(300_000)

const SIZE = 1_000_000
/** The text as often as it fits. */
const filled = (text: string, size = SIZE) => text.repeat(Math.ceil(size / text.length)).slice(0, size)
const header = 'Ref,Qty,Value,Footprint,Notes,DNP\n'

const files: Record<string, string | Buffer> = {
  'a million columns': `Ref,Qty,Value${',a'.repeat(SIZE)}\nR1,1,1k${',b'.repeat(SIZE)}`,
  'a million words in the header': `Qty,Value${filled(',item')}`,
  'sixty header candidates': filled(`note,${'item,'.repeat(10_000)}\n`),
  'header rows only': filled('qty,value,no\n'),
  'wide header rows only': filled(`qty,value,${'no,'.repeat(900)}\n`),
  'upper rows of headers only': `Ref,Value\n${filled('a,,b\n')}`,
  'one value that never ends': `${header}R1,1,"${filled('x ')}`,
  'a designator of one letter': `${header}"${filled('x')}",1,1k`,
  'a designator of blanks': `${header}"a${filled(' ')}b",1,1k`,
  'a range without an end': `${header}"${filled('a1-')}",1,1k`,
  'a number without an end': `${header}"R${filled('1')}",1,1k`,
  'list signs only': `${header}"a${filled(' / ')}",1,1k`,
  'halves of DNP words': filled(`${header}R1,1,"${'do not '.repeat(280)}"\n`),
  'DNP designators': `${header}"${filled('R1 (DNP),', 500_000)}",1,1k`,
  'brackets in the marker': filled(`${header}R1,1,1k,,,${'('.repeat(1900)}x\n`),
  'packages in the package': filled(`${header}R1,1,1k,"${'0603;'.repeat(380)}"\n`),
  'sizes in the value': filled(`${header}R1,1,"${'0603 '.repeat(380)}"\n`),
  'quotes only': `${header}R1,1,${filled('"')}`,
  'line ends only': filled('\n'),
  'designators that continue without end': `${header},9999999999999,x\n${filled('R1,,\n')}`,
  'ranges that continue without end': `${header},9999999999999,x\n${filled('R1-R9999,,\n')}`,
  'bytes of no encoding': Buffer.alloc(SIZE, 0xb0),
  'bytes of two encodings': Buffer.concat([Buffer.from(header), Buffer.alloc(SIZE, 0xe0)])
}

for (const [name, file] of Object.entries(files)) {
  t.test(`${name}: read or refused`, async (t) => {
    try {
      t.ok(readBom(decodeBytes(Buffer.from(file))).figures.partLines > 0)
    } catch (error) {
      t.match(error, { code: /^BOM_(?:UNREADABLE|TOO_LARGE)$/ })
    }
  })
}
