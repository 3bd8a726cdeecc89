import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { type EventRecord } from './event.ts'
import { FormatProblem } from './format.ts'
import { contentOf } from './encryption/content.ts'
import { type Frame, FrameReader } from './frames.ts'
import { readHeader, type RecordingHeader } from './header.ts'
import { lookAtChunk } from './reader.ts'
import type { Position } from './recording-file.ts'
import { readSealText, type SealText } from './signed.ts'

/** How far a recording is whole. */
export type Examined = {
  readonly header: RecordingHeader
  readonly position: Position
  /** Up to here every frame is whole and continues the one before. */
  readonly wholeBytes: number
  readonly seal: SealText | undefined
  /** If the last event says that the session has ended, why. */
  readonly endReason: string | undefined
  /** What is wrong after that, if it is more than a frame that is cut. */
  readonly damage: string | undefined
}

/** Walks a recording as far as it is whole. Throws if it has no readable header. */
export function examine(file: string): Examined {
  const frames = new FrameReader(file)
  try {
    return walk(frames)
  } finally {
    frames.close()
  }
}

function walk(frames: FrameReader): Examined {
  const first = frames.next()
  let examined = begin(first)
  try {
    for (let frame = frames.next(); frame !== undefined; frame = frames.next())
      examined = after(examined, frame)
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
    return { ...examined, damage: error.reason }
  }
  return examined
}

function begin(frame: Frame | undefined): Examined {
  if (frame === undefined) throw new FormatProblem(0, 0, 'the header is cut')
  const header = readHeader(frame.body)
  if (typeof header === 'string') throw new FormatProblem(0, frame.offset, header)
  const { keyId: headerKeyId } = header.signing
  const position = { link: frame.link, chunks: 0, events: 0, bytes: 0, lastUs: 0, headerKeyId }
  return {
    header,
    position,
    wholeBytes: endOf(frame),
    seal: undefined,
    endReason: undefined,
    damage: undefined,
  }
}

function after(before: Examined, frame: Frame): Examined {
  if (frame.kind === 'chunk') return afterChunk(before, frame)
  const position = { ...before.position, link: frame.link }
  if (frame.kind !== 'seal') return { ...before, position, wholeBytes: endOf(frame) }
  const seal = readSealText(frame.body)
  if (typeof seal === 'string')
    throw new FormatProblem(frame.record, frame.offset, `the seal cannot be read: ${seal}`)
  return { ...before, position, wholeBytes: endOf(frame), seal }
}

function afterChunk(before: Examined, frame: Frame): Examined {
  const { head, events } = lookAtChunk(frame, contentOf(before.header, undefined))
  const { chunks, events: known, bytes } = before.position
  if (head.number !== chunks + 1 || head.firstSequence !== known + 1) {
    throw new FormatProblem(frame.record, frame.offset, 'a chunk is not the next one')
  }
  const last = events?.at(-1)
  return {
    ...before,
    position: {
      ...before.position,
      link: frame.link,
      chunks: chunks + 1,
      events: known + head.events,
      bytes: bytes + head.inflatedBytes,
      lastUs: head.lastUs,
    },
    wholeBytes: endOf(frame),
    endReason: last === undefined ? undefined : endReasonIn(last),
  }
}

function endOf(frame: Frame): number {
  return frame.offset + frame.stored.length
}

/** The reason if this event ends a session. */
export function endReasonIn({ event }: EventRecord): string | undefined {
  return 'fields' in event && event.type === 'end' ? String(event.fields['reason']) : undefined
}

const copyBytes = 1024 * 1024

/** Copies a file from an offset on to a new one that nobody else may read. */
export function copyFrom(file: string, offset: number, to: string): void {
  const from = openSync(file, 'r')
  const into = openSync(to, 'w', 0o600)
  const buffer = Buffer.allocUnsafe(copyBytes)
  try {
    for (let at = offset, read = 1; read > 0; at += read) {
      read = readSync(from, buffer, 0, copyBytes, at)
      for (let written = 0; written < read; ) written += writeSync(into, buffer, written, read - written)
    }
  } finally {
    closeSync(from)
    closeSync(into)
  }
}
