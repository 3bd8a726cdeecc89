import { readFileSync } from 'node:fs'
import { generalDecrypt, importJWK, type JWK } from 'jose'
import { parseAuditorKey } from '../../config/auditor-key.ts'
import { Fault, reasonOf } from '../../errors.ts'
import { FormatProblem } from '../format.ts'
import { FrameReader } from '../frames.ts'
import { readHeader } from '../header.ts'
import { type ContentKeys, contentKeysOf, dataKeyBytes } from './content-keys.ts'
import { type EncryptionHeader, wrapping } from './recording-key.ts'

/** The private half of an auditor's key: it opens the recordings that were encrypted to it. */
export type AuditorKey = { readonly kid: string; readonly jwk: JWK }

/** Reads a private JWK. Throws a Fault KEY_UNUSABLE that says nothing of what is in the file. */
export function readAuditorKeyFile(file: string): AuditorKey {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `The auditor's key ${file} cannot be read: ${reasonOf(cause)}.`, {
      cause,
    })
  }
  return parsePrivateKey(text, file)
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
