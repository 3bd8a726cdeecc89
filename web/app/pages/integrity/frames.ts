/** Takes a recording apart while it is fetched (recordings/README.md, "The file"): one frame is in memory at a time. */
import { type Bytes, isSame, joined, sha256 } from './bytes.ts'

const magic = Uint8Array.of(0x89, 0x53, 0x50, 0x52, 0x45, 0x43, 0x0d, 0x0a, 0, 0, 0, 1)
const headBytes = 40
const kinds = ['header', 'chunk', 'head', 'seal', 'proof'] as const
export type FrameKind = (typeof kinds)[number]

/** Bytes of a body by kind, as the format bounds them: a length beyond is a lie or damage, and nothing is kept for it. */
const maxBodyBytes: Record<FrameKind, number> = {
  header: 256 * 1024,
  chunk: 1_119_272,
  head: 4 * 1024,
  seal: 8 * 1024,
  proof: 64 * 1024,
}

export type Frame = {
  readonly record: number
  readonly offset: number
  readonly kind: FrameKind
  /** Head and body as they are stored. */
  readonly bytes: Bytes
  readonly body: Bytes
  /** What the frame says of the one before it. */
  readonly link: Bytes
}

/** The first frame that is not what it should be. */
export class FrameProblem extends Error {
  readonly record: number
  readonly offset: number

  constructor(record: number, offset: number, reason: string) {
    super(`Record ${record} at byte ${offset}: ${reason}.`)
    this.record = record
    this.offset = offset
  }
}

export type Tail = { tornBytes: number }

/** Each frame after its link was compared with the hash of the one before. What is cut at the end is counted in `tail`. */
export async function* chainedFrames(
  pieces: AsyncIterable<Uint8Array>,
  tail: Tail,
): AsyncGenerator<Frame, void, undefined> {
  let link: Bytes | undefined
  let isSealed = false
  for await (const frame of framesIn(pieces, tail)) {
    const { record, offset, kind } = frame
    if (link === undefined) link = await sha256(magic)
    if (!isSame(frame.link, link))
      throw new FrameProblem(record, offset, 'it does not continue the record before it')
    if ((record === 0) !== (kind === 'header'))
      throw new FrameProblem(record, offset, `a ${kind} does not belong there`)
    if (isSealed !== (kind === 'proof'))
      throw new FrameProblem(
        record,
        offset,
        isSealed ? `a ${kind} behind the seal` : 'a proof before the seal',
      )
    if (!isSealed) link = await sha256(frame.bytes) // proofs all name the seal
    if (kind === 'seal') isSealed = true
    yield frame
  }
}

async function* framesIn(
  pieces: AsyncIterable<Uint8Array>,
  tail: Tail,
): AsyncGenerator<Frame, void, undefined> {
  const input = new Input(pieces)
  const start = await input.take(magic.length)
  if (start === undefined || !isSame(start, magic))
    throw new FrameProblem(0, 0, 'this is no recording of version 1')
  for (let record = 0; ; record++) {
    const offset = input.offset
    const head = await input.take(headBytes)
    const parsed = head === undefined ? undefined : readHead(head, record, offset)
    const body = parsed === undefined ? undefined : await input.take(parsed.length)
    if (head === undefined || parsed === undefined || body === undefined) {
      tail.tornBytes = input.received - offset
      return
    }
    yield {
      record,
      offset,
      kind: parsed.kind,
      body,
      bytes: joined(head, body),
      link: head.slice(8),
    }
  }
}

function readHead(head: Bytes, record: number, offset: number): { kind: FrameKind; length: number } {
  const view = new DataView(head.buffer, head.byteOffset)
  const said = joined(head.subarray(0, 6), head.subarray(8))
  if (view.getUint16(6) !== (crc32(said) & 0xffff))
    throw new FrameProblem(record, offset, 'the head of the record is damaged')
  const kind = kinds[view.getUint8(4) - 1]
  if (kind === undefined || view.getUint8(5) !== 0)
    throw new FrameProblem(record, offset, 'this page does not know such records: use a newer version')
  const length = view.getUint32(0)
  if (length > maxBodyBytes[kind])
    throw new FrameProblem(record, offset, `a ${kind} of ${length} bytes is longer than its limit`)
  return { kind, length }
}

/** Hands out as many bytes as asked for, across the pieces in which they came. */
class Input {
  readonly #pieces: AsyncIterator<Uint8Array>
  #held: Uint8Array[] = []
  #heldBytes = 0
  offset = 0
  received = 0

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  /** Undefined if the input ends before. */
  async take(count: number): Promise<Bytes | undefined> {
    while (this.#heldBytes < count) {
      const next = await this.#pieces.next()
      if (next.done === true) return undefined
      this.#held.push(next.value)
      this.#heldBytes += next.value.length
      this.received += next.value.length
    }
    const all = joined(...this.#held)
    const rest = all.subarray(count)
    this.#held = rest.length === 0 ? [] : [rest]
    this.#heldBytes = rest.length
    this.offset += count
    return all.slice(0, count)
  }
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** IEEE, as in zlib. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}
