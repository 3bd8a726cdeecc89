import { createCipheriv, type KeyObject } from 'node:crypto'
import { chunkContext, type ContentKeys, eventContext, nonceOf, tagBytes, takeKey } from './content-keys.ts'

/** Seals what one recording holds, as long as it is written. It can open nothing, and after `forget` it can do nothing. */
export class Sealer {
  readonly #header: Uint8Array
  #chunks: KeyObject | undefined
  #events: KeyObject | undefined

  /** Takes the keys: their bytes are overwritten. */
  constructor(keys: ContentKeys) {
    this.#header = keys.header
    this.#chunks = takeKey(keys.chunks)
    this.#events = takeKey(keys.events)
  }

  /** Ciphertext and tag of an event's bytes; each number once. */
  event(sequence: number, bytes: Uint8Array): Buffer {
    return seal(this.#events, sequence, eventContext(this.#header), bytes)
  }

  /** Ciphertext and tag of a chunk's payload; each number once. `head` are its fixed fields as stored. */
  chunk(number: number, head: Uint8Array, payload: Uint8Array): Buffer {
    return seal(this.#chunks, number, chunkContext(this.#header, head), payload)
  }

  /** Lets go of the keys: what is sealed cannot be read here any more. */
  forget(): void {
    this.#chunks = undefined
    this.#events = undefined
  }
}

function seal(key: KeyObject | undefined, number: number, context: Uint8Array, bytes: Uint8Array): Buffer {
  if (key === undefined) throw new Error('the key of this recording is gone')
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number), { authTagLength: tagBytes })
  cipher.setAAD(context)
  const sealed = cipher.update(bytes)
  return Buffer.concat([sealed, cipher.final(), cipher.getAuthTag()])
}
