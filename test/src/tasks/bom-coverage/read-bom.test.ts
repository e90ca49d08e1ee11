import t from 'tap'
import { decodeBytes } from '../../../../src/tasks/bom-coverage/decode.ts'
import { readBom } from '../../../../src/tasks/bom-coverage/read-bom.ts'

const read = (file: string | Buffer) => readBom(decodeBytes(Buffer.isBuffer(file) ? file : Buffer.from(file)))
const none = { blank: 0, heading: 0, metadata: 0, totals: 0, comment: 0, empty: 0 }

t.test('KiCad grouped: blanks after the commas, designators split at blanks, a DNP column', async (t) => {
  const { figures } = read(
    [
      'Reference, Quantity, Value, Footprint, Datasheet, MPN, DNP',
      'C1 C2 C3 ,3,"2u2","Capacitor_SMD:C_0603_1608Metric","","ACME-C22",""',
      'J4 ,1,"Aux port","Connector:Hdr_1x03","","","DNP"'
    ].join('\n')
  )
  t.strictSame(figures, {
    encoding: 'ascii',
    delimiter: 'comma',
    headerLine: 1,
    columns: {
      designator: 'Reference',
      quantity: 'Quantity',
      value: 'Value',
      package: 'Footprint',
      mpn: 'MPN',
      dnpNegative: 'DNP'
    },
    partLines: 2,
    totalQuantity: 4,
    populatedQuantity: 3,
    dnpLines: 1,
    dnpValueLines: 0,
    dnpOtherLines: 0,
    quantityWarnings: [],
    distinctDesignators: 4,
    tables: 1,
    skippedRows: none
  })
})

t.test('KiCad collated: parts one by one, then grouped under the same header', async (t) => {
  const header = '"Item","Qty","Reference(s)","Value"'
  const { figures, lines, warnings } = read(
    [
      '"Source:","/tmp/board.sch"',
      '"Component Count:","3"',
      '',
      header,
      '"","","R1","1k"',
      '"","","R2","1k"',
      '"","","C1","1u"',
      '',
      '"Collated Components:"',
      header,
      '1,1,"C1","1u"',
      '2,2,"R1, R2","1k"'
    ].join('\n')
  )
  t.match(figures, { headerLine: 4, partLines: 2, totalQuantity: 3, tables: 2, distinctDesignators: 3 })
  t.same(figures.skippedRows, { ...none, blank: 1, heading: 1 })
  t.same(
    lines.map(({ row }) => row),
    [11, 12]
  )
  t.match(warnings, [{ row: 10, message: /replaces the 3 part lines/ }])
})

t.test('a table that names other parts is appended, as are pages without designators', async (t) => {
  t.match(read('Ref,Qty\nR1,1\nRef,Qty\nR2,1').figures, { partLines: 2, tables: 2, totalQuantity: 2 })
  t.match(read('Qty,Value\n1,Case\nQty,Value\n2,Screw').figures, {
    partLines: 2,
    tables: 2,
    totalQuantity: 3
  })
})

t.test('Altium: Windows-1252, a blank line under the header', async (t) => {
  const file = 'Quantity,Designator,Description,Comment\r\n\r\n"2","C1, C2","CAP 1\xb5F \xb110%","1\xb5F"\r\n'
  const { figures, lines } = read(Buffer.from(file, 'latin1'))
  t.match(figures, { encoding: 'windows-1252', partLines: 1, skippedRows: { blank: 1 } })
  t.match(lines, [{ value: '1µF', description: 'CAP 1µF ±10%', designators: ['C1', 'C2'] }])
})

t.test('Eagle: designators that are no designators elsewhere, DNP in the value', async (t) => {
  const { figures } = read(
    'Qty,Value,Parts,Package,\r\n3,GREEN,"0, 1, ON",LED-0603,\r\n1,"47k, DNP",R9,0603-RES,\r\n'
  )
  t.match(figures, { dnpLines: null, dnpValueLines: 1, totalQuantity: 4, populatedQuantity: 3 })
})

t.test('OrCAD: tabs, an empty first line, inches inside a cell', async (t) => {
  const { figures, lines } = read(
    '\t\t\t\r\nItem\tQuantity\tReference\tDescription\r\n1\t2\t"J1,J2"\tHDR .100" DUAL\r\n'
  )
  t.match(figures, { delimiter: 'tab', headerLine: 2, partLines: 1 })
  t.match(lines, [{ description: 'HDR .100" DUAL', row: 3 }])
})

