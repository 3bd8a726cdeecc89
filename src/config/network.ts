/** IP addresses and networks, compared as numbers. Text never decides: `::ffff:10.0.0.1` and `10.0.0.1` are one address. */
import { isIP, isIPv4 } from 'node:net'
import { read, type Reading, unreadable } from './reading.ts'

export type Address = { readonly bits: 32 | 128; readonly value: bigint }
export type Network = { readonly bits: 32 | 128; readonly value: bigint; readonly prefix: number }

/** RFC 4291, section 2.5.5.2: ::ffff:0:0/96 holds the IPv4 addresses. */
const MAPPED_IPV4 = 0xffffn

/** Reads an IP address; IPv4-mapped IPv6 becomes IPv4, a zone (`%eth0`) is dropped. Undefined if it is none. */
export function parseAddress(text: string): Address | undefined {
  const bare = text.split('%', 1)[0] ?? ''
  if (isIP(bare) === 0) return undefined
  if (isIPv4(bare)) return { bits: 32, value: ipv4Value(bare) }
  const value = ipv6Value(bare)
  return value >> 32n === MAPPED_IPV4 ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value }
}

/** Reads CIDR (`10.0.0.0/8`, `2001:db8::/32`) or a single address. Bits beyond the prefix must be zero. */
export function parseNetwork(text: string): Reading<Network> {
  const [host = '', length, more] = text.split('/')
  const address = host.includes('%') ? undefined : parseAddress(host)
  if (address === undefined || more !== undefined)
    return unreadable('must be a network such as 10.0.0.0/8 or 2001:db8::/32')
  const prefix = length === undefined ? address.bits : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (address.bits === 32 && !isIPv4(host)) return unreadable('must be written as IPv4, such as 10.0.0.0/8')
  if (prefix < 0 || prefix > address.bits) return unreadable(`must have a prefix from /0 to /${address.bits}`)
  const network: Network = { ...address, prefix }
  if (network.value === masked(address, prefix)) return read(network)
  return unreadable(
    'has bits set beyond its prefix',
    `write a shorter network, or /${address.bits} for one address`,
  )
}

/** Whether the address lies in the network. IPv4 addresses are never in IPv6 networks. */
export function contains(network: Network, address: Address): boolean {
  return network.bits === address.bits && masked(address, network.prefix) === network.value
}

/** The network of that many bits around an address, in CIDR form; undefined if the address is none. */
export function networkAround(
  text: string,
  prefixes: { readonly ipv4Prefix: number; readonly ipv6Prefix: number },
): string | undefined {
  const address = parseAddress(text)
  if (address === undefined) return undefined
  const prefix = address.bits === 32 ? prefixes.ipv4Prefix : prefixes.ipv6Prefix
  const value = masked(address, prefix)
  const start = address.bits === 32 ? ipv4Text(value) : ipv6Text(value)
  return `${start}/${prefix}`
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map(shift => String((value >> shift) & 255n)).join('.')
}

/** RFC 5952: as URLs write it. */
function ipv6Text(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, at) =>
    ((value >> BigInt(16 * (7 - at))) & 0xffffn).toString(16),
  )
  return new URL(`http://[${parts.join(':')}]/`).hostname.slice(1, -1)
}

/** Whether a host name or address is this machine itself. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  const address = parseAddress(host)
  if (address === undefined) return false
  return address.bits === 32 ? address.value >> 24n === 127n : address.value === 1n
}

function masked(address: Address, prefix: number): bigint {
  const rest = BigInt(address.bits - prefix)
  return (address.value >> rest) << rest
}

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function ipv6Value(text: string): bigint {
  const [head = '', tail] = text.split('::')
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0n)
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n)
}

/** The 16-bit groups of one side of `::`; a dotted end is two of them. */
function groups(text: string): bigint[] {
  if (text === '') return []
  return text.split(':').flatMap(part => {
    if (!part.includes('.')) return [BigInt(`0x${part}`)]
    const value = ipv4Value(part)
    return [value >> 16n, value & 0xffffn]
  })
}
