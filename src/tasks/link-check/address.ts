import ipaddr from 'ipaddr.js'

/** Says whether an IP address, in any notation, may be connected to. */
export type AddressCheck = (address: string) => boolean

/** Public addresses only, unless private ones are allowed too. */
export function checkAddress(allowPrivate: boolean): AddressCheck {
  return allowPrivate ? () => true : isPublic
}

// What the world's registries hand out; the rest of IPv6 is special, or not in use.
const globalUnicast = ipaddr.IPv6.parse('2000::')

/** Whether it is an address that belongs to the public Internet; an IPv4-mapped one counts as its IPv4 address. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const ip = ipaddr.process(address)
  if (ip.range() !== 'unicast') return false
  return ip.kind() === 'ipv4' || ip.match(globalUnicast, 3)
}
