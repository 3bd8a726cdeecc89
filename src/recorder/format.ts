import { crc32 } from 'node:zlib'
import { linkBytes } from '../chain.ts'
import { Fault } from '../errors.ts'

/** The recording format, version 1, as recordings/README.md specifies it. All numbers are big-endian. */

/** First eight bytes of every recording. The first is not ASCII and the last two are CR LF, so that a transfer as text shows. */
export const magic: Buffer = Buffer.from('\x89SPREC\r\n', 'latin1')
export const formatVersion = 1
/** Magic and u32 version. The header names the SHA-256 of these bytes as its predecessor. */
export const preambleBytes: number = magic.length + 4

/**
 * u32 body length, u8 kind, u8 flags, u16 check, 32-byte link. The check tells a damaged head, whose length would lead
 * anywhere, from a frame that a crash has cut.
 */
export const frameHeadBytes: number = 8 + linkBytes

export const frameKind = { header: 1, chunk: 2, head: 3, seal: 4, proof: 5 } as const
export type FrameKind = keyof typeof frameKind

/** Number, codec, cipher, reserved, first sequence, events, inflated length, first offset, last offset. */
export const chunkHeadBytes = 40
export const codec = { none: 0, zstd: 1 } as const
/** chunk: AES-256-GCM over the payload. events: events sealed one by one, as a crash has left them in the journal. */
export const cipher = { none: 0, chunk: 1, events: 2 } as const

/** A chunk closes at 64 KiB of data in the 32 KiB packets that SSH brings, with room for the heads of small events. */
export const chunkBytes: number = 68 * 1024
/** ... or at this age, so that a live reader is never further behind. */
export const chunkAgeMs = 1000
/** An event of text (a command, an environment variable) may be this long; longer data events are split. */
export const maxEventBytes: number = 1024 * 1024
/** Data events are split at this length, so that chunks stay small. */
export const maxDataBytes: number = 32 * 1024
/** What one chunk may inflate to: whatever it held, and one largest event. A reader's memory is bounded by it. */
export const maxInflatedBytes: number = chunkBytes + maxEventBytes

/** Upper bounds on bodies by kind. A length beyond its bound is a lie or damage, and nothing is allocated for it. */
const maxBodyBytes: Record<FrameKind, number> = {
  header: 256 * 1024, // labels of the target, and keys wrapped to many auditors
  chunk: chunkHeadBytes + maxInflatedBytes + 1024, // 1024: what a codec or a cipher adds at worst
  head: 4 * 1024,
  seal: 8 * 1024, // ends with a reason in words
  proof: 64 * 1024,
}

/** A signed frame ends with a raw Ed25519 signature. */
export const signatureBytes = 64

export function preamble(): Buffer {
  const bytes = Buffer.alloc(preambleBytes)
  magic.copy(bytes)
  bytes.writeUInt32BE(formatVersion, magic.length)
  return bytes
}

/** Throws a Fault RECORDING_FORMAT unless these are the first bytes of a recording that this version reads. */
export function checkPreamble(bytes: Buffer): void {
  if (bytes.length < preambleBytes || !bytes.subarray(0, magic.length).equals(magic)) {
    throw new FormatProblem(0, 0, 'this is not a Sallyport recording: its first bytes are others')
  }
  const version = bytes.readUInt32BE(magic.length)
  if (version !== formatVersion) {
    throw new FormatProblem(
      0,
      magic.length,
      `the format has version ${version} and this program reads ${formatVersion}: use a newer one`,
    )
  }
}

/** A frame's head: its body follows. */
export function frameHead(kind: FrameKind, bodyBytes: number, link: Buffer): Buffer {
  const head = Buffer.alloc(frameHeadBytes)
  head.writeUInt32BE(bodyBytes, 0)
  head.writeUInt8(frameKind[kind], 4)
  link.copy(head, 8)
  head.writeUInt16BE(checkOf(head), 6)
  return head
}

/** The low 16 bits of the CRC-32 over a frame's head without the check itself. */
function checkOf(head: Buffer): number {
  return crc32(head.subarray(8, frameHeadBytes), crc32(head.subarray(0, 6))) & 0xffff
}

export type FrameHead = { readonly kind: FrameKind; readonly bodyBytes: number; readonly link: Buffer }

