import { chunkHeadBytes, cipher, codec, type ChunkHead } from '../format.ts'
import type { RecordingHeader } from '../header.ts'
import { unpack } from '../pack.ts'
import { type ContentKeys, tagBytes } from './content-keys.ts'
import { Opener } from './opener.ts'
import type { EncryptionHeader } from './recording-key.ts'
import { measureSealed, openSealed } from './sealed-events.ts'

/** How far the content of a recording is open to its reader. */
export type Content =
  | { readonly kind: 'clear' }
  | { readonly kind: 'open'; readonly opener: Opener }
  | { readonly kind: 'locked'; readonly encryption: EncryptionHeader }

const clear: Content = { kind: 'clear' }

export function contentOf({ encryption }: RecordingHeader, keys: ContentKeys | undefined): Content {
  if (encryption === null) return clear
  return keys === undefined ? { kind: 'locked', encryption } : { kind: 'open', opener: new Opener(keys) }
}

/** The bytes of a chunk's events. Throws where they are not what its fixed fields, `head`, say. */
export function eventBytesOf(body: Buffer, head: ChunkHead, content: Content): Buffer {
  const payload = body.subarray(chunkHeadBytes)
  if ((head.cipher === cipher.none) !== (content.kind === 'clear')) throw new Error(misplaced(head))
  if (content.kind === 'clear') return unpack({ codec: head.codec, payload }, head.inflatedBytes)
  if (content.kind === 'locked') throw new Error('it is encrypted')
  if (head.cipher === cipher.events)
    return exactly(openSealed(payload, head.firstSequence, content.opener), head)
  const packed = content.opener.chunk(head.number, body.subarray(0, chunkHeadBytes), payload)
  return unpack({ codec: head.codec, payload: packed }, head.inflatedBytes)
}

function exactly(bytes: Buffer, { inflatedBytes }: ChunkHead): Buffer {
  if (bytes.length !== inflatedBytes)
    throw new Error(`it holds ${bytes.length} bytes and claims ${inflatedBytes}`)
  return bytes
}

/** What is wrong with a chunk, as far as that can be told without the keys. */
export function lockedProblem(body: Buffer, head: ChunkHead): string | undefined {
  const payload = body.subarray(chunkHeadBytes)
  if (head.cipher === cipher.none) return misplaced(head)
  if (head.firstUs > head.lastUs) return 'the chunk ends before it begins'
  if (head.cipher === cipher.events) return sealedEventsProblem(payload, head)
  const least = tagBytes + (head.codec === codec.none ? head.inflatedBytes : 1)
  if (payload.length < least) return 'the chunk is shorter than what it holds and its tag'
  return head.codec === codec.none && payload.length > least
    ? 'the chunk is longer than what it holds'
    : undefined
}

function sealedEventsProblem(payload: Buffer, head: ChunkHead): string | undefined {
  try {
    const { events, bytes } = measureSealed(payload)
    return events === head.events && bytes === head.inflatedBytes
      ? undefined
      : 'the chunk holds other events than it says'
  } catch {
    return 'a sealed event is cut'
  }
}

function misplaced(head: ChunkHead): string {
  return head.cipher === cipher.none
    ? 'it is not encrypted, in a recording that is'
    : 'it is encrypted, in a recording that names nobody who could read it'
}
