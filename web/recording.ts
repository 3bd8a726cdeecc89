/** Reads a whole encrypted recording: its frames, in their order, as recordings/README.md specifies them. */
import './node/buffer.ts'
import { decompress } from 'fzstd'
import type { JWK } from 'jose'
import { decodeEvents } from '../src/recorder/event.ts'
import type { EventRecord } from '../src/recorder/event.ts'
import {
  type ChunkHead,
  checkPreamble,
  chunkHeadBytes,
  cipher,
  codec,
  frameHeadBytes,
  preambleBytes,
  readChunkHead,
  readFrameHead,
} from '../src/recorder/format.ts'
import { readHeader, type RecordingHeader } from '../src/recorder/header.ts'
import { type Opener, openerOf } from './unlock.ts'

export type Opened = {
  readonly header: RecordingHeader
  /** All that the recording holds, in order. */
  readonly events: readonly EventRecord[]
  /** False if its end is missing: nobody can tell what came after. */
  readonly isSealed: boolean
}

/** How much of it is read: 0 to 1. */
export type Progress = (share: number) => void

/** Throws with a sentence for whoever reads it. */
export async function openRecording(
  stored: ArrayBuffer,
  jwk: JWK,
  progress: Progress = () => {},
): Promise<Opened> {
  const events: EventRecord[] = []
  const about = await readSealed(stored, jwk, (some, share) => {
    for (const event of some) events.push(event)
    progress(share)
  })
  return { ...about, events }
}

/** The same, chunk by chunk: `take` gets the events of each, and how much of the recording is read with it. */
export async function readSealed(
  stored: ArrayBuffer,
  jwk: JWK,
  take: (events: readonly EventRecord[], share: number) => void,
): Promise<Omit<Opened, 'events'>> {
  const bytes = Buffer.from(stored)
  checkPreamble(bytes)
  let link = await sha256(bytes.subarray(0, preambleBytes))
  const found: { header?: RecordingHeader; opener?: Opener; isSealed: boolean } = { isSealed: false }
  let next = { number: 1, sequence: 1 }
  for (let at = preambleBytes, record = 0; bytes.length - at >= frameHeadBytes; record++) {
    const head = readFrameHead(bytes.subarray(at, at + frameHeadBytes), record, at)
    const end = at + frameHeadBytes + head.bodyBytes
    if (end > bytes.length || head.kind === 'proof') break // torn: a crash has left it
    if (!head.link.equals(link))
      throw new Error(`Record ${record} does not continue the one before it: the recording was changed.`)
    const body = bytes.subarray(at + frameHeadBytes, end)
    link = await sha256(bytes.subarray(at, end))
    if (head.kind === 'header') Object.assign(found, await begin(body, jwk, link))
    if (head.kind === 'seal') found.isSealed = true
    if (head.kind === 'chunk') {
      const chunk = readChunkHead(body, record, at)
      if (chunk.number !== next.number || chunk.firstSequence !== next.sequence)
        throw new Error(`Record ${record} is not the next one: something is missing.`)
      next = { number: chunk.number + 1, sequence: chunk.firstSequence + chunk.events }
      const inflated = Buffer.from(await eventBytes(body, chunk, found.opener))
      take([...decodeEvents(inflated, chunk.firstSequence)], end / bytes.length)
    }
    at = end
  }
  if (found.header === undefined) throw new Error('The recording has no header.')
  return { header: found.header, isSealed: found.isSealed }
}

async function begin(
  body: Buffer,
  jwk: JWK,
  link: Buffer,
): Promise<{ header: RecordingHeader; opener: Opener }> {
  const header = readHeader(body)
  if (typeof header === 'string') throw new Error(`The recording cannot be read: ${header}.`)
  if (header.encryption === null) throw new Error('This recording is not encrypted.')
  return { header, opener: await openerOf(header.encryption.key, jwk, link) }
}

async function eventBytes(body: Buffer, head: ChunkHead, opener: Opener | undefined): Promise<Uint8Array> {
  if (opener === undefined || head.cipher === cipher.none)
    throw new Error('The recording holds something that is not encrypted, and should be.')
  const payload = body.subarray(chunkHeadBytes)
  if (head.cipher === cipher.events) return eventByEvent(payload, head, opener)
  const packed = await opener.chunk(head.number, body.subarray(0, chunkHeadBytes), payload)
  const bytes = head.codec === codec.zstd ? decompress(packed, new Uint8Array(head.inflatedBytes)) : packed
  return exactly(bytes, head)
}

async function eventByEvent(payload: Buffer, head: ChunkHead, opener: Opener): Promise<Uint8Array> {
  const bytes = new Uint8Array(head.inflatedBytes)
  let length = 0
  for (let at = 0, sequence = head.firstSequence; at < payload.length; sequence++) {
    const end = at + 4 + payload.readUInt32BE(at)
    const event = await opener.event(sequence, payload.subarray(at + 4, end))
    bytes.set(event, length)
    length += event.length
    at = end
  }
  return exactly(bytes.subarray(0, length), head)
}

function exactly(bytes: Uint8Array, { inflatedBytes }: ChunkHead): Uint8Array {
  if (bytes.length !== inflatedBytes) throw new Error('A part of the recording is not as long as it says.')
  return bytes
}

async function sha256(bytes: Uint8Array): Promise<Buffer> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as BufferSource))
}
