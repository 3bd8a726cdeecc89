/**
 * Which addresses a message may be sent to. The operator names the receiver, and most stand in private networks, so those are
 * fine. What no receiver is at: link-local addresses, where clouds answer with credentials, multicast, the unspecified address; and
 * this machine itself, unless the configuration says so by name, since whoever controls a name could else point it here.
 */
import { lookup as lookupName } from 'node:dns'
import type { LookupFunction } from 'node:net'
import {
  type Address,
  contains,
  isLoopback,
  type Network,
  parseAddress,
  parseNetwork,
} from '../config/network.ts'

const loopback = networks('127.0.0.0/8', '::1')
const never = networks(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3', // multicast, reserved, broadcast
  '100.100.100.200', // metadata of Alibaba Cloud
  'fd00:ec2::254', // metadata of AWS
  '::',
  'fe80::/10',
  'ff00::/8',
)

/** Why nothing is sent to this address of the host, or undefined. */
export function refusedAddress(host: string, address: string): string | undefined {
  const parsed = parseAddress(address)
  if (parsed === undefined) return 'it has no address'
  if (isIn(never, parsed)) return `${address} is no address of a receiver`
  if (isIn(loopback, parsed) && !isLoopback(host)) return 'its name leads to this machine itself'
  return undefined
}

/** Looks the host up for a connection, which then goes to the very address that was judged. */
export function judgedLookup(host: string): LookupFunction {
  return (name, options, callback) => {
    lookupName(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const refused = addresses
        .map(({ address }) => refusedAddress(host, address))
        .find(why => why !== undefined)
      if (refused !== undefined) return callback(new Error(refused), [])
      if (options.all === true) return callback(null, addresses)
      const [first] = addresses
      if (first === undefined) return callback(new Error('it has no address'), [])
      callback(null, first.address, first.family)
    })
  }
}

function networks(...texts: readonly string[]): readonly Network[] {
  return texts.map(text => {
    const parsed = parseNetwork(text)
    if (!parsed.ok) throw new TypeError(`${text} is no network`)
    return parsed.value
  })
}

function isIn(list: readonly Network[], address: Address): boolean {
  return list.some(network => contains(network, address))
}
