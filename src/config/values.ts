/** The texts that a configuration is made of: names, addresses, URLs, host keys. Each reader says what it wants. */
import { isIP } from 'node:net'
import type { Endpoint } from './config.ts'
import { isLoopback } from './network.ts'
import { read, type Reading, unreadable } from './reading.ts'

/** Neither `@` nor `+`, which separate login and target, nor anything that a log or a terminal would read differently. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
/** Role names start with a letter, since a plain object would move keys that look like numbers to its front. */
const ROLE_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,62}$/
/** Unix users, `DOMAIN\user`, machine accounts. No comma: it separates principals in certificates. */
const LOGIN = /^[A-Za-z0-9_][A-Za-z0-9_.\\-]{0,62}\$?$/
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/
const HOST_KEY_ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
]

export function parseName(value: unknown): Reading<string> {
  return matching(value, NAME, 'letters, digits and . _ -, at most 63, a letter or digit first')
}

export function parseRoleName(value: unknown): Reading<string> {
  return matching(value, ROLE_NAME, 'letters, digits and . _ -, at most 63, a letter first')
}

export function parseLogin(value: unknown): Reading<string> {
  if (value === '*') return unreadable('must name each login; there is no wildcard for them')
  return matching(value, LOGIN, 'letters, digits and _ . - \\, at most 63')
}

function matching(value: unknown, form: RegExp, what: string): Reading<string> {
  if (typeof value !== 'string') return unreadable('must be text', 'put it in quotes')
  return form.test(value) ? read(value) : unreadable(`must be made of ${what}`)
}

/** `host:port`, `[IPv6]:port`; without a port, the default if there is one. Port 0 only where `allowAnyPort`. */
export function parseEndpoint(
  value: unknown,
  { defaultPort, allowAnyPort = false }: { defaultPort?: number; allowAnyPort?: boolean },
): Reading<Endpoint> {
  const example = 'must be an address and a port, such as 10.0.0.5:22 or [2001:db8::5]:22'
  if (typeof value !== 'string') return unreadable(example)
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(value) ?? []
  const host = bracketed ?? plain
  if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6)) return unreadable(example)
  if (bracketed === undefined && !isHost(host)) return unreadable(example)
  const port = portText === undefined ? defaultPort : Number(portText)
  if (port === undefined) return unreadable('needs a port', `write ${value}:22, say`)
  if (port > 65_535 || (port === 0 && !allowAnyPort))
    return unreadable('has a port that does not exist (1 to 65535)')
  return read({ host, port })
}

/** A host name or an IP address. What is all digits and dots must be a whole IPv4 address, or it is a slip. */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (HOST_NAME.test(text) && !/^[\d.]+$/.test(text))
}

/** An https URL, or http on loopback, without user, query or fragment. The text is kept as written. */
export function parseHttpsUrl(value: unknown): Reading<string> {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (typeof value !== 'string' || url === undefined)
    return unreadable('must be a URL that starts with https://')
  if (url.username !== '' || url.password !== '' || value.includes('?') || value.includes('#'))
    return unreadable('must be a URL without user, query or fragment')
  if (url.protocol === 'https:' || isLoopbackHttp(value)) return read(value)
  return unreadable('must start with https:// (http:// only on loopback)')
}

/** `tls://host:port` or, to this machine itself, `tcp://host:port`. */
export function parseSyslogUrl(value: unknown): Reading<string> {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (
    typeof value !== 'string' ||
    url === undefined ||
    url.hostname === '' ||
    !/^(?:tls|tcp):$/.test(url.protocol)
  )
    return unreadable('must be an address such as tls://logs.example.com:6514')
  if (url.username !== '' || url.password !== '' || !/^\/?$/.test(url.pathname) || /[?#]/.test(value))
    return unreadable('must be an address without user, path or query')
  if (url.protocol === 'tls:' || isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) return read(value)
  return unreadable('must start with tls:// (tcp:// only on loopback)')
}

/** Whether the URL is plain http to this machine itself. */
export function isLoopbackHttp(text: string): boolean {
  const url = new URL(text)
  return url.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
}

/** The origin that browsers know us by: a URL as above without a path. */
export function parseOrigin(value: unknown): Reading<string> {
  const url = parseHttpsUrl(value)
  if (!url.ok) return url
  const { origin, pathname } = new URL(url.value)
  return pathname === '/' ? read(origin) : unreadable('must have no path', `write ${origin}`)
}

/** `algorithm base64 [comment]`, as in a `.pub` file; gives back `algorithm base64`. */
export function parsePublicKey(value: unknown): Reading<string> {
  if (typeof value !== 'string') return unreadable('must be a public key such as "ssh-ed25519 AAAA…"')
  const [algorithm = '', key = ''] = value.trim().split(/\s+/)
  if (algorithm === 'ssh-dss') return unreadable('is a DSA key, which nobody should trust any more')
  if (!HOST_KEY_ALGORITHMS.includes(algorithm))
    return unreadable(
      'must be a public key such as "ssh-ed25519 AAAA…"',
      'leave out the host name that known_hosts has first',
    )
  return wrapsAlgorithm(key, algorithm)
    ? read(`${algorithm} ${key}`)
    : unreadable('is not a whole public key', 'copy the line from /etc/ssh/ssh_host_ed25519_key.pub')
}

/** RFC 4253, section 6.6: the blob starts with the length and name of its algorithm. The shortest key has 32 bytes more. */
function wrapsAlgorithm(base64: string, algorithm: string): boolean {
  const blob = Buffer.from(base64, 'base64')
  const start = Buffer.alloc(4 + algorithm.length)
  start.writeUInt32BE(algorithm.length)
  start.write(algorithm, 4)
  return (
    blob.length >= start.length + 4 + 32 &&
    blob.subarray(0, start.length).equals(start) &&
    blob.toString('base64') === base64
  )
}
