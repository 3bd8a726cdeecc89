/** Tokens of workloads (`identity.machines`): a build job, a pod, a virtual machine that proves itself with a JWT. */
import { createHash } from 'node:crypto'
import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import type { MachineConfig } from '../config/config.ts'
import { Fault, reasonOf } from '../errors.ts'
import { acceptedAlgorithms, clockSkewSeconds, subjectShape } from './token.ts'

/** How long a token may live from `iat` to `exp`, in seconds. A longer one is a password. */
export const maxTokenLifetimeSeconds = 3600

/** Bytes of a token: what a proxy's header limit lets through. */
export const maxMachineTokenBytes = 8 * 1024

/** Tokens that are remembered with the key that they were exchanged for, each until it expires. Only good ones are. */
const maxRememberedTokens = 50_000

/** Where an issuer publishes its keys is asked again after this time, in milliseconds. The keys themselves are fetched anew as needed. */
const discoveredMaxAgeMs = 60 * 60_000

/** Types that tokens for us may have (RFC 8725, section 3.11; RFC 9068). Never a logout token. */
const acceptedTypes = new Set(['JWT', 'AT+JWT', 'APPLICATION/AT+JWT'])

export type MachineTokenFields = {
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly groups: readonly string[]
  readonly authenticatedAtMs: number
  readonly expiresAtMs: number
  /** `identity.machines[].session`. */
  readonly sessionMs: number | undefined
}

/** Evidence that a workload which the configuration names sent its own, fresh token. */
class MachineToken {
  readonly #issued = true
  readonly fields: MachineTokenFields

  constructor(fields: MachineTokenFields) {
    this.fields = Object.freeze(fields)
  }

  static is(x: object): x is MachineToken {
    return #issued in x
  }
}
export type { MachineToken }

/** What the process that remembers tokens has verified. Only its worker processes may take its word for it. */
export function machineTokenVouchedFor(fields: MachineTokenFields): MachineToken {
  return new MachineToken(fields)
}

export type MachineTokensParts = {
  readonly clock: Clock
  /** The configuration of this moment. */
  readonly machines: () => readonly MachineConfig[]
  /** Finds the published keys of an issuer. Throws Fault ISSUER_UNAVAILABLE. */
  readonly keysOf: (issuer: string, allowHttpIssuer: boolean) => Promise<JWTVerifyGetKey>
}

type Use = { readonly fingerprint: string; readonly expiresAtMs: number }

export class MachineTokens {
  readonly #parts: MachineTokensParts
  readonly #keys = new Map<string, { readonly keys: Promise<JWTVerifyGetKey>; readonly atUs: number }>()
  readonly #uses = new Map<string, Use>()

  constructor(parts: MachineTokensParts) {
    this.#parts = parts
  }

  /**
   * Verifies a token that comes with the key of this fingerprint. The first key takes the token: whoever finds it in a log later
   * gets nothing for another key, and the workload may ask again with its own. Throws Fault TOKEN_REFUSED or ISSUER_UNAVAILABLE.
   */
  async verify(jwt: string, fingerprint: string): Promise<MachineToken> {
    if (Buffer.byteLength(jwt) > maxMachineTokenBytes)
      throw refused(`longer than ${maxMachineTokenBytes} bytes`)
    const candidates = this.#candidates(jwt)
    const payload = await this.#verifyBySomebody(jwt, candidates)
    const machine = candidates.find(one => isFor(one, payload) && isBound(one, payload))
    if (machine === undefined)
      throw refused('its audience and claims are those of no machine in identity.machines')
    const fields = fieldsOf(machine, payload)
    this.#take(jwt, payload, fingerprint, fields.expiresAtMs)
    return new MachineToken(fields)
  }

