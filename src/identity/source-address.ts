import { isIPv6 } from 'node:net'

/**
 * One spelling of an address, so that two sockets of one machine compare equal: IPv4-mapped IPv6 becomes IPv4 (a
 * dual-stack listener says `::ffff:10.0.0.7` for the same peer), IPv6 is lower-cased and compressed, zones stay.
 */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [bare = address, zone] = address.split('%')
  if (!isIPv6(bare)) return address
  const compressed = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  return zone === undefined ? compressed : `${compressed}%${zone}`
}
