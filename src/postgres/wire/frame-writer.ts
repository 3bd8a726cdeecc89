/** Makes frames: what the gateway itself says. What peers say is forwarded as it came. */

/** The length is an int32 and V8 takes less; nothing that we say comes near it. */
const maxFrameBytes = 0x3fff_ffff

/** Bytes of a String with its NUL. A NUL inside would begin the next field, so it is refused. */
export function cstring(text: string | Buffer): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text
  if (bytes.includes(0)) throw new TypeError('a string with a NUL cannot be said in the PostgreSQL protocol')
  return Buffer.concat([bytes, nul])
}
const nul = Buffer.alloc(1)

export function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeInt16BE(value)
  return bytes
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Int32 length and the bytes; null is -1. */
export function value(bytes: Uint8Array | null): Buffer {
  return bytes === null ? int32(-1) : Buffer.concat([int32(bytes.length), bytes])
}

/** Type byte, length, body. */
export function frame(type: number, ...parts: readonly Uint8Array[]): Buffer {
  return assemble(type, parts)
}

/** Length and body: how the first message of a connection looks. */
export function untypedFrame(...parts: readonly Uint8Array[]): Buffer {
  return assemble(undefined, parts)
}

function assemble(type: number | undefined, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  if (length > maxFrameBytes) throw new TypeError(`a message of ${length} bytes is too long to be said`)
  const head = type === undefined ? [] : [Buffer.of(type)]
  return Buffer.concat([...head, uint32(length), ...parts])
}
