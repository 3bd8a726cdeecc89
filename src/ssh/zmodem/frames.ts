/**
 * The frames of ZMODEM (Chuck Forsberg, "The ZMODEM Inter Application File Transfer Protocol", 1988), found in one direction of a
 * terminal's stream. A header counts only if its check sum is right, so that a file that merely looks like one begins nothing.
 */
import { crc32 } from 'node:zlib'

/** Section 11 of the protocol. */
export const frameType = {
  receiveInvitation: 0,
  receiverReady: 1,
  senderOptions: 2,
  acknowledgement: 3,
  file: 4,
  skip: 5,
  notAcknowledged: 6,
  abort: 7,
  finish: 8,
  position: 9,
  data: 10,
  endOfFile: 11,
  readError: 12,
  checkSum: 13,
  challenge: 14,
  completed: 15,
  cancel: 16,
  freeBytes: 17,
  command: 18,
  standardError: 19,
} as const

export type Piece =
  /** Bytes that belong to no frame. */
  | { readonly is: 'outside'; readonly bytes: Buffer }
  /** `position`: its four bytes, least significant first; what they mean is the type's affair. */
  | { readonly is: 'header'; readonly type: number; readonly position: number }
  /** What a frame carries, with its check sum right. */
  | { readonly is: 'data'; readonly bytes: Buffer }
  /** Began like a frame, and was none: the bytes as they passed. */
  | { readonly is: 'broken'; readonly bytes: Buffer }
  | { readonly is: 'cancel' }

const pad = 0x2a
const escape = 0x18
/** Five in a row end a transfer (section 7.3). */
const cancelLength = 5
/** Sent eight times or more, with as many backspaces so that a shell has nothing on its line (lrzsz's canit). */
export const cancelSequence: Buffer = Buffer.from([...Array(10).fill(escape), ...Array(10).fill(0x08)])

const form = { hex: 0x42, binary: 0x41, binary32: 0x43 } as const
/** Type, four bytes and a check sum of two, each as two hexadecimal digits. */
const hexDigits = 14

/** Of a data subpacket: 1024 in the protocol, 8192 where both ends agree; more is none. */
export const maxSubpacketBytes: number = 8192
/** Each byte may be escaped, and a check sum follows. */
const maxRawBytes = 2 * (maxSubpacketBytes + 16)

/** What ends a subpacket (section 9): h, i, j, k; the first and the last end its frame too. */
const subpacketEnds = new Set([0x68, 0x69, 0x6a, 0x6b])
const frameEnds = new Set([0x68, 0x6b])

/** Frames that data follows. */
const carriers: ReadonlySet<number> = new Set([
  frameType.senderOptions,
  frameType.file,
  frameType.data,
  frameType.command,
  frameType.standardError,
])

/** Flow control that may stand between any two bytes (section 7.2). */
function isFlowControl(byte: number): boolean {
  return (byte & 0x7f) === 0x11 || (byte & 0x7f) === 0x13
}

/** CR and LF, with or without a parity bit (section 7.3). */
export function isLineEnd(byte: number): boolean {
  return (byte & 0x7f) === 0x0d || (byte & 0x7f) === 0x0a
}

/** A line end and XON behind a header in hexadecimal. */
const maxTrailerBytes = 3

type State = 'search' | 'form' | 'hex' | 'trailer' | 'header' | 'data' | 'data-check'

/** Finds the frames of one direction. Memory: one frame. */
export class FrameReader {
  #state: State = 'search'
  /** Check sums of four bytes instead of two. */
  #isWide = false
  #isEscaped = false
  /** Escapes in a row. */
  #escapes = 0
  #last = 0
  /** The bytes of the frame as they passed ... */
  #raw: Buffer = Buffer.alloc(512)
  #rawLength = 0
  /** ... and as they are meant, with what ends a subpacket and the check sum behind them. */
  #meant: Buffer = Buffer.alloc(64)
  #meantLength = 0
  /** Bytes of a subpacket that its check sum is still to bring. */
  #checkLeft = 0
  #endsFrame = false
  /** A header in hexadecimal ends like a line, before what it carries too. */
  #skipsLineEnd = false
  #trailerLeft = 0