  /** The issuer is read unverified, only to choose among those that we trust; no address of a stranger is ever asked. */
  #candidates(jwt: string): readonly MachineConfig[] {
    const issuer = issuerOf(jwt)
    const candidates = this.#parts.machines().filter(machine => machine.issuer === issuer)
    if (candidates.length > 0) return candidates
    throw refused('its issuer is that of no machine in identity.machines')
  }

  async #verifyBySomebody(jwt: string, candidates: readonly MachineConfig[]): Promise<JWTPayload> {
    const [first] = candidates
    if (first === undefined) throw refused('nobody could have issued it')
    const keys = await this.#keysOf(first)
    try {
      const { payload, protectedHeader } = await jwtVerify(jwt, keys, {
        algorithms: [...acceptedAlgorithms],
        issuer: first.issuer,
        audience: candidates.map(machine => machine.audience),
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(this.#parts.clock.nowMs()),
        requiredClaims: ['sub', 'aud', 'iat', 'exp'],
      })
      if (protectedHeader.typ !== undefined && !acceptedTypes.has(protectedHeader.typ.toUpperCase()))
        throw refused('its type is that of another kind of token (typ)')
      return payload
    } catch (thrown) {
      throw asFault(thrown)
    }
  }

  /** Asked for once for all who need them and again after an hour; a failure is not kept. */
  async #keysOf({ issuer, allowHttpIssuer }: MachineConfig): Promise<JWTVerifyGetKey> {
    const nowUs = this.#parts.clock.monotonicUs()
    const known = this.#keys.get(issuer)
    const fresh = known !== undefined && nowUs - known.atUs < discoveredMaxAgeMs * 1000
    const entry = fresh ? known : { keys: this.#parts.keysOf(issuer, allowHttpIssuer), atUs: nowUs }
    this.#keys.set(issuer, entry)
    try {
      return await entry.keys
    } catch (thrown) {
      if (this.#keys.get(issuer) === entry) this.#keys.delete(issuer)
      throw thrown
    }
  }

  #take(jwt: string, payload: JWTPayload, fingerprint: string, expiresAtMs: number): void {
    const nowMs = this.#parts.clock.nowMs()
    for (const [id, use] of this.#uses) if (use.expiresAtMs <= nowMs) this.#uses.delete(id)
    const id = idOf(jwt, payload)
    const before = this.#uses.get(id)
    if (before !== undefined && before.fingerprint !== fingerprint)
      throw refused('it was used before, for another key (jti)')
    if (before === undefined && this.#uses.size >= maxRememberedTokens)
      throw new Fault(
        'ISSUER_UNAVAILABLE',
        'Too many tokens were exchanged lately. Try again in a few minutes.',
      )
    this.#uses.set(id, { fingerprint, expiresAtMs: expiresAtMs + clockSkewSeconds * 1000 })
  }
}

function issuerOf(jwt: string): string | undefined {
  try {
    return decodeJwt(jwt).iss
  } catch (thrown) {
    throw refused('it is no JWT', thrown)
  }
}

function isFor({ audience }: MachineConfig, payload: JWTPayload): boolean {
  return Array.isArray(payload.aud) ? payload.aud.includes(audience) : payload.aud === audience
}

/** Exactly as configured, as text: a claim that is a list or a number is another claim. */
function isBound({ bound }: MachineConfig, payload: JWTPayload): boolean {
  return Object.entries(bound).every(
    ([claim, value]) => Object.hasOwn(payload, claim) && payload[claim] === value,
  )
}

function fieldsOf(machine: MachineConfig, payload: JWTPayload): MachineTokenFields {
  const { sub, iat, exp } = payload
  if (typeof sub !== 'string' || !subjectShape.test(sub))
    throw refused('its subject is not 1 to 255 printable ASCII characters (sub)')
  if (typeof iat !== 'number' || typeof exp !== 'number') throw refused('it does not say when it was made')
  if (exp - iat > maxTokenLifetimeSeconds + clockSkewSeconds)
    throw refused(`it lives longer than ${maxTokenLifetimeSeconds} seconds (iat, exp)`)
  const { issuer, name, groups, sessionMs } = machine
  const times = { authenticatedAtMs: Math.floor(iat * 1000), expiresAtMs: Math.floor(exp * 1000) }
  return { issuer, subject: sub, name, groups, sessionMs, ...times }
}

/**
 * The token's own name or, where it has none, what was signed (the signature itself may have several forms). An empty or long
 * `jti` is as good as any: it is hashed.
 */
function idOf(jwt: string, payload: JWTPayload): string {
  const own =
    typeof payload.jti === 'string' ? `jti\n${payload.jti}` : `jws\n${jwt.slice(0, jwt.lastIndexOf('.'))}`
  return createHash('sha256').update(`${payload.iss}\n${own}`).digest('base64url')
}

function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const aboutToken =
    thrown instanceof errors.JOSEError &&
    !(thrown instanceof errors.JWKSTimeout) &&
    thrown.code !== errors.JOSEError.code
  if (aboutToken) return refused(reasonOf(thrown), thrown)
  return new Fault(
    'ISSUER_UNAVAILABLE',
    'The keys of the issuer of this token could not be fetched. Try again in a minute.',
    { log: `the keys of a machine's issuer could not be fetched: ${reasonOf(thrown)}`, cause: thrown },
  )
}

function refused(why: string, cause?: unknown): Fault {
  return new Fault('TOKEN_REFUSED', 'This token is not one that the gateway takes. Its audit log says why.', {
    log: `a machine's token was refused: ${why}`,
    cause,
  })
}
