import { isIPv6 } from 'node:net'
import { plainAddress } from './source-address.ts'

/** Groups of an IPv6 address that name a network: what one host is commonly given whole (RFC 6177). */
const networkGroups = 4

/** What counts as one source in limits: an IPv4 address, or the IPv6 network of 64 bits that an address is in. */
export function sourceNetwork(address: string): string {
  const plain = plainAddress(address)
  const [bare = ''] = plain.split('%')
  if (!isIPv6(bare)) return plain
  const [head = '', tail] = bare.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0')
  return `${[...before, ...zeros, ...after].slice(0, networkGroups).join(':')}::/64`
}