  /** Takes the next bytes of the stream. Pieces are in their order; `outside` refers to the bytes given. */
  take(data: Buffer): readonly Piece[] {
    const pieces: Piece[] = []
    for (let at = 0; at < data.length; ) {
      if (this.#state === 'trailer') at += this.#trailer(data[at] ?? 0)
      else if (this.#state === 'search') at = this.#search(data, at, pieces)
      else this.#step(data[at++] ?? 0, pieces)
    }
    return pieces
  }

  /** What came of a frame that will not be ended any more. */
  end(): readonly Piece[] {
    const pieces: Piece[] = []
    if (this.#state !== 'search' && this.#state !== 'trailer') this.#break(pieces)
    return pieces
  }

  /** Takes bytes that belong to no frame, up to an escape, and that. */
  #search(data: Buffer, at: number, pieces: Piece[]): number {
    const found = data.indexOf(escape, at)
    const end = found === -1 ? data.length : found
    const before = end > at ? data[end - 1] : this.#last
    if (end > at) this.#escapes = 0
    if (found !== -1 && before === pad) {
      let from = end
      while (from > at && data[from - 1] === pad) from--
      if (from > at) pieces.push({ is: 'outside', bytes: data.subarray(at, from) })
      this.#begin('form', data.subarray(from, end + 1))
      return end + 1
    }
    const next = found === -1 ? end : end + 1
    pieces.push({ is: 'outside', bytes: data.subarray(at, next) })
    this.#last = data[next - 1] ?? 0
    if (found !== -1) this.#countEscape(pieces)
    return next
  }

  /** How many of the bytes belong to the end of a header: one or none. */
  #trailer(byte: number): 0 | 1 {
    const isPart = this.#trailerLeft > 0 && (isLineEnd(byte) || byte === 0x11)
    this.#trailerLeft--
    if (!isPart) this.#toSearch()
    return isPart ? 1 : 0
  }

  #begin(state: State, raw: Buffer): void {
    this.#state = state
    this.#isEscaped = false
    this.#escapes = 1
    this.#rawLength = 0
    this.#meantLength = 0
    for (const byte of raw) this.#keepRaw(byte)
  }