t.test('EasyEDA: UTF-16 with tabs', async (t) => {
  const text = '\ufeffID\tName\tDesignator\tFootprint\tQuantity\r\n1\t22Ω\tR1,R2\t603\t2\r\n'
  const { figures, lines } = read(Buffer.from(text, 'utf16le'))
  t.match(figures, { encoding: 'utf-16le-bom', delimiter: 'tab', columns: { value: 'Name' } })
  t.match(lines, [{ value: '22Ω', package: '603' }])
})

t.test('JLC fabrication toolkit: marked UTF-8', async (t) => {
  const { figures } = read('\ufeffDesignator,Footprint,Quantity,Value,LCSC Part #\n"R1, R2",0603,2,6.8k,\n')
  t.match(figures, { encoding: 'utf-8-bom', columns: { designator: 'Designator' }, totalQuantity: 2 })
})

t.test('LibrePCB: parts without value, names that begin with a sign', async (t) => {
  const { figures } = read(
    'Quantity,Designators,Value,Device,Package\n1,?1,,MCU-X,QFN\n2,"D1, D2",,LED – red,\n'
  )
  t.match(figures, { encoding: 'utf-8', partLines: 2, distinctDesignators: 3 })
})

t.test('InteractiveHtmlBom: its tick marks are no markers', async (t) => {
  const { figures } = read(
    '#,Sourced,Placed,References,Value,Footprint,Quantity\n1,"☑","☐","R1, R2",1k,R_0402,2\n'
  )
  t.match(figures, { dnpLines: null, partLines: 1, populatedQuantity: 2 })
  t.same(Object.keys(figures.columns).sort(), ['designator', 'package', 'quantity', 'value'])
})

t.test('KiCost: a quantity for many boards is believed and warned of; rows of zeros are empty', async (t) => {
  const { figures, warnings } = read(
    'Prj:,x.xml,Board Qty:,50\nRefs,Value,Manf#,Qty,Ext$\n"R1,R2",1k,ACME-1,100,1\n,,,0,0\n,,,0,0\nTotal Cost:,,,,9\n'
  )
  t.match(figures, { headerLine: 2, totalQuantity: 100, skippedRows: { ...none, empty: 2, metadata: 1 } })
  t.same(figures.quantityWarnings, [{ line: 3, designators: 2, quantity: 100 }])
  t.same(warnings, [])
})

t.test('Spanish script: semicolons, Windows-1252, preamble, section heading, totals', async (t) => {
  const { figures, lines } = read(
    Buffer.from(
      'PLACA X\nVersi\xf3n 1\n\nREF;VALUE;CANT;FOOT\nR1, R2;4,7k;2;r_0603\nElementos sin c\xf3digo\n# nota\nTotal;;2;\n',
      'latin1'
    )
  )
  t.match(figures, { delimiter: 'semicolon', headerLine: 4, encoding: 'windows-1252' })
  t.same(figures.skippedRows, { ...none, heading: 1, comment: 1, totals: 1 })
  t.match(lines, [{ value: '4,7k' }])
})

t.test('ERP export: quoted line ends, a part without designator', async (t) => {
  const { figures, lines } = read(
    'Part list 17\nItem,QTY,Location,Manufacture P/N,Description,Package\n1,1,,PCB-1,"Board,\n4 layers",-\n2,1,U1,X-1,IC,SMD\n'
  )
  t.match(figures, { headerLine: 2, partLines: 2, totalQuantity: 2, distinctDesignators: 1 })
  t.match(lines, [{ row: 3, description: 'Board,\n4 layers' }, { row: 5 }])
})

t.test('a quantity that is no number is warned of, and the designators are counted', async (t) => {
  const { lines } = read('Ref,Qty\n"R1,R2",many')
  t.match(lines, [{ quantity: 2, warnings: [/"many" is no number/] }])
})

t.test('cells past the header are ignored, and warned of if they say something', async (t) => {
  const { lines, warnings } = read('Ref,Qty,Value\nR1,1,1k,,\nR2,1,RES, 1k')
  t.match(lines, [{ warnings: [] }, { value: 'RES', warnings: [] }])
  t.match(warnings, [{ row: 3, message: /past the last column/ }])
})

t.test('a row that is no part line but names a part is warned of', async (t) => {
  const { figures, warnings } = read('Ref,Qty,Value\n-,,Spare fuse\n-,lots,\nR1,0,1k')
  t.match(figures, { partLines: 1, totalQuantity: 0, skippedRows: { empty: 2 } })
  t.match(warnings, [{ row: 2, message: /Spare fuse/ }, { row: 3 }])
  t.equal(warnings.length, 2)
})

t.test('a quote that is never closed is warned of', async (t) => {
  const { figures, warnings } = read('Ref,Qty,Value\nR1,1,"1k\nR2,1,1k')
  t.match(figures, { partLines: 1 })
  t.match(warnings, [{ row: 2, message: /never closed/ }])
})

