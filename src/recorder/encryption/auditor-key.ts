import { readFileSync } from 'node:fs'
import { compactDecrypt, CompactEncrypt, generalDecrypt, importJWK, type JWK } from 'jose'
import { parseAuditorKey } from '../../config/auditor-key.ts'
import { Fault, reasonOf } from '../../errors.ts'
import { FormatProblem } from '../format.ts'
import { FrameReader } from '../frames.ts'
import { readHeader } from '../header.ts'
import { type ContentKeys, contentKeysOf, dataKeyBytes } from './content-keys.ts'
import { type EncryptionHeader, wrapping } from './recording-key.ts'

/** The private half of an auditor's key: it opens the recordings that were encrypted to it. */
export type AuditorKey = { readonly kid: string; readonly jwk: JWK }

/** RFC 7518: the key of a passphrase. */
const locking = { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM' } as const
/** Rounds of PBKDF2 with SHA-512: half a second, for whoever guesses too. Files that ask for many more are not ours. */
const rounds = 600_000
const maxRounds = 10_000_000

/** A private JWK that nobody can use who does not know the passphrase. */
export async function lockKey(jwk: object, passphrase: string): Promise<string> {
  return new CompactEncrypt(Buffer.from(JSON.stringify(jwk)))
    .setProtectedHeader({ ...locking, cty: 'jwk+json' })
    .setKeyManagementParameters({ p2c: rounds })
    .encrypt(Buffer.from(passphrase))
}

/**
 * Reads a private JWK; `askPassphrase` is asked if it is locked with one. Rejects with a Fault KEY_UNUSABLE that says nothing of what is in
 * the file.
 */
export async function readAuditorKeyFile(
  file: string,
  askPassphrase: (file: string) => Promise<string>,
): Promise<AuditorKey> {
  const text = readText(file).trim()
  return parsePrivateKey(isLocked(text) ? await unlockKey(text, file, await askPassphrase(file)) : text, file)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = `The auditor's key ${file} cannot be read: ${reasonOf(cause)}.`
    throw new Fault('KEY_UNUSABLE', why, { cause })
  }
}

/** A JWE in compact form, of five parts. */
function isLocked(text: string): boolean {
  return /^[\w-]+(\.[\w-]+){4}$/.test(text)
}

async function unlockKey(text: string, file: string, passphrase: string): Promise<string> {
  try {
    const { plaintext } = await compactDecrypt(text, Buffer.from(passphrase), {
      keyManagementAlgorithms: [locking.alg],
      contentEncryptionAlgorithms: [locking.enc],
      maxPBES2Count: maxRounds,
    })
    return Buffer.from(plaintext).toString()
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `This passphrase does not open ${file}.`, { cause })
  }
}

function parsePrivateKey(text: string, file: string): AuditorKey {
  let fields: Record<string, unknown> = {}
  try {
    fields = { ...(JSON.parse(text) as Record<string, unknown>) }
  } catch {
    // no key
  }
  const { d, ...rest } = fields
  const parsed = parseAuditorKey(JSON.stringify(rest))
  if (parsed.ok && typeof d === 'string') return { kid: parsed.value.kid, jwk: { ...parsed.value.jwk, d } }
  const why = parsed.ok
    ? 'It is the public half, which opens nothing'
    : 'It is no private key of P-256 or X25519 as a JWK'
  throw new Fault('KEY_UNUSABLE', `${file} does not open recordings. ${why}.`)
}

/** Who a recording was encrypted to, as the thumbprints that its header gives. */
export function recipientsOf({ key }: EncryptionHeader): readonly string[] {
  return key.recipients.map(({ header }) => {
    const kid: unknown = header?.kid
    return typeof kid === 'string' && /^[A-Za-z0-9_-]{43}$/.test(kid) ? kid : '(a key without its thumbprint)'
  })
}

/**
 * What opens a recording's content; undefined if it was never encrypted. Throws a Fault RECORDING_ENCRYPTED if none of the keys is
 * of a recipient, and RECORDING_FORMAT where the file is not what it should be.
 */
export async function unlock(file: string, keys: readonly AuditorKey[]): Promise<ContentKeys | undefined> {
  const { encryption, link } = startOf(file)
  if (encryption === null) return undefined
  for (const { kid, jwk } of keys) {
    if (!recipientsOf(encryption).includes(kid)) continue
    const dataKey = await unwrap(encryption, jwk)
    if (dataKey !== undefined) return contentKeysOf(dataKey, link)
  }
  throw encrypted(encryption, keys)
}

function startOf(file: string): { encryption: EncryptionHeader | null; link: Buffer } {
  const frames = new FrameReader(file)
  try {
    const frame = frames.next()
    if (frame === undefined) throw new FormatProblem(0, 0, 'the header is cut')
    const header = readHeader(frame.body)
    if (typeof header === 'string') throw new FormatProblem(0, frame.offset, header)
    return { encryption: header.encryption, link: frame.link }
  } finally {
    frames.close()
  }
}

async function unwrap({ key }: EncryptionHeader, jwk: JWK): Promise<Uint8Array | undefined> {
  try {
    const { plaintext } = await generalDecrypt(key, await importJWK(jwk, wrapping.alg), {
      keyManagementAlgorithms: [wrapping.alg],
      contentEncryptionAlgorithms: [wrapping.enc],
    })
    return plaintext.length === dataKeyBytes ? plaintext : undefined
  } catch {
    return undefined // another key may open it; if none does, that is what is said
  }
}

/** Whoever lacks the key reads to whom the recording was encrypted, and what to give. */
export function encrypted(encryption: EncryptionHeader, keys: readonly AuditorKey[] = []): Fault {
  const recipients = recipientsOf(encryption).join(', ')
  const given =
    keys.length === 0
      ? 'Give the private key of one of them: --auditor-key FILE'
      : 'None of the keys given opens it'
  return new Fault(
    'RECORDING_ENCRYPTED',
    `This recording is encrypted to the auditors' keys ${recipients}. ${given}.`,
  )
}
