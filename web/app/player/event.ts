/** What a recording says happened, as the player reads it. */
import { decompress } from 'fzstd'

/** `atMs` counts from the opening, with fractions. */
export type PlayEvent =
  | {
      readonly kind: 'data'
      readonly atMs: number
      readonly channel: number
      readonly stream: 'output' | 'error-output' | 'input'
      readonly data: Uint8Array
    }
  | {
      readonly kind: 'size'
      readonly atMs: number
      readonly channel: number
      readonly columns: number
      readonly rows: number
    }
  | {
      readonly kind: 'told'
      readonly atMs: number
      readonly channel: number | undefined
      readonly type: string
      readonly fields: Readonly<Record<string, unknown>>
    }

export type DecodedChunk = { readonly number: number; readonly events: readonly PlayEvent[] }

/** recordings/README.md, version 1: u32 body length, u8 kind, u8 flags, u16 check, 32-byte link. */
const frameHeadBytes = 40
const chunkFrame = 2
/** Number, codec, cipher, reserved, first sequence, events, inflated length, first and last offset. */
const chunkHeadBytes = 40
const zstd = 1
/** What one chunk may inflate to, as the recorder has it. */
const maxInflatedBytes = 68 * 1024 + 1024 * 1024
const streams = { 1: 'output', 2: 'error-output', 3: 'input' } as const

/** The chunks among consecutive frames of a recording, in clear. Throws with a sentence for whoever watches. */
export function decodeFrames(bytes: Uint8Array): DecodedChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const chunks: DecodedChunk[] = []
  for (let at = 0; bytes.length - at >= frameHeadBytes; ) {
    const bodyBytes = view.getUint32(at)
    const body = bytes.subarray(at + frameHeadBytes, at + frameHeadBytes + bodyBytes)
    if (body.length < bodyBytes) throw new Error('A part of the recording is cut.')
    if (view.getUint8(at + 4) === chunkFrame) chunks.push(decodeChunk(body))
    at += frameHeadBytes + bodyBytes
  }
  return chunks
}

function decodeChunk(body: Uint8Array): DecodedChunk {
  if (body.length < chunkHeadBytes) throw new Error('A part of the recording is shorter than its head.')
  const head = new DataView(body.buffer, body.byteOffset, chunkHeadBytes)
  if (head.getUint8(5) !== 0) throw new Error('This part of the recording is encrypted.')
  const inflated = head.getUint32(20)
  if (inflated > maxInflatedBytes) throw new Error('A part of the recording is larger than its limit.')
  const payload = body.subarray(chunkHeadBytes)
  const bytes =
    head.getUint8(4) === zstd
      ? orDamaged(() => decompress(payload, new Uint8Array(inflated)))
      : payload.slice()
  if (bytes.length !== inflated) throw new Error('A part of the recording is not as long as it says.')
  return { number: head.getUint32(0), events: [...decodeEvents(bytes)] }
}

/** u32 length, u8 type, u48 microseconds; then of data the u32 channel and its bytes, of all else JSON. */
function* decodeEvents(bytes: Uint8Array): Generator<PlayEvent> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.length - at < 11 ? 0 : view.getUint32(at)
    if (length < 7 || length > bytes.length - at - 4) throw new Error('A part of the recording is damaged.')
    const type = view.getUint8(at + 4)
    const atMs = (view.getUint16(at + 5) * 2 ** 32 + view.getUint32(at + 7)) / 1000
    const rest = bytes.subarray(at + 11, at + 4 + length)
    const stream = streams[type as keyof typeof streams]
    if (stream !== undefined && rest.length < 4) throw new Error('A part of the recording is damaged.')
    if (stream === undefined)
      yield toldEvent(
        atMs,
        orDamaged(() => JSON.parse(new TextDecoder().decode(rest)) as object),
      )
    else yield { kind: 'data', atMs, channel: view.getUint32(at + 11), stream, data: rest.subarray(4) }
    at += 4 + length
  }
}

/** What inflates and parses throws in words of its own. */
function orDamaged<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Error('A part of the recording is damaged.', { cause })
  }
}

/** An event that is told as JSON. Sizes of terminals are all that plays of them. */
export function toldEvent(atMs: number, object: object): PlayEvent {
  const fields = object as Readonly<Record<string, unknown>>
  const { type, channel, columns, rows } = fields as {
    type?: unknown
    channel?: unknown
    columns?: unknown
    rows?: unknown
  }
  const number = typeof channel === 'number' ? channel : undefined
  if ((type === 'pty' || type === 'resize') && number !== undefined)
    return { kind: 'size', atMs, channel: number, columns: sizeOf(columns, 80), rows: sizeOf(rows, 24) }
  return { kind: 'told', atMs, channel: number, type: String(type), fields }
}

/** Clients say any size; larger ones than this nobody has, and a browser would be busy with them for minutes. */
function sizeOf(said: unknown, otherwise: number): number {
  return typeof said === 'number' && said >= 1 ? Math.min(1000, Math.floor(said)) : otherwise
}
