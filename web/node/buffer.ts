/** The little of Node's Buffer that reading a recording needs, over the Uint8Array that it is. */
const decoders = new Map<string, TextDecoder>()

function decoder(encoding: string): TextDecoder {
  const known = decoders.get(encoding)
  if (known !== undefined) return known
  const made = new TextDecoder(encoding, { ignoreBOM: true })
  decoders.set(encoding, made)
  return made
}

export class Buffer extends Uint8Array {
  static override from(source: unknown, encoding: unknown = 'utf8', length?: number): Buffer {
    if (source instanceof ArrayBuffer && typeof encoding === 'number')
      return new Buffer(source, encoding, length)
    if (typeof source !== 'string') return new Buffer(source as ArrayBuffer)
    if (encoding === 'utf8') return new Buffer(new TextEncoder().encode(source))
    if (encoding === 'hex') return new Buffer(hexBytes(source))
    const characters = encoding === 'base64' ? atob(base64In(source)) : source
    return new Buffer(Uint8Array.from(characters, character => character.charCodeAt(0)))
  }

  /** Of a text in UTF-8. */
  static byteLength(text: string): number {
    return new TextEncoder().encode(text).length
  }

  /** Bytes that are no UTF-8 become U+FFFD, as Node's do. */
  override toString(encoding = 'utf8', start = 0, end = this.length): string {
    const bytes = this.subarray(start, end)
    if (encoding === 'base64') return btoa(this.toString('latin1', start, end))
    if (encoding === 'latin1') return Array.from(bytes, byte => String.fromCharCode(byte)).join('')
    return decoder(encoding).decode(bytes)
  }

  static concat(parts: readonly Uint8Array[]): Buffer {
    const all = new Buffer(parts.reduce((bytes, part) => bytes + part.length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }

  static alloc(bytes: number): Buffer {
    return new Buffer(bytes)
  }

  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, at) => byte === other[at])
  }

  readUInt8(at: number): number {
    return this.#view.getUint8(at)
  }

  readUInt16BE(at: number): number {
    return this.#view.getUint16(at)
  }

  readUInt32BE(at: number): number {
    return this.#view.getUint32(at)
  }

  readBigUInt64BE(at: number): bigint {
    return this.#view.getBigUint64(at)
  }

  readUIntBE(at: number, bytes: number): number {
    let value = 0
    for (let i = 0; i < bytes; i++) value = value * 256 + (this[at + i] ?? 0)
    return value
  }

  get #view(): DataView {
    return new DataView(this.buffer, this.byteOffset, this.byteLength)
  }
}

/** As Node takes it: also for addresses, without its padding, and nothing else in it counts. */
function base64In(text: string): string {
  const plain = text
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/=[^]*$/, '')
  const letters = plain.replaceAll(/[^A-Za-z0-9+/]/g, '')
  return letters.length % 4 === 1 ? letters.slice(0, -1) : letters
}

/** As Node takes it: until something is no pair of digits. */
function hexBytes(text: string): Uint8Array {
  const pairs = /^(?:[0-9a-f]{2})*/i.exec(text)?.[0].match(/../g) ?? []
  return Uint8Array.from(pairs, pair => Number.parseInt(pair, 16))
}

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

Object.assign(globalThis, { Buffer })
