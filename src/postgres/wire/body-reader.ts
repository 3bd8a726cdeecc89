/**
 * The data types inside messages of protocol 3 ("Message Data Types"): Int8/16/32 in network order, String ended by NUL.
 * Whatever is read here came from a peer: every length is checked before it is believed.
 */
import { MalformedMessage } from './protocol-violation.ts'

/** Reads a body front to back. Bytes are views, not copies. */
export class BodyReader {
  readonly #body: Buffer
  #at = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  #take(count: number): number {
    const start = this.#at
    if (count > this.#body.length - start) throw new MalformedMessage('it ends too early')
    this.#at = start + count
    return start
  }

  byte(): number {
    return this.#body[this.#take(1)] ?? 0
  }

  /** Counts are unsigned, as `pq_getmsgint(…, 2)` reads them. */
  uint16(): number {
    return this.#body.readUInt16BE(this.#take(2))
  }

  int16(): number {
    return this.#body.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#body.readInt32BE(this.#take(4))
  }

  uint32(): number {
    return this.#body.readUInt32BE(this.#take(4))
  }

  /** The bytes of a String, without its NUL. */
  stringBytes(): Buffer {
    const start = this.#at
    const end = this.#body.indexOf(0, start)
    if (end === -1) throw new MalformedMessage('a string has no end')
    this.#at = end + 1
    return this.#body.subarray(start, end)
  }

  /** A String with one character a byte, so that two are equal only if their bytes are. */
  name(): string {
    const start = this.#at
    if (this.#body[start] === 0) {
      this.#at = start + 1
      return ''
    }
    return this.stringBytes().toString('latin1')
  }

  /** A String for reading; what is not UTF-8 shows as U+FFFD. */
  text(): string {
    return this.stringBytes().toString('utf8')
  }

  /** Int32 length and so many bytes; -1 is NULL, other negative lengths are nothing. */
  value(): Buffer | null {
    const length = this.int32()
    if (length === -1) return null
    if (length < 0) throw new MalformedMessage(`a value of ${length} bytes`)
    const start = this.#take(length)
    return this.#body.subarray(start, start + length)
  }

  rest(): Buffer {
    const start = this.#at
    this.#at = this.#body.length
    return this.#body.subarray(start)
  }

  get remaining(): number {
    return this.#body.length - this.#at
  }

  /** Call after the last field: bytes that nobody would look at are refused, as the server refuses them. */
  end(): void {
    if (this.remaining !== 0) throw new MalformedMessage(`${this.remaining} bytes too many`)
  }
}

/** A name for people to read. */
export function textOfName(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}

/** `NAMEDATALEN` - 1. */
const nameBytes = 63

/** What the server looks prepared statements and portals up by: it compares no more than 63 bytes of a name. */
export function nameKey(name: string): string {
  return name.length <= nameBytes ? name : name.slice(0, nameBytes)
}
