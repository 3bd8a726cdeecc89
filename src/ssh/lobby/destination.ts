/** Where a jump goes: the target that a `direct-tcpip` channel names. */
import type { Target } from '../../config/config.ts'
import { WireReader } from '../../wire.ts'

/** RFC 4254, section 7.2, without the originator, which the client makes up. */
export type Destination = { readonly host: string; readonly port: number }

/** RFC 1035, section 2.3.4: no name of a host is longer. */
const maxHostCharacters = 253

/** What `ssh` dials without `-p`. */
const sshPort = 22

/** Throws Fault SSH_PROTOCOL for malformed bytes. */
export function decodeDestination(fields: Buffer): Destination {
  const reader = new WireReader(fields)
  const destination = { host: reader.text(), port: reader.uint32() }
  reader.string()
  reader.uint32()
  reader.end()
  return destination
}

/**
 * The target of that name (ssh writes names in lower case) at port 22 or at its own, or the one of exactly that configured
 * address. Undefined for everything else: nothing that is no target is ever dialled.
 */
export function targetAt(targets: readonly Target[], { host, port }: Destination): Target | undefined {
  if (host.length > maxHostCharacters) return undefined
  const wanted = host.toLowerCase()
  const named = targets.filter(
    target => target.name.toLowerCase() === wanted && (port === sshPort || port === target.port),
  )
  const exact = named.find(target => target.name === host)
  if (exact !== undefined || named.length === 1) return exact ?? named[0]
  if (named.length > 1) return undefined
  const addressed = targets.filter(target => target.host.toLowerCase() === wanted && target.port === port)
  return addressed.length === 1 ? addressed[0] : undefined
}
