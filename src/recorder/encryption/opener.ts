import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { chunkContext, type ContentKeys, eventContext, nonceOf, tagBytes } from './content-keys.ts'

/** Opens what a Sealer of the same keys has sealed, and throws where a single bit of it, or of what is bound in, is another. */
export class Opener {
  readonly #header: Uint8Array
  readonly #chunks: KeyObject
  readonly #events: KeyObject

  constructor(keys: ContentKeys) {
    this.#header = keys.header
    this.#chunks = createSecretKey(keys.chunks)
    this.#events = createSecretKey(keys.events)
  }

  event(sequence: number, sealed: Buffer): Buffer {
    return open(this.#events, sequence, eventContext(this.#header), sealed)
  }

  chunk(number: number, head: Uint8Array, sealed: Buffer): Buffer {
    return open(this.#chunks, number, chunkContext(this.#header, head), sealed)
  }
}

function open(key: KeyObject, number: number, context: Uint8Array, sealed: Buffer): Buffer {
  if (sealed.length < tagBytes) throw new Error('it is shorter than its tag')
  const end = sealed.length - tagBytes
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number), { authTagLength: tagBytes })
  decipher.setAAD(context)
  decipher.setAuthTag(sealed.subarray(end))
  const bytes = decipher.update(sealed.subarray(0, end))
  try {
    return Buffer.concat([bytes, decipher.final()])
  } catch (cause) {
    throw new Error('its tag is wrong: it was changed, or sealed with another key', { cause })
  }
}
