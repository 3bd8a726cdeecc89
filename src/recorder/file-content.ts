/** Takes the content of one file out of a recording, where the recording has it. */
import { createHash } from 'node:crypto'
import { Fault } from '../errors.ts'
import { carriesData, type EventRecord } from './event.ts'
import type { FileContent } from './file-event.ts'
import { type MovedFile, movedFiles } from './moved-file.ts'
import { type ReadOptions, readRecording } from './reader.ts'

export type TakenFile = {
  readonly file: MovedFile
  readonly stream: 'read' | 'written'
  readonly bytes: Buffer
  /** Whether its SHA-256 is the one that the gateway told when the file was closed. */
  readonly isWhole: boolean
  /** What is missing, for people; undefined if nothing is. */
  readonly problem: string | undefined
}

/** A file is put together in memory. */
const maxFileBytes: number = 1024 * 1024 * 1024

/** The file with that number in the list of files. Throws a Fault NOT_FOUND where there is none, or nothing of it was kept. */
export function takeFile(recording: string, number: number, options: ReadOptions = {}): TakenFile {
  const file = find(recording, number, options)
  const stream = file.written === undefined && file.read !== undefined ? 'read' : 'written'
  const content = file[stream]
  if (file.keptBytes === 0 && content?.bytes !== 0) throw nothingKept(file)
  const bytes =
    file.keptAt === undefined
      ? fromEvents(recording, file, stream, options)
      : fromStream(recording, file, content?.bytes ?? 0, options)
  const problem = problemOf(bytes, content)
  return { file, stream, bytes, isWhole: problem === undefined, problem }
}

function find(recording: string, number: number, options: ReadOptions): MovedFile {
  for (const file of withEvents(recording, options, movedFiles)) if (file.number === number) return file
  throw new Fault(
    'NOT_FOUND',
    `There is no file ${number} in this session. "sallyport play ID --files" lists them.`,
  )
}

function nothingKept({ number }: MovedFile): Fault {
  const userText = `The recording has the SHA-256 of file ${number} and not its content. "files: copy" keeps content, of sessions that begin from then on.`
  return new Fault('NOT_FOUND', userText)
}

function* withEvents<T>(
  recording: string,
  options: ReadOptions,
  use: (records: Iterable<EventRecord>) => Iterable<T>,
): Generator<T> {
  const reader = readRecording(recording, options)
  try {
    yield* use(reader.events())
  } finally {
    reader.close()
  }
}

/** Pieces at their places; of two for one place the later one counts. */
function fromEvents(
  recording: string,
  file: MovedFile,
  stream: 'read' | 'written',
  options: ReadOptions,
): Buffer {
  let bytes = Buffer.alloc(Math.min(file.keptBytes, maxFileBytes))
  let end = 0
  for (const { from, piece } of withEvents(recording, options, records => pieces(records, file, stream))) {
    if (from + piece.length > maxFileBytes) throw tooLarge()
    if (from + piece.length > bytes.length) bytes = grown(bytes, from + piece.length)
    piece.copy(bytes, from)
    end = Math.max(end, from + piece.length)
  }
  return bytes.subarray(0, end)
}

function grown(bytes: Buffer, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.alloc(Math.min(maxFileBytes, Math.max(needed, 2 * bytes.length)))
  bytes.copy(larger)
  return larger
}

type Piece = { readonly from: number; readonly piece: Buffer }

function* pieces(
  records: Iterable<EventRecord>,
  { channel, file }: MovedFile,
  stream: 'read' | 'written',
): Generator<Piece> {
  for (const { event } of records) {
    if (carriesData(event) || event.type !== 'file-content') continue
    const { fields } = event
    if (fields['channel'] !== channel || fields['file'] !== file || fields['stream'] !== stream) continue
    yield { from: Number(fields['from']), piece: Buffer.from(String(fields['base64']), 'base64') }
  }
}

/** `scp -O`: the content is one part of a stream of its channel. */
function fromStream(recording: string, file: MovedFile, length: number, options: ReadOptions): Buffer {
  if (length > maxFileBytes) throw tooLarge()
  const type = file.written === undefined ? 'output' : 'input'
  const from = file.keptAt ?? 0
  const bytes = Buffer.alloc(length)
  let [at, filled] = [0, 0]
  for (const { event } of withEvents(recording, options, records => records)) {
    if (!carriesData(event) || event.type !== type || event.channel !== file.channel) continue
    const part = event.data.subarray(Math.max(0, from - at), Math.max(0, from + length - at))
    filled += part.copy(bytes, filled)
    at += event.data.length
  }
  return bytes.subarray(0, filled)
}

function tooLarge(): Fault {
  return new Fault('RECORDING_FORMAT', 'This file is larger than what can be taken out: 1 GiB.')
}

function problemOf(bytes: Buffer, content: FileContent | undefined): string | undefined {
  if (content === undefined)
    return 'The file was never closed, so that nobody knows whether this is all of it.'
  if (content.sha256 === undefined)
    return `It passed in ${content.ranges?.length ?? 0} separate ranges: what did not pass is filled with zeros.`
  if (bytes.length < content.bytes)
    return `These are the first ${bytes.length} of ${content.bytes} bytes: no more was kept.`
  if (createHash('sha256').update(bytes).digest('hex') !== content.sha256)
    return 'Its SHA-256 is not the one that was told when it passed.'
  return content.complete
    ? undefined
    : 'All that passed of it is here; the file itself may be longer or other.'
}
