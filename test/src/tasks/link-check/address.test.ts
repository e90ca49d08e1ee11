import t from 'tap'
import { checkAddress, isPublic } from '../../../../src/tasks/link-check/address.ts'

const notPublic = {
  'this host': ['0.0.0.0', '0.1.2.3', '::'],
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd00:ec2::254'],
  'link-local': ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
  'shared by a carrier': ['100.64.0.1', '100.100.100.200'],
  'multicast and broadcast': ['224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1'],
  'reserved or for examples': [
    '192.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '203.0.113.1',
    '240.0.0.1',
    '2001:db8::1',
    '100::1',
    '4000::1'
  ],
  'IPv6 for a private IPv4 address': [
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    '::ffff:169.254.169.254',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::'
  ],
  'loopback, written by someone clever': ['0x7f000001', '2130706433', '017700000001', '0177.0.0.1', '127.1'],
  'no address': ['', 'localhost', '1.2.3.4.5', '300.1.1.1', ':::', '8.8.8.8 ']
}

for (const [what, addresses] of Object.entries(notPublic)) {
  t.test(`an address that is ${what} is not public`, async (t) => {
    for (const address of addresses) t.equal(isPublic(address), false, address)
  })
}

t.test('other addresses are public', async (t) => {
  const addresses = ['1.1.1.1', '172.32.0.1', '100.128.0.1', '::ffff:8.8.8.8', '2606:4700:4700::1111']
  for (const address of addresses) t.equal(isPublic(address), true, address)
})

t.test('private addresses are let through on request', async (t) => {
  t.equal(checkAddress(false)('127.0.0.1'), false)
  t.equal(checkAddress(true)('127.0.0.1'), true)
})
