import { createCipheriv, type KeyObject } from 'node:crypto'
import { chunkContext, type ContentKeys, eventContext, nonceOf, tagBytes, takeKey } from './content-keys.ts'

/** What was sealed, in the pieces that the cipher gave: to join them would cost as much as to seal them. */
export type Sealed = { readonly near: Buffer; readonly far: Buffer | undefined; readonly tag: Buffer }

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

  /** Seals an event's bytes, which are `near` and then `far`; each number once. */
  event(sequence: number, near: Uint8Array, far?: Uint8Array): Sealed {
    return seal(this.#events, sequence, eventContext(this.#header), near, far)
  }

  /** Seals a chunk's payload; each number once. `head` are its fixed fields as stored. */
  chunk(number: number, head: Uint8Array, payload: Uint8Array): Sealed {
    return seal(this.#chunks, number, chunkContext(this.#header, head), payload, undefined)
  }

  /** Lets go of the keys: what is sealed cannot be read here any more. */
  forget(): void {
    this.#chunks = undefined
    this.#events = undefined
  }
}

function seal(
  key: KeyObject | undefined,
  number: number,
  context: Uint8Array,
  near: Uint8Array,
  far: Uint8Array | undefined,
): Sealed {
  if (key === undefined) throw new Error('the key of this recording is gone')
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number), { authTagLength: tagBytes })
  cipher.setAAD(context)
  const sealed = { near: cipher.update(near), far: far === undefined ? undefined : cipher.update(far) }
  cipher.final() // of this mode nothing is left over
  return { ...sealed, tag: cipher.getAuthTag() }
}
