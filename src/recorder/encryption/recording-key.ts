import { randomBytes } from 'node:crypto'
import { GeneralEncrypt, type GeneralJWE, importJWK } from 'jose'
import type { AuditorPublicKey } from '../../config/auditor-key.ts'
import { type ContentKeys, contentKeysOf, dataKeyBytes } from './content-keys.ts'
import { Sealer } from './sealer.ts'

/** RFC 7518: an ephemeral key for each recipient wraps the key that encrypts the recording's key. */
export const wrapping = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM' } as const

/** What the header of an encrypted recording says of it. */
export type EncryptionHeader = {
  readonly algorithm: 'AES-256-GCM'
  /** The recording's key as JWE in its general JSON form (RFC 7516), for each recipient. */
  readonly key: GeneralJWE
}

/** The key of a recording that is not open yet, wrapped to everybody who is to read it. Used once. */
class RecordingKey {
  readonly #issued = true
  readonly header: EncryptionHeader
  #dataKey: Buffer | undefined

  constructor(dataKey: Buffer, key: GeneralJWE) {
    this.#dataKey = dataKey
    this.header = { algorithm: 'AES-256-GCM', key }
  }

  static is(value: object): value is RecordingKey {
    return #issued in value
  }

  /**
   * Seals the content of the recording whose header frame has this link. The key itself is gone then. `share` gets copies of what opens it: for
   * whoever reads it while it is written.
   */
  sealer(headerLink: Uint8Array, share?: (keys: ContentKeys) => void): Sealer {
    const dataKey = this.#dataKey
    if (dataKey === undefined) throw new Error('the key of a recording was used already')
    this.#dataKey = undefined
    const keys = contentKeysOf(dataKey, headerLink)
    dataKey.fill(0)
    share?.({
      chunks: Uint8Array.from(keys.chunks),
      events: Uint8Array.from(keys.events),
      header: Uint8Array.from(keys.header),
    })
    return new Sealer(keys)
  }
}
export type { RecordingKey }

/** A new key, wrapped to at least one recipient. Half a millisecond of CPU for each. */
export async function newRecordingKey(recipients: readonly AuditorPublicKey[]): Promise<RecordingKey> {
  const dataKey = randomBytes(dataKeyBytes)
  const encrypt = new GeneralEncrypt(dataKey).setProtectedHeader({ enc: wrapping.enc })
  for (const { kid, jwk } of recipients)
    encrypt
      .addRecipient(await importJWK({ ...jwk }, wrapping.alg))
      .setUnprotectedHeader({ alg: wrapping.alg, kid })
  return new RecordingKey(dataKey, await encrypt.encrypt())
}
