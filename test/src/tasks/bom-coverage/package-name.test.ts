import t from 'tap'
import { chipSize, foldPackage } from '../../../../src/tasks/bom-coverage/package-name.ts'

t.test('a chip part is known by its size, however it is written', async (t) => {
  const names = [
    ...[
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
    ],
    ...[
      'C_0402_1005Metric',
      'Capacitor_SMD:C_0402_1005Metric',
      'R_0402_1005',
      'CAP0402',
      '0402 (1005 Metric)'
    ],
    ...['R_0402_1005Metric_Pad0.72x0.64mm_HandSolder', 'LED_0402_1005Metric', 'CHIP-LED0402', 'c_0402POL']
  ]
  for (const name of names) t.equal(chipSize(name), '0402', name)
  t.equal(chipSize('01005'), '01005')
  t.equal(chipSize('Fuse:Fuse_1206_3216Metric'), '1206')
})

t.test('what only holds a size is no chip', async (t) => {
  const names = [
    '4x0402',
    'R_Array_Convex_4x0402',
    'C_0402_1608Metric',
    '1005',
    '2012',
    'L2012',
    'ptc_1210',
    '1X02'
  ]
  for (const name of [...names, '12345', 'SOT-23', '', '0402_3P', 'R_0603Metric'])
    t.equal(chipSize(name), undefined, name)
})

t.test('other packages go by their name without library, dashes and case', async (t) => {
  t.equal(foldPackage('Package_SO:SOIC-8'), foldPackage('soic8'))
  t.equal(foldPackage('SOT-23-6'), foldPackage('SOT23_6'))
  t.equal(foldPackage('Diode_SMD:D_SOD-123'), foldPackage('SOD-123'))
  t.not(foldPackage('SOT-23-6'), foldPackage('SOT-236'))
  t.not(foldPackage('SOT-23'), foldPackage('SOT-23-5'))
  t.not(foldPackage('SOIC-8'), foldPackage('SOIC-8_3.9x4.9mm_P1.27mm'))
})
