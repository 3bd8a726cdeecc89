/**
 * Decodes UTF-8 that comes in pieces: what is read is the same wherever it was cut. Bytes that are none become U+FFFD, as many as
 * the Unicode Standard (3.9, U+FFFD Substitution of Maximal Subparts) says.
 */
export class Utf8Stream {
  /** The beginning of a character, up to three bytes. */
  #begun: Buffer = Buffer.alloc(0)

  /** Whether the last character has not come whole. */
  get isWithinCharacter(): boolean {
    return this.#begun.length > 0
  }

  /** All characters that are whole by now. */
  decode(data: Uint8Array): string {
    const bytes =
      this.#begun.length === 0
        ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
        : Buffer.concat([this.#begun, data])
    const whole = bytes.length - begunLength(bytes)
    this.#begun = Buffer.from(bytes.subarray(whole))
    return bytes.toString('utf8', 0, whole)
  }
}

/** How many bytes at the end may be the beginning of a character. */
function begunLength(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const at = bytes.length - length
    const byte = bytes[at] ?? 0
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return mayGoOn(byte, length, bytes[at + 1]) ? length : 0
  }
  return 0
}

/** Whether `length` bytes that begin with `first` are too few, and good as far as they go (Unicode 3.9, table 3-7). */
function mayGoOn(first: number, length: number, second: number | undefined): boolean {
  if (first < 0xc2 || first > 0xf4 || length >= lengthOf(first)) return false
  if (second === undefined) return true
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  return second >= lowest && second <= highest
}

function lengthOf(first: number): number {
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
}
