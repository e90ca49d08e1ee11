import t from 'tap'
import type { PartKind } from '../../../../src/tasks/bom-coverage/part-kind.ts'
import { readValue } from '../../../../src/tasks/bom-coverage/value.ts'

const kinds: PartKind[] = ['resistor', 'capacitor', 'inductor', 'bead', 'other']
const read = (text: string, kind?: PartKind, size?: string) => {
  const value = readValue(text, kind, size)
  return value && [`${value.amount} ${value.dimension}`, ...value.ratings].join(' ')
}

const kindNamed = (name: string) => kinds.find((kind) => kind === name)

t.test('one value has many spellings', async (t) => {
  const spellings: Record<string, string[]> = {
    '1e-7 farad': [
      '0.1uF',
      '100nF',
      '100n',
      '0.1 µF',
      '0,1uF',
      '.1uf',
      'u1',
      '100NF',
      '0u1',
      '100000pF',
      '0.1μ'
    ],
    '4700 ohm': [
      '4k7',
      '4.7k',
      '4,7K',
      '4700',
      '4.7 kOhm',
      '4.7kΩ',
      '4k7 ohm',
      '4K70',
      '4700R',
      '4.7K Resistor'
    ],
    '4.7 ohm': ['4R7', '4.7', '4r7', '4.7R', '4.7 Ω', '4.7 ohms', '4.7 \u2126'],
    '0 ohm': ['0', '0R', '0r0', '0 ohm', '0k'],
    '0.047 ohm': ['R047', '0R047', '47mR', '47mOhm', '0.047'],
    '1000000 ohm': ['1M', '1M0', '1meg', '1MOhm', '1000k'],
    '0.00001 henry': ['10uH', '10 µH', '0.01mH'],
    '16000000 hertz': ['16MHz', '16 MHZ', '16000kHz', '16mhz']
  }
  for (const [value, texts] of Object.entries(spellings)) {
    for (const text of texts) t.equal(read(text), value, text)
  }
})

t.test('case tells milli from mega', async (t) => {
  t.equal(read('10m', 'resistor'), '0.01 ohm')
  t.equal(read('10M', 'resistor'), '10000000 ohm')
  t.equal(read('10mOhm'), '0.01 ohm')
  t.equal(read('10MOhm'), '10000000 ohm')
  t.equal(read('10MF'), undefined)
})

t.test('where no unit is written, the kind of part tells it', async (t) => {
  t.equal(read('10', 'resistor'), '10 ohm')
  t.equal(read('10u', 'inductor'), '0.00001 henry')
  t.equal(read('10u', 'capacitor'), '0.00001 farad')
  t.equal(read('10m', 'inductor'), '0.01 henry')
  t.equal(read('600R', 'bead'), '600 bead')
  t.equal(read('600R', 'inductor'), '600 bead')
})

t.test('what is not clear is no value', async (t) => {
  const doubtful: Partial<Record<PartKind | 'unknown', string[]>> = {
    capacitor: ['0.1', '10k', '10R'],
    inductor: ['10', '10k'],
    resistor: ['10u'],
    other: ['24M', '10kOhm', '10pF', '100'],
    unknown: [
      ...[
        '10m',
        '4P',
        '1G',
        '4,700',
        '47u25',
        '100n50',
        '10k 22k',
        '10k NTC',
        '100nF/RF',
        '10K 3950K',
        '2/2'
      ],
      ...['BC847', '1N4148', '5V1', '50V', '74HC244', 'M3', '', '19.2MHz 8pF', '1V 2V 3V 4V 5V 10u']
    ]
  }
  for (const [kind, texts] of Object.entries(doubtful)) {
    for (const text of texts) t.equal(read(text, kindNamed(kind)), undefined, `${kind} ${text}`)
  }
})

t.test('ratings are kept apart from the value', async (t) => {
  t.equal(read('100nF/50V'), '1e-7 farad 50v')
  t.equal(read('0.1uF 50V X7R 10%'), '1e-7 farad 10% 50v x7r')
  t.equal(read('10k ±1%'), '10000 ohm 1%')
  t.equal(read('10 ohm 1/8W'), '10 ohm 0.125w')
  t.equal(read('10R 125mW'), '10 ohm 0.125w')
  t.equal(read('1n 6V3 NP0'), read('1nF 6.3 V C0G'))
  t.equal(read('270, 270R'), '270 ohm')
  t.equal(read('0402, 1.5k, 1/16W, 1%', undefined, '0402'), '1500 ohm 0.0625w 1%')
  t.equal(read('0402, 1.5k', undefined, '0603'), undefined)
})
