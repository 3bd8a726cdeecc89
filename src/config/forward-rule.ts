/** Where forwards may lead: `host:ports` or a socket's path, as `forward.to` and `forward.from` of an allow rule list them. */
import { isIP } from 'node:net'
import { parseNetwork } from './network.ts'
import { read, type Reading, unreadable } from './reading.ts'
import { isHost } from './values.ts'

/** Both ends included. */
export type PortRange = { readonly from: number; readonly to: number }

export type ForwardRule =
  /** `host`: `*`, `localhost` (the target's own loopback), `*.domain`, a name, an address or a network. */
  | { readonly kind: 'port'; readonly host: string; readonly ports: PortRange; readonly text: string }
  /** `*` stands for characters of one step of the path; `**` as the last step for everything below. */
  | { readonly kind: 'path'; readonly pattern: string; readonly text: string }

/** Which forwards an allow rule with the channel kind `forward` covers. Places are those that the target sees. */
export type ForwardRules = {
  /** Where the client may connect to, through the target. */
  readonly to: readonly ForwardRule[]
  /** Where the target may listen for the client. */
  readonly from: readonly ForwardRule[]
}

export const anyPort: PortRange = { from: 0, to: 65_535 }
/** sockaddr_un holds 108 bytes; a pattern is no longer than what it is to match. */
const MAX_PATH_LENGTH = 200

/** A rule that says `forward` and no more: what listens on the target's own loopback, which is what editors need. */
export const defaultForwardRules: ForwardRules = {
  to: [{ kind: 'port', host: 'localhost', ports: anyPort, text: 'localhost:*' }],
  from: [],
}

/** Reads `localhost:*`, `db1.internal:5432`, `10.0.0.0/8:8000-8999`, `[::1]:22`, `/run/postgresql/*`. */
export function parseForwardRule(value: unknown): Reading<ForwardRule> {
  if (typeof value !== 'string') return unreadable('must be text', 'put it in quotes')
  return value.startsWith('/') ? parsePath(value) : parsePlace(value)
}

function parsePath(text: string): Reading<ForwardRule> {
  if (text.length > MAX_PATH_LENGTH || /[\p{C}\p{Zl}\p{Zp}]/u.test(text))
    return unreadable(`must be a path of at most ${MAX_PATH_LENGTH} characters`)
  const steps = text.slice(1).split('/')
  if (steps.some(step => step === '' || step === '.' || step === '..'))
    return unreadable('must be a path without empty steps, `.` and `..`')
  if (steps.slice(0, -1).includes('**')) return unreadable('may have `**` only as the last step of a path')
  return read({ kind: 'path', pattern: text, text })
}

function parsePlace(text: string): Reading<ForwardRule> {
  const [, bracketed, plain, portsText = ''] = /^(?:\[([^\]]*)\](?=:)|([^:[\]]*)):([^:]*)$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined)
    return unreadable('must be host:port or a path', 'write "localhost:*", "db1.internal:5432" or "/run/x/*"')
  if (bracketed !== undefined && !isSixOrNetwork(bracketed))
    return unreadable('has brackets around what is no IPv6 address or network')
  const ports = parsePorts(portsText)
  if (ports === undefined) return unreadable('must have a port, a range such as 8000-8999, or * for any')
  const reading = parseHost(host)
  return reading.ok ? read({ kind: 'port', host: reading.value, ports, text }) : reading
}

function isSixOrNetwork(text: string): boolean {
  return isIP(text.split('/', 1)[0] ?? '') === 6
}

function parseHost(host: string): Reading<string> {
  if (host.includes('/')) {
    const network = parseNetwork(host)
    return network.ok ? read(host) : network
  }
  const name = host.startsWith('*.') ? host.slice(2) : host
  if (host === '*' || (isHost(name) && !(host.startsWith('*.') && isIP(name) !== 0)))
    return read(host.toLowerCase())
  return unreadable('must name a host, an address, a network, *.domain, localhost or *')
}

function parsePorts(text: string): PortRange | undefined {
  if (text === '*') return anyPort
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  if (from === undefined) return undefined
  const range = { from: Number(from), to: Number(to) }
  return range.from >= 1 && range.from <= range.to && range.to <= 65_535 ? range : undefined
}
