/** Distinguished encoding (X.690, section 10) of the few types that a certificate is made of. */

/** Identifier octets: class, constructed bit and number. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** `[n]`, explicit, as in TBSCertificate. */
export function explicitTag(number: number): number {
  return 0xa0 | number
}

export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.of(tag), lengthOctets(content.length), content])
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  const hex = length.toString(16)
  const octets = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return Buffer.concat([Buffer.of(0x80 | octets.length), octets])
}

/** `2.5.29.15`; arcs may be larger than 2^53. */
export function derObjectIdentifier(dotted: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  return der(derTag.objectIdentifier, ...[first * 40n + second, ...rest].map(arc))
}

function arc(value: bigint): Buffer {
  const octets = [Number(value & 0x7fn)]
  for (let left = value >> 7n; left > 0n; left >>= 7n) octets.unshift(Number(left & 0x7fn) | 0x80)
  return Buffer.from(octets)
}

/** UTCTime until 2049, GeneralizedTime after it (RFC 5280, section 4.1.2.5). Whole seconds. */
export function derTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')
  const year = Number(digits.slice(0, 4))
  return year < 2050
    ? der(derTag.utcTime, Buffer.from(`${digits.slice(2)}Z`))
    : der(derTag.generalizedTime, Buffer.from(`${digits}Z`))
}

export type DerElement = {
  readonly tag: number
  readonly content: Buffer
  /** With identifier and length octets. */
  readonly whole: Buffer
}

/** What is no DER, or not what was expected there. */
export class MalformedDer extends Error {
  override readonly name = 'MalformedDer'
}

/** Reads elements front to back. Views, not copies. Throws MalformedDer. */
export class DerReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The next element, which must have this tag. */
  next(tag: number): DerElement {
    const element = this.any()
    if (element.tag !== tag) throw new MalformedDer(`tag ${element.tag} where ${tag} was expected`)
    return element
  }

  /** The next element if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return !this.atEnd && this.#bytes[this.#at] === tag ? this.any() : undefined
  }

  any(): DerElement {
    const start = this.#at
    const tag = this.#octet()
    if ((tag & 0x1f) === 0x1f) throw new MalformedDer('a tag of several octets')
    const length = this.#length()
    const from = this.#at
    if (length > this.#bytes.length - from) throw new MalformedDer('an element runs past the end')
    this.#at = from + length
    return {
      tag,
      content: this.#bytes.subarray(from, this.#at),
      whole: this.#bytes.subarray(start, this.#at),
    }
  }

  /** A sequence's elements, or those of another constructed type. */
  into(tag: number): DerReader {
    return new DerReader(this.next(tag).content)
  }

  end(): void {
    if (!this.atEnd) throw new MalformedDer('more than was expected')
  }

  #octet(): number {
    const octet = this.#bytes[this.#at]
    if (octet === undefined) throw new MalformedDer('it ends too early')
    this.#at += 1
    return octet
  }

  /** The shortest form only, and no more than 4 octets. */
  #length(): number {
    const first = this.#octet()
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 4) throw new MalformedDer('a length of no or too many octets')
    let length = 0
    for (let index = 0; index < count; index++) length = length * 256 + this.#octet()
    const shortest = length >= 0x80 && length >= 256 ** (count - 1)
    if (!shortest) throw new MalformedDer('a length that is not in its shortest form')
    return length
  }
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime as RFC 5280 writes them. Throws MalformedDer. */
export function readTime({ tag, content }: DerElement): number {
  const text = content.toString('latin1')
  const utc = tag === derTag.utcTime && /^\d{12}Z$/.test(text)
  const general = tag === derTag.generalizedTime && /^\d{14}Z$/.test(text)
  if (!utc && !general) throw new MalformedDer('a time in another form')
  const digits = utc ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text
  const iso = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  const ms = Date.parse(iso)
  if (Number.isNaN(ms)) throw new MalformedDer('a time that never is')
  return ms
}
