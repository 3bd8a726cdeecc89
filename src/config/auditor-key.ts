import { createHash, createPublicKey } from 'node:crypto'
import { read, type Reading, unreadable } from './reading.ts'
import { readPublicFile, type SecretSources } from './secret-reference.ts'

/** The public half of an auditor's key: recordings are encrypted to it. */
export type AuditorPublicKey = {
  /** Its JWK thumbprint (RFC 7638, SHA-256), which names it in the header of a recording. */
  readonly kid: string
  /** Nothing but what makes it that key. */
  readonly jwk: AuditorJwk
}
export type AuditorJwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: 'X25519'; readonly x: string }

/** Each recipient takes some 350 bytes of every recording's header, and half a millisecond to wrap the key for. */
export const maxAuditorKeys = 32

/** What only whoever can read recordings may have: RSA and octet keys' parts too, so that whatever was put there is refused. */
const privateParts = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

const howToMake = 'make a pair with "sallyport keys auditor --out FILE" and write the name of its public half'

/** Reads the key that `file:/path` refers to. A private key is refused: the gateway must not have it. */
export function readAuditorKey(reference: unknown, sources: SecretSources): Reading<AuditorPublicKey> {
  const file = readPublicFile(reference, sources)
  if (!file.ok) return file
  if (sources.withoutSecrets === true) return read(notLookedUp)
  return parseAuditorKey(file.value.reveal())
}

/** Of commands that look nothing up; they open no recording. */
const notLookedUp: AuditorPublicKey = { kid: 'not looked up', jwk: { kty: 'OKP', crv: 'X25519', x: '' } }

/** The key of a public JWK in JSON, P-256 or X25519. No message holds any of the text: it may be the private key. */
export function parseAuditorKey(text: string): Reading<AuditorPublicKey> {
  if (text.includes('PRIVATE KEY')) return unreadable(privateKeyMessage, privateKeyAdvice)
  const fields = jsonObject(text)
  if (fields === undefined) return unreadable('is not a public key as a JWK in JSON', howToMake)
  if (privateParts.some(part => Object.hasOwn(fields, part)))
    return unreadable(privateKeyMessage, privateKeyAdvice)
  if (Array.isArray(fields['keys']))
    return unreadable('is a set of keys and not one key', 'write each key in a file of its own')
  const { use, crv } = fields
  if (use !== undefined && use !== 'enc')
    return unreadable('is a key for something else than encryption', howToMake)
  const jwk = plainJwk(fields)
  if (jwk === undefined || !isOnCurve(jwk)) {
    const what = typeof crv === 'string' && /^[A-Za-z0-9-]{1,20}$/.test(crv) ? ` (${crv})` : ''
    return unreadable(`is not a public key of P-256 or X25519${what}`, howToMake)
  }
  return read({ kid: thumbprintOf(jwk), jwk })
}

const privateKeyMessage =
  'refers to a private key: whoever has it can read every recording, so the gateway must not have it'
const privateKeyAdvice =
  'take that file off this machine, look who could read it, make a new pair if in doubt, and give the public key alone'

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const fields: unknown = JSON.parse(text)
    return typeof fields === 'object' && fields !== null && !Array.isArray(fields)
      ? (fields as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function plainJwk({ kty, crv, x, y }: Readonly<Record<string, unknown>>): AuditorJwk | undefined {
  if (kty === 'EC' && crv === 'P-256' && typeof x === 'string' && typeof y === 'string')
    return { kty, crv, x, y }
  return kty === 'OKP' && crv === 'X25519' && typeof x === 'string' ? { kty, crv, x } : undefined
}

/** OpenSSL refuses a point that is not on P-256; of X25519 every 32 bytes are one. */
function isOnCurve(jwk: AuditorJwk): boolean {
  try {
    createPublicKey({ key: jwk, format: 'jwk' })
    return Buffer.from(jwk.x, 'base64url').some(byte => byte !== 0)
  } catch {
    return false
  }
}

/** RFC 7638: SHA-256 over the required members in the order of their names. */
export function thumbprintOf(jwk: AuditorJwk): string {
  const { kty, crv, x } = jwk
  const members = jwk.kty === 'EC' ? { crv, kty, x, y: jwk.y } : { crv, kty, x }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
