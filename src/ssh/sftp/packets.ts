/**
 * The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 3), cut out of a passing stream. Content (the data of
 * WRITE and DATA) is handed on in the pieces that it comes in and never collected.
 */

/** draft-ietf-secsh-filexfer-02, section 3. */
export const packetType = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const

/** OpenSSH's SFTP_MAX_MSG_LENGTH, which its client and server hold each other to; without the length field itself. */
export const maxPacketBytes: number = 256 * 1024

/** draft-ietf-secsh-filexfer-02, section 6.2. */
export const maxHandleBytes = 256

/** What the buffer of heads shrinks back to after a long packet. */
const usualBufferBytes = 1024

/** A stream is not SFTP as we know it. The text is for the user and the recording; it holds nothing that a peer said. */
export class SftpViolation extends Error {}

/** Who hears of packets. Buffers are valid during the call only. */
export interface PacketSink {
  /** A packet without content: its type byte and its fields. */
  readonly packet: (bytes: Buffer) => void
  /** A WRITE or DATA packet up to its content. */
  readonly contentBegins: (head: Buffer, bytes: number) => void
  readonly content: (data: Buffer) => void
  readonly contentEnds: () => void
}

type Step = 'length' | 'type' | 'packet' | 'handle-length' | 'content-length' | 'content'

const lengthBytes = 4
/** Length, type, request id, and the length of what follows: a handle in WRITE, the content in DATA. */
const contentHeadBytes = 13
/** u64 offset and u32 length, behind the handle of a WRITE. */
const writeTailBytes = 12

/** Cuts one direction of a stream into packets. */
export class PacketReader {
  readonly #contentType: typeof packetType.write | typeof packetType.data
  readonly #sink: PacketSink
  #step: Step = 'length'
  #buffer = Buffer.allocUnsafe(usualBufferBytes)
  #filled = 0
  #need = lengthBytes
  #packetBytes = 0
  #contentLeft = 0

  constructor(contentType: typeof packetType.write | typeof packetType.data, sink: PacketSink) {
    this.#contentType = contentType
    this.#sink = sink
  }

  /** Whether the stream stands between two packets. */
  get isBetweenPackets(): boolean {
    return this.#step === 'length' && this.#filled === 0
  }

  /** Of the bytes just pushed, those at their end that belong to a packet whose head or fields are not all there yet. */
  unfinished(pushed: Buffer): Buffer {
    return pushed.subarray(Math.max(0, pushed.length - this.#filled))
  }

  /** Takes the next bytes of the stream. Throws SftpViolation; after that the reader is of no use. */
  push(data: Buffer): void {
    let at = 0
    while (at < data.length) at = this.#step === 'content' ? this.#pass(data, at) : this.#collect(data, at)
  }

  #pass(data: Buffer, at: number): number {
    const end = Math.min(data.length, at + this.#contentLeft)
    this.#contentLeft -= end - at
    this.#sink.content(data.subarray(at, end))
    if (this.#contentLeft === 0) this.#endContent()
    return end
  }

  #endContent(): void {
    this.#sink.contentEnds()
    this.#next()
  }

  /** The buffer grows with what has come, not with what a length announced. */
  #collect(data: Buffer, at: number): number {
    const end = Math.min(data.length, at + this.#need - this.#filled)
    this.#makeRoom(this.#filled + end - at)
    data.copy(this.#buffer, this.#filled, at, end)
    this.#filled += end - at
    while (this.#filled === this.#need && this.#filled > 0) this.#advance()
    return end
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#buffer.length))
    this.#buffer.copy(larger, 0, 0, this.#filled)
    this.#buffer = larger
  }

  #advance(): void {
    switch (this.#step) {
      case 'length':
        return this.#readLength()
      case 'type':
        return this.#readType()
      case 'packet':
        this.#sink.packet(this.#buffer.subarray(lengthBytes, this.#filled))
        return this.#next()
      case 'handle-length':
        return this.#readHandleLength()
      case 'content-length':
        return this.#readContentLength()
      case 'content':
        return
    }
  }

  #readLength(): void {
    const bytes = this.#buffer.readUInt32BE(0)
    if (bytes === 0) throw new SftpViolation('a packet is empty')
    if (bytes > maxPacketBytes) throw new SftpViolation('a packet is longer than SFTP allows')
    this.#packetBytes = lengthBytes + bytes
    this.#await('type', lengthBytes + 1)
  }

  #readType(): void {
    const type = this.#buffer[lengthBytes]
    if (type !== this.#contentType) return this.#await('packet', this.#packetBytes)
    this.#await(type === packetType.write ? 'handle-length' : 'content-length', contentHeadBytes)
  }

  #readHandleLength(): void {
    const bytes = this.#buffer.readUInt32BE(contentHeadBytes - 4)
    if (bytes > maxHandleBytes) throw new SftpViolation('a handle is longer than SFTP allows')
    this.#await('content-length', contentHeadBytes + bytes + writeTailBytes)
  }

  #readContentLength(): void {
    const bytes = this.#buffer.readUInt32BE(this.#filled - 4)
    if (this.#filled + bytes !== this.#packetBytes)
      throw new SftpViolation('the length of a packet and of its content differ')
    this.#contentLeft = bytes
    this.#step = 'content'
    this.#sink.contentBegins(this.#buffer.subarray(lengthBytes, this.#filled), bytes)
    this.#filled = 0
    if (bytes === 0) this.#endContent()
  }

  #await(step: Step, need: number): void {
    if (need > this.#packetBytes && step !== 'length') throw new SftpViolation('a packet is cut short')
    this.#step = step
    this.#need = need
  }

  #next(): void {
    this.#step = 'length'
    this.#filled = 0
    this.#need = lengthBytes
    if (this.#buffer.length > 16 * usualBufferBytes) this.#buffer = Buffer.allocUnsafe(usualBufferBytes)
  }
}