/** Decodes and checks a frame's head; `record` and `offset` are for the message. */
export function readFrameHead(head: Buffer, record: number, offset: number): FrameHead {
  if (head.readUInt16BE(6) !== checkOf(head))
    throw new FormatProblem(record, offset, 'the head of the record is damaged')
  const kind = kindOf(head.readUInt8(4))
  if (kind === undefined) {
    throw new FormatProblem(
      record,
      offset,
      `frame kind ${head.readUInt8(4)} is unknown: use a newer version of Sallyport`,
    )
  }
  const flags = head.readUInt8(5)
  if (flags !== 0) {
    throw new FormatProblem(
      record,
      offset,
      `frame flags ${flags} are unknown: use a newer version of Sallyport`,
    )
  }
  const bodyBytes = head.readUInt32BE(0)
  if (bodyBytes > maxBodyBytes[kind]) {
    throw new FormatProblem(
      record,
      offset,
      `a ${kind} of ${bodyBytes} bytes exceeds its limit of ${maxBodyBytes[kind]}`,
    )
  }
  return { kind, bodyBytes, link: Buffer.from(head.subarray(8, frameHeadBytes)) }
}

function kindOf(code: number): FrameKind | undefined {
  for (const [name, value] of Object.entries(frameKind)) if (value === code) return name as FrameKind
  return undefined
}

export type ChunkHead = {
  readonly number: number
  readonly codec: number
  readonly cipher: number
  readonly firstSequence: number
  readonly events: number
  readonly inflatedBytes: number
  readonly firstUs: number
  readonly lastUs: number
}

export function chunkHead(chunk: ChunkHead): Buffer {
  const head = Buffer.alloc(chunkHeadBytes)
  head.writeUInt32BE(chunk.number, 0)
  head.writeUInt8(chunk.codec, 4)
  head.writeUInt8(chunk.cipher, 5)
  head.writeBigUInt64BE(BigInt(chunk.firstSequence), 8)
  head.writeUInt32BE(chunk.events, 16)
  head.writeUInt32BE(chunk.inflatedBytes, 20)
  head.writeBigUInt64BE(BigInt(chunk.firstUs), 24)
  head.writeBigUInt64BE(BigInt(chunk.lastUs), 32)
  return head
}

/** Decodes and checks a chunk's fixed fields. */
export function readChunkHead(body: Buffer, record: number, offset: number): ChunkHead {
  if (body.length < chunkHeadBytes)
    throw new FormatProblem(record, offset, 'a chunk is shorter than its own fields')
  const head: ChunkHead = {
    number: body.readUInt32BE(0),
    codec: body.readUInt8(4),
    cipher: body.readUInt8(5),
    firstSequence: safe(body.readBigUInt64BE(8)),
    events: body.readUInt32BE(16),
    inflatedBytes: body.readUInt32BE(20),
    firstUs: safe(body.readBigUInt64BE(24)),
    lastUs: safe(body.readBigUInt64BE(32)),
  }
  const problem = chunkHeadProblem(head, body.readUInt16BE(6))
  if (problem !== undefined) throw new FormatProblem(record, offset, problem)
  return head
}

function chunkHeadProblem(head: ChunkHead, reserved: number): string | undefined {
  if (head.codec !== codec.none && head.codec !== codec.zstd)
    return `codec ${head.codec} is unknown: use a newer version of Sallyport`
  if (head.cipher > cipher.events)
    return `cipher ${head.cipher} is unknown to this version: use a newer version of Sallyport`
  if (head.cipher === cipher.events && head.codec !== codec.none)
    return 'a chunk of events sealed one by one is said to be compressed'
  if (reserved !== 0)
    return 'a chunk uses a reserved field: use a newer version of Sallyport, or the file is damaged'
  if (head.inflatedBytes > maxInflatedBytes)
    return `a chunk of ${head.inflatedBytes} bytes exceeds its limit of ${maxInflatedBytes}`
  if (head.events === 0) return 'a chunk holds no events'
  return undefined
}

/** Beyond 2^53 a number would lose its last digits; no honest recording gets there. */
function safe(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.NaN : Number(value)
}

/** The file is not what the format says. `record` counts frames from 0 (the header), `offset` is in bytes. */
export class FormatProblem extends Fault {
  readonly record: number
  readonly offset: number
  readonly reason: string

  constructor(record: number, offset: number, reason: string, cause?: unknown) {
    super(
      'RECORDING_FORMAT',
      `Record ${record} at byte ${offset} cannot be read: ${reason}.`,
      cause === undefined ? {} : { cause },
    )
    this.record = record
    this.offset = offset
    this.reason = reason
  }
}
