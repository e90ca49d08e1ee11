import t from 'tap'
import {
  chipSize,
  dropSize,
  packageKey,
  sizeInTexts
} from '../../../../src/tasks/bom-coverage/package-name.ts'

t.test('a chip part is known by its size in inches, however it is written', async (t) => {
  const names = [
    '0402',
    '402',
    "0402'",
    "'0402",
    'C0402',
    'R-0402',
    'r_0402',
    'C402',
    '0402-CAP',
    '0402-RES',
    'SMD0402'
  ]
  names.push(
    'C_0402_1005Metric',
    'Capacitor_SMD:C_0402_1005Metric',
    'R_0402_1005',
    'CAP0402',
    '0402 (1005 Metric)'
  )
  names.push(
    'R_0402_1005Metric_Pad0.72x0.64mm_HandSolder',
    'LED_0402_1005Metric',
    'CHIP-LED0402',
    'c_0402POL'
  )
  names.push(
    'CAP_0402_M',
    'CAPP_0402_M',
    'C0402K',
    '0402R',
    'M0402',
    'R0402@1',
    'CHIPLED_0402',
    'RES_0402_ROUND'
  )
  for (const name of names) t.equal(chipSize(name), '0402', name)
  t.equal(chipSize('01005'), '01005')
  t.equal(chipSize('Fuse:Fuse_1206_3216Metric'), '1206')
  t.equal(chipSize('ptc_1210'), '1210')
})

t.test('a metric size stands for its inch size where it can mean nothing else', async (t) => {
  for (const name of [
    '1608',
    '1608(0603)',
    'C1608',
    'L-1608',
    'RESC1608X55N',
    'capc1608x90',
    'SMD_1608(0603)'
  ])
    t.equal(chipSize(name), '0603', name)
  t.equal(chipSize('RESC0603X30N'), '0201')
  for (const name of ['SMD-3225', 'CHIP_1608', '1608(0805)', '1608R', 'RESC0402 (01005)', 'XC1608X55N'])
    t.equal(chipSize(name), undefined, name)
})

t.test('what only holds a size is no chip', async (t) => {
  const names = [
    '4x0402',
    'R_Array_Convex_4x0402',
    'C_0402_1608Metric',
    '1X02',
    '12345',
    'SOT-23',
    '',
    '0402_3P'
  ]
  for (const name of [...names, 'R_0603Metric', 'QFN0402', '0603_0805'])
    t.equal(chipSize(name), undefined, name)
})

t.test('other packages go by their name without library, dashes and case', async (t) => {
  t.equal(packageKey('Package_SO:SOIC-8'), packageKey('soic8'))
  t.equal(packageKey('SOT-23-6'), packageKey('SOT23_6'))
  t.not(packageKey('SOT-23-6'), packageKey('SOT-236'))
  t.not(packageKey('SOT-23'), packageKey('SOT-23-5'))
  t.not(packageKey('SOIC-8'), packageKey('SOIC-8_3.9x4.9mm_P1.27mm'))
})

t.test('a cell with two different packages is none to match by', async (t) => {
  const two = [
    'L:R_0402_1005Metric,L:R_0603_1608Metric',
    '0603 or 0805',
    '0402/0603',
    'SOT-23; SC-59',
    'A|B',
    'SO8\nSO16'
  ]
  for (const cell of [...two, '0603,0805', 'SOIC, wide']) t.equal(packageKey(cell), undefined, cell)
  const one = [
    'E3,5-8',
    'HDR-6X1/2.54',
    'R_0402_1005Metric; 0402',
    '0603/C0603',
    'SENSOR',
    'Sensor:Corner,',
    'TO-92/2'
  ]
  for (const cell of one) t.type(packageKey(cell), 'string', cell)
})

t.test('without a package, the one size in the value or else the description is taken', async (t) => {
  const sizeOf = (value: string, description = '') => sizeInTexts(['R1', 'LED2'], value, description)
  t.equal(sizeOf('10K 1% 0603'), '0603')
  t.equal(sizeOf('10k', '1206 Resistor'), '1206')
  t.equal(sizeOf('10k 0603', '0805'), '0603')
  t.equal(sizeOf('0603, 10k'), '0603')
  const none = [
    '0603',
    '10k 0603 0805',
    '2512R',
    '1206 ohm',
    '1210 pF',
    '0603-A',
    'X0603',
    '1.0603',
    '1,0603',
    '1008 pcs'
  ]
  for (const value of [...none, '2010 mm', '1206Ω', '1210 Hz', '5 %'])
    t.equal(sizeOf(value), undefined, value)
  t.equal(sizeInTexts(['U1'], '10k 0603', ''), undefined)
  t.equal(sizeInTexts([], '10k 0603', ''), '0603')
  t.equal(dropSize('red 0603 LED', '0603'), 'red LED')
})
