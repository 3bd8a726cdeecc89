/**
 * The client of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; PostgreSQL, "SCRAM-SHA-256 Authentication"), for signing in
 * at targets. The secret is ours: random ASCII, so no SASLprep. The server proves that it knows the secret too.
 */
import {
  createHash,
  createHmac,
  pbkdf2,
  randomBytes,
  timingSafeEqual,
  type X509Certificate,
} from 'node:crypto'
import { promisify } from 'node:util'
import { MalformedMessage } from './wire/protocol-violation.ts'

export const scram = { plain: 'SCRAM-SHA-256', plus: 'SCRAM-SHA-256-PLUS' } as const

const hash = 'sha256'
const hashBytes = 32
/** PostgreSQL's own (`SCRAM_RAW_NONCE_LEN`). */
const nonceBytes = 18
/** Verifiers of ours say 1 and servers' default is 4096; a number like 2^31 would only burn our time. */
const maxIterations = 100_000
const derive = promisify(pbkdf2)

export type ScramStart = { readonly mechanism: string; readonly message: Buffer }

/** One exchange: `start`, then `answer` the server's first message, then `finish` with its last. */
export class ScramClient {
  readonly #password: string
  readonly #nonce: string
  readonly #plus: Buffer | undefined
  #gs2 = ''
  #firstBare = ''
  #serverSignature: Buffer | undefined

  /** `endPoint`: the `tls-server-end-point` of the connection, if there is TLS and it has one. */
  constructor(
    password: string,
    endPoint: Buffer | undefined,
    nonce = randomBytes(nonceBytes).toString('base64'),
  ) {
    this.#password = password
    this.#nonce = nonce
    this.#plus = endPoint
  }

  /**
   * The first message for the best mechanism of the server's, or undefined if it has none of ours. The user name is left empty:
   * PostgreSQL takes that of the StartupMessage.
   */
  start(offered: readonly string[]): ScramStart | undefined {
    const bound = this.#plus !== undefined && offered.includes(scram.plus)
    if (!bound && !offered.includes(scram.plain)) return undefined
    const canBind = this.#plus !== undefined
    this.#gs2 = bound ? 'p=tls-server-end-point,,' : canBind ? 'y,,' : 'n,,'
    this.#firstBare = `n=,r=${this.#nonce}`
    return {
      mechanism: bound ? scram.plus : scram.plain,
      message: Buffer.from(this.#gs2 + this.#firstBare),
    }
  }

  /** The final message of the client. Throws MalformedMessage. */
  async answer(serverFirst: Buffer): Promise<Buffer> {
    const text = serverFirst.toString('latin1')
    const { nonce, salt, iterations } = readServerFirst(text)
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new MalformedMessage('the nonce of its SCRAM message is not ours')
    }
    const salted = await derive(this.#password, salt, iterations, hashBytes, hash)
    const clientKey = hmac(salted, 'Client Key')
    const binding = Buffer.concat([Buffer.from(this.#gs2), this.#isBound ? (this.#plus ?? nothing) : nothing])
    const withoutProof = `c=${binding.toString('base64')},r=${nonce}`
    const message = `${this.#firstBare},${text},${withoutProof}`
    const signature = hmac(createHash(hash).update(clientKey).digest(), message)
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), message)
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)))
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** True if the server has shown that it knows the secret: without that, its AuthenticationOk is worth nothing. */
  finish(serverFinal: Buffer): boolean {
    const signature = /^v=([A-Za-z0-9+/]{43}=)$/.exec(serverFinal.toString('latin1'))?.[1]
    const expected = this.#serverSignature
    if (signature === undefined || expected === undefined) return false
    return timingSafeEqual(Buffer.from(signature, 'base64'), expected)
  }

  get #isBound(): boolean {
    return this.#gs2.startsWith('p=')
  }
}

const nothing = Buffer.alloc(0)

/** RFC 5802, section 7: `server-first-message` without extensions, which PostgreSQL has none of. */
function readServerFirst(text: string): { nonce: string; salt: Buffer; iterations: number } {
  const match = /^r=([\x21-\x2b\x2d-\x7e]{1,512}),s=([A-Za-z0-9+/]{1,1024}={0,2}),i=([1-9]\d{0,9})$/.exec(
    text,
  )
  if (match === null) throw new MalformedMessage('its SCRAM message is none')
  const [, nonce = '', salt = '', count = ''] = match
  const iterations = Number(count)
  if (iterations > maxIterations) throw new MalformedMessage(`${count} iterations of SCRAM are too many`)
  return { nonce, salt: Buffer.from(salt, 'base64'), iterations }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest()
}

/**
 * RFC 5929, section 4.1: the hash of the server's certificate, by the hash of its signature; MD5 and SHA-1 become SHA-256. Undefined
 * for signatures that name no hash (Ed25519), where PostgreSQL binds no channel either.
 */
export function serverEndPoint(certificate: X509Certificate): Buffer | undefined {
  const signature = (certificate.signatureAlgorithm ?? '').toLowerCase()
  const bits = /sha-?(1|224|256|384|512)\b|sha(1|224|256|384|512)with|md5/.exec(signature)
  if (bits === null) return undefined
  const name = bits[1] ?? bits[2] ?? '1'
  return createHash(name === '1' ? 'sha256' : `sha${name}`)
    .update(certificate.raw)
    .digest()
}
