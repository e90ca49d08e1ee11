import t from 'tap'
import { kindOfDesignators, kindOfTexts } from '../../../../src/tasks/bom-coverage/part-kind.ts'

t.test('designators tell the kind of part, if they agree', async (t) => {
  t.equal(kindOfDesignators(['R1', 'R2']), 'resistor')
  t.equal(kindOfDesignators(['RN1']), 'resistor')
  t.equal(kindOfDesignators(['C1']), 'capacitor')
  t.equal(kindOfDesignators(['L1']), 'inductor')
  t.equal(kindOfDesignators(['FB1']), 'bead')
  for (const name of ['LED1', 'RT1', 'CN1', 'Y1', 'D1', 'U1', '0'])
    t.equal(kindOfDesignators([name]), 'other', name)
  t.equal(kindOfDesignators(['R1', 'C1']), 'other')
  t.equal(kindOfDesignators([]), undefined)
})

t.test('else the footprint, then the description', async (t) => {
  t.equal(kindOfTexts('Resistor_SMD:R_0402_1005Metric', 'CAP'), 'resistor')
  t.equal(kindOfTexts('C0402', ''), 'capacitor')
  t.equal(kindOfTexts('L_1008', ''), 'inductor')
  t.equal(kindOfTexts('0402', 'Capacitor ceramic'), 'capacitor')
  t.equal(kindOfTexts('0402', 'RES SMD 10k'), 'resistor')
  t.equal(kindOfTexts('0402', 'Ferrite bead, 120R'), 'bead')
  t.equal(kindOfTexts('0402', 'NTC thermistor'), 'other')
  t.equal(kindOfTexts('0402', ''), undefined)
})
