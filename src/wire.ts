/**
 * The data types of the SSH protocol (RFC 4251, section 5), for messages and for certificates.
 * Whatever is read here came from a peer: every length is checked before it is believed.
 */
import { Fault } from './errors.ts'

/** Raised when a peer's bytes do not hold what they must. */
function malformed(what: string): Fault {
  return new Fault('SSH_PROTOCOL', 'The other side sent a malformed SSH message.', {
    log: `malformed SSH data: ${what}`,
  })
}

/** Reads a buffer front to back. Strings are views, not copies. */
export class WireReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  #take(count: number, what: string): number {
    const start = this.#at
    if (count > this.#bytes.length - start) throw malformed(`${what} runs past the end`)
    this.#at = start + count
    return start
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(1, 'byte'))
  }

  boolean(): boolean {
    return this.byte() !== 0
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4, 'uint32'))
  }

  uint64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8, 'uint64'))
  }

  string(): Buffer {
    const length = this.uint32()
    const start = this.#take(length, 'string')
    return this.#bytes.subarray(start, start + length)
  }

  /** A string that must be valid UTF-8 (names, user names, descriptions). */
  text(): string {
    const bytes = this.string()
    const text = bytes.toString('utf8')
    if (text.includes('\ufffd') && !Buffer.from(text, 'utf8').equals(bytes))
      throw malformed('text is not UTF-8')
    return text
  }

  rest(): Buffer {
    const start = this.#at
    this.#at = this.#bytes.length
    return this.#bytes.subarray(start)
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** Call after the last field: bytes that nobody would look at are refused. */
  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} bytes too many`)
  }
}

export function byte(value: number): Buffer {
  return Buffer.from([value])
}

export function boolean(value: boolean): Buffer {
  return Buffer.from([value ? 1 : 0])
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

export function string(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
  return Buffer.concat([uint32(bytes.length), bytes])
}

export function nameList(names: readonly string[]): Buffer {
  return string(names.join(','))
}
