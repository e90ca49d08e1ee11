import t from 'tap'
import { decodeBase64, decodeBytes, decodeText } from '../../../../src/tasks/bom-coverage/decode.ts'

const bytes = (...codes: number[]) => Buffer.from(codes)

t.test('a byte order mark decides, and is not part of the text', async (t) => {
  const utf16 = Buffer.from('\ufeffµ1', 'utf16le')
  t.same(decodeBytes(Buffer.from('\ufeffµ1')), { text: 'µ1', encoding: 'utf-8-bom' })
  t.same(decodeBytes(utf16), { text: 'µ1', encoding: 'utf-16le-bom' })
  t.same(decodeBytes(Buffer.from(utf16).swap16()), { text: 'µ1', encoding: 'utf-16be-bom' })
  t.equal(decodeBytes(Buffer.from('\ufeff')).encoding, 'utf-8-bom')
})

t.test('without a mark it is ASCII, UTF-8 if all of it is valid, else Windows-1252', async (t) => {
  t.same(decodeBytes(Buffer.from('R1')), { text: 'R1', encoding: 'ascii' })
  t.same(decodeBytes(Buffer.from('4µ7')), { text: '4µ7', encoding: 'utf-8' })
  t.same(decodeBytes(bytes(0x34, 0xb5, 0x37)), { text: '4µ7', encoding: 'windows-1252' })
})

t.test(
  'Windows-1252 has its own signs at 80-9F, and Latin-1 at the five bytes it leaves undefined',
  async (t) => {
    t.equal(decodeBytes(bytes(0x80, 0x93, 0x94, 0x96, 0x9f)).text, '€“”–Ÿ')
    t.equal(decodeBytes(bytes(0x81, 0x8d, 0x8f, 0x90, 0x9d)).text, '\u0081\u008d\u008f\u0090\u009d')
  }
)

/** The text in one of the old encodings, as `iconv` writes it. */
const shiftJis = (hex: string) => Buffer.from(hex, 'hex')
const cyrillic = (text: string) =>
  Buffer.from(
    text.replace(/[А-я]/g, (char) => String.fromCharCode(char.charCodeAt(0) - 0x350)),
    'latin1'
  )

t.test('the encoding that makes words of the header cells is taken without a warning', async (t) => {
  // 部品番号,数量,規格 / R1,1,10k
  const japanese = shiftJis('9594956994d48d862c909497ca2c8b4b8a690a52312c312c31306b')
  t.same(decodeBytes(japanese), { text: '部品番号,数量,規格\nR1,1,10k', encoding: 'shift_jis' })
  // 位号,数量,值 / R1,1,10k
  const chinese = Buffer.from('cebbbac52ccafdc1bf2cd6b50a52312c312c31306b', 'hex')
  t.same(decodeBytes(chinese), { text: '位号,数量,值\nR1,1,10k', encoding: 'gb18030' })
  const russian = decodeBytes(cyrillic('Обозначение;Количество;Номинал\nR1;1;10k'))
  t.same(russian, { text: 'Обозначение;Количество;Номинал\nR1;1;10k', encoding: 'windows-1251' })
  const french = decodeBytes(Buffer.from('Rep\xe8re;Qt\xe9\nR1;1', 'latin1'))
  t.same(french, { text: 'Repère;Qté\nR1;1', encoding: 'windows-1252' })
})

t.test('where no header cell tells, a plausible encoding is taken with a warning', async (t) => {
  const head = Buffer.from('Ref,Qty,Note\nR1,1,')
  // 抵抗, セラミック
  t.match(decodeBytes(Buffer.concat([head, shiftJis('92ef8d52')])), {
    encoding: 'shift_jis',
    warning: /guess/
  })
  t.match(decodeBytes(Buffer.concat([head, shiftJis('835a8389837e8362834e')])), { encoding: 'shift_jis' })
  // 电阻
  t.match(decodeBytes(Buffer.concat([head, Buffer.from('b5e7d7e8', 'hex')])), {
    encoding: 'gb18030',
    warning: /guess/
  })
  t.match(decodeBytes(Buffer.concat([head, cyrillic('Резистор')])), {
    encoding: 'windows-1251',
    warning: /guess/
  })
})

t.test('Western texts are no guess, unless they look like something else', async (t) => {
  const western = decodeBytes(Buffer.from('Ref,Qty,Value\nC1,1,10 \xb5F \xb110% 85\xb0C gro\xdf', 'latin1'))
  t.equal(western.encoding, 'windows-1252')
  t.equal(western.warning, undefined)
  t.match(decodeBytes(bytes(0x41, 0x81)), { encoding: 'windows-1252', warning: /doubtful/ })
})

t.test('half a UTF-16 unit at the end is shown, not dropped', async (t) => {
  t.equal(decodeBytes(bytes(0xff, 0xfe, 0x41, 0x00, 0x42)).text, 'A\ufffd')
})

t.test('a BOM that came as text is ASCII or UTF-8, with or without a mark', async (t) => {
  t.same(decodeText('R1'), { text: 'R1', encoding: 'ascii' })
  t.same(decodeText('4µ7'), { text: '4µ7', encoding: 'utf-8' })
  t.same(decodeText('\ufeffR1'), { text: 'R1', encoding: 'utf-8-bom' })
})

t.test('base64 may be wrapped and unpadded, but nothing else', async (t) => {
  t.equal(decodeBase64('UjEs\nUjI=\r\n').toString(), 'R1,R2')
  t.equal(decodeBase64('UjEsUjI').toString(), 'R1,R2')
  t.equal(decodeBase64('').length, 0)
  t.throws(() => decodeBase64('R1,R2'), { code: 'BOM_BASE64_INVALID', message: /","/ })
  t.throws(() => decodeBase64('data:text/csv;base64,UjE='), { code: 'BOM_BASE64_INVALID', message: /data:/ })
  t.throws(() => decodeBase64('UjEsU'), { code: 'BOM_BASE64_INVALID', message: /cut short/ })
})