t.test('Eagle part list: the designators are under Part, one a row', async (t) => {
  const { figures, lines } = read('Part,Value,Device,Package\nC1,100n,C-EU,C0603\nIC1,TL072,TL072D,SO08\n')
  t.match(figures, { columns: { designator: 'Part', value: 'Value', package: 'Package' }, partLines: 2 })
  t.match(lines[1], { designators: ['IC1'], value: 'TL072' })
})

t.test('Eagle with its commas replaced by slashes', async (t) => {
  const { figures, lines } = read(
    'Qty, Value, Package, Parts\n3, 1k, R0603, R1 /  R2 /  R3\n2, , LED, PWR /  USB\n'
  )
  t.match(figures, { totalQuantity: 5, distinctDesignators: 5, quantityWarnings: [] })
  t.match(lines[1], { designators: ['PWR', 'USB'], warnings: [] })
})

t.test('OrCAD: Part is the value, and long lists go on in rows of their own', async (t) => {
  const { figures, lines } = read(
    'Item\tQuantity\tReference\tPart\n1\t5\tC1,C2,\t100n\n\t\tC3,C4,\t\n\t\tC5\t\n2\t1\tU1\tLM358\n'
  )
  t.match(figures, { partLines: 2, totalQuantity: 6, distinctDesignators: 6, skippedRows: none })
  t.match(lines[0], { designators: ['C1', 'C2', 'C3', 'C4', 'C5'], value: '100n', warnings: [] })
})

t.test('DipTrace: RefDes and Pattern, no quantity, a running number', async (t) => {
  const { figures } = read('#,RefDes,Pattern\n1,C1,CAP_0402_N\n2,C2,CAP_0402_N\n')
  t.match(figures, { columns: { designator: 'RefDes', package: 'Pattern' }, totalQuantity: 2 })
})

t.test('a pipe table drawn with dashes, its designators under a number sign', async (t) => {
  const { figures } = read(
    ' # | package  | parts  |\n---+----------+--------+\nU1 |          |MAX232  |\nR1 |1608(0603)|1k  |\n'
  )
  t.match(figures, { delimiter: 'pipe', columns: { designator: '#', value: 'parts' }, partLines: 2 })
  t.match(figures.skippedRows, { heading: 1 })
})

t.test('Chinese and Japanese spreadsheets, in their own encodings', async (t) => {
  // 位号,数量,值,封装 / R1、R2,2,10k,0603
  const chinese = Buffer.from('cebbbac52ccafdc1bf2cd6b52cb7e2d7b00a5231a1a252322c322c31306b2c30363033', 'hex')
  t.match(read(chinese), {
    figures: { encoding: 'gb18030' },
    lines: [{ designators: ['R1', 'R2'] }],
    warnings: []
  })
  // Reference,数量 / R1,3 / 未実装 in a column without a header
  const japanese = Buffer.from('5265666572656e63652c909497ca0a52312c332c96a28ec091950a', 'hex')
  t.match(read(japanese), { figures: { encoding: 'shift_jis', dnpOtherLines: 1, populatedQuantity: 0 } })
})

t.test('Russian and French spreadsheets', async (t) => {
  const russian = Buffer.from(
    '\xcf\xee\xe7. \xee\xe1\xee\xe7\xed\xe0\xf7\xe5\xed\xe8\xe5;\xca\xee\xeb-\xe2\xee\nDD1;1\n',
    'latin1'
  )
  t.match(read(russian).figures, { encoding: 'windows-1251', columns: { designator: 'Поз. обозначение' } })
  const french = Buffer.from('Rep\xe8re;Qt\xe9;Valeur\n"C1; C2";2;4,7\xb5\n', 'latin1')
  t.match(read(french), {
    figures: { encoding: 'windows-1252', totalQuantity: 2 },
    lines: [{ value: '4,7µ' }]
  })
})

t.test('an encoding that was guessed is said so for the whole file', async (t) => {
  // The note is 电阻 in GB18030.
  const { warnings } = read(
    Buffer.concat([Buffer.from('Ref,Qty,Note\nR1,1,'), Buffer.from('b5e7d7e8', 'hex')])
  )
  t.same(Object.keys(warnings[0] ?? {}), ['source', 'message'])
  t.match(warnings, [{ source: 'bom', message: /guess: gb18030/ }])
})

t.test('a designator on two lines counts once, and warns on the later line', async (t) => {
  const { figures, lines } = read('Ref,Qty,Value\nR1-R3,3,1k\n"R3, R9",2,2k\nR9,1,3k')
  t.match(figures, { distinctDesignators: 4, totalQuantity: 6 })
  t.match(lines, [{ warnings: [] }, { warnings: [/earlier line too: "R3"/] }, { warnings: [/R9/] }])
})