  #countEscape(pieces: Piece[]): void {
    if (++this.#escapes !== cancelLength) return
    if (this.#state !== 'search') this.#break(pieces)
    pieces.push({ is: 'cancel' })
  }

  #step(byte: number, pieces: Piece[]): void {
    this.#keepRaw(byte)
    if (byte === escape) this.#countEscape(pieces)
    else this.#escapes = 0
    if (this.#state === 'form') this.#takeForm(byte, pieces)
    else if (this.#state === 'hex') this.#takeDigit(byte, pieces)
    else if (this.#state !== 'search') this.#takeEscaped(byte, pieces)
    if (this.#rawLength > maxRawBytes) this.#break(pieces)
  }

  #takeForm(byte: number, pieces: Piece[]): void {
    if (byte === escape) return // five of them cancel
    this.#isWide = byte === form.binary32
    if (byte === form.hex) this.#state = 'hex'
    else if (byte === form.binary || this.#isWide) this.#state = 'header'
    else this.#break(pieces)
  }

  #takeDigit(byte: number, pieces: Piece[]): void {
    const isDigit = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66)
    if (!isDigit) return this.#break(pieces)
    this.#keepMeant(byte)
    if (this.#meantLength < hexDigits) return
    const bytes = Buffer.from(this.#meant.subarray(0, hexDigits).toString('latin1'), 'hex')
    this.#header(bytes, pieces)
  }

  /** Bytes in binary: escapes are resolved, flow control is left out. */
  #takeEscaped(byte: number, pieces: Piece[]): void {
    if (isFlowControl(byte)) return
    if (!this.#isEscaped && byte === escape) {
      this.#isEscaped = true
      this.#skipsLineEnd = false
      return
    }
    if (this.#skipsLineEnd && isLineEnd(byte)) return
    this.#skipsLineEnd = false
    if (!this.#isEscaped) return this.#takeByte(byte, pieces)
    if (byte === escape) return // of a cancel
    this.#isEscaped = false
    if (this.#state === 'data' && subpacketEnds.has(byte)) return this.#endSubpacket(byte)
    const meant = unescaped(byte)
    if (meant === undefined) this.#break(pieces)
    else this.#takeByte(meant, pieces)
  }

  #takeByte(byte: number, pieces: Piece[]): void {
    this.#keepMeant(byte)
    if (this.#state === 'header') {
      if (this.#meantLength === 5 + this.#checkBytes)
        this.#header(this.#meant.subarray(0, this.#meantLength), pieces)
    } else if (this.#state === 'data-check' && --this.#checkLeft === 0) this.#subpacket(pieces)
    else if (this.#state === 'data' && this.#meantLength > maxSubpacketBytes) this.#break(pieces)
  }

  get #checkBytes(): number {
    return this.#isWide ? 4 : 2
  }

  #endSubpacket(end: number): void {
    this.#keepMeant(end)
    this.#endsFrame = frameEnds.has(end)
    this.#state = 'data-check'
    this.#checkLeft = this.#checkBytes
  }

  #header(bytes: Buffer, pieces: Piece[]): void {
    const checkBytes = bytes.length - 5
    if (!isChecked(bytes, checkBytes)) return this.#break(pieces)
    const type = bytes[0] ?? 0
    const isHex = this.#state === 'hex'
    this.#skipsLineEnd = isHex
    pieces.push({ is: 'header', type, position: bytes.readUInt32LE(1) })
    if (carriers.has(type)) this.#nextSubpacket()
    else if (isHex) this.#toTrailer()
    else this.#toSearch()
  }

  #subpacket(pieces: Piece[]): void {
    const all = this.#meant.subarray(0, this.#meantLength)
    if (!isChecked(all, this.#checkBytes)) return this.#break(pieces)
    pieces.push({ is: 'data', bytes: Buffer.from(all.subarray(0, all.length - this.#checkBytes - 1)) })
    if (this.#endsFrame) this.#toSearch()
    else this.#nextSubpacket()
  }

  #nextSubpacket(): void {
    this.#begin('data', Buffer.alloc(0))
    this.#escapes = 0
  }

  #toTrailer(): void {
    this.#state = 'trailer'
    this.#trailerLeft = maxTrailerBytes
  }

  #toSearch(): void {
    this.#state = 'search'
    this.#last = 0
  }

  #break(pieces: Piece[]): void {
    pieces.push({ is: 'broken', bytes: Buffer.from(this.#raw.subarray(0, this.#rawLength)) })
    this.#toSearch()
  }

  #keepRaw(byte: number): void {
    if (this.#rawLength === this.#raw.length) this.#raw = doubled(this.#raw)
    this.#raw[this.#rawLength++] = byte
  }

  #keepMeant(byte: number): void {
    if (this.#meantLength === this.#meant.length) this.#meant = doubled(this.#meant)
    this.#meant[this.#meantLength++] = byte
  }
}

function doubled(bytes: Buffer): Buffer {
  const larger = Buffer.alloc(2 * bytes.length)
  bytes.copy(larger)
  return larger
}

/** Section 7.2: l and m stand for bytes that some lines do not carry, all else has its sixth bit turned. */
function unescaped(byte: number): number | undefined {
  if (byte === 0x6c) return 0x7f
  if (byte === 0x6d) return 0xff
  return (byte & 0x60) === 0x40 ? byte ^ 0x40 : undefined
}

/** Whether the last bytes are the check sum of those before: CRC-16 (most significant byte first) or CRC-32 (least). */
function isChecked(bytes: Buffer, checkBytes: number): boolean {
  const body = bytes.subarray(0, bytes.length - checkBytes)
  return checkBytes === 4
    ? crc32(body) === bytes.readUInt32LE(body.length)
    : crc16(body) === bytes.readUInt16BE(body.length)
}

const crc16Table: Uint16Array = Uint16Array.from({ length: 256 }, (_, value) => {
  let crc = value << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

/** CRC-16 with the polynomial 0x1021, from zero (section 8). */
export function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) crc = ((crc << 8) ^ (crc16Table[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff
  return crc
}
