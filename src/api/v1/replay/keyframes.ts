/** The index of keyframes beside a recording, as far as it is good for what is in the file now. */
import { statSync } from 'node:fs'
import {
  hasFrameOf,
  type Keyframe,
  type KeyframeIndex,
  readIndexBeside,
  unpackScreen,
} from '../../../recorder/keyframe.ts'
import type { ReplayKeyframe } from '../../schema.ts'
import type { MappedChunk, ReplayMap } from './replay-map.ts'
import { screenTextOf } from './screen-text.ts'

/**
 * The index that lies beside the recording, if it was made of this file or, while the session goes on, of a beginning of it: then it knows
 * nothing of the rest, and all that it says is true.
 */
export function indexBeside(file: string): KeyframeIndex | undefined {
  const index = readIndexBeside(file)
  return index !== undefined && statSync(file).size >= index.of.bytes && hasFrameOf(index, file)
    ? index
    : undefined
}

/** How much of the file the index does not know. */
export function bytesBehind(index: KeyframeIndex | undefined, file: string): number {
  return statSync(file).size - (index?.of.bytes ?? 0)
}

export function placesOf(index: KeyframeIndex | undefined, { chunks }: ReplayMap) {
  return (index?.keyframes ?? []).map(({ channel, us, place }, number) => ({
    number,
    channel,
    atMs: us / 1000,
    chunk: chunkAt(chunks, place.offset)?.number ?? 0,
  }))
}

export function replayKeyframe(keyframe: Keyframe, { chunks }: ReplayMap): ReplayKeyframe {
  const { channel, us, columns, rows, sequence, place, screen } = keyframe
  const chunk = chunkAt(chunks, place.offset)
  return {
    channel,
    atMs: us / 1000,
    columns,
    rows,
    screen: screenTextOf(unpackScreen(screen)),
    chunk: chunk?.number ?? 0,
    skipEvents: sequence - (chunk?.firstSequence ?? sequence) + 1,
  }
}

/** Chunks are in the order of their places. */
function chunkAt(chunks: readonly MappedChunk[], offset: number): MappedChunk | undefined {
  let low = 0
  let high = chunks.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const chunk = chunks[middle]
    if (chunk === undefined) return undefined
    if (chunk.offset === offset) return chunk
    if (chunk.offset < offset) low = middle + 1
    else high = middle - 1
  }
  return undefined
}
