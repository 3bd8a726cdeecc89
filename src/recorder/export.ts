import { on } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { isUtf8 } from 'node:buffer'
import { Fault, reasonOf } from '../errors.ts'
import { asciicast } from './asciicast.ts'
import { carriesData, type EventRecord } from './event.ts'
import { encrypted } from './encryption/auditor-key.ts'
import { FormatProblem } from './format.ts'
import type { Gap } from './next-good.ts'
import { headerOf, type ReadOptions, readRecording, type RecordingReader } from './reader.ts'
import { sqlLines, sqlScript, sqlTable } from './sql-export.ts'
import { commandColumns, commandRows, fileColumns, fileRows } from './ssh-table.ts'
import { csv, jsonLine as line, ndjson } from './table.ts'

/**
 * asciicast is its second version, which every player reads. csv and ndjson hold what was run: statements with their results, or
 * commands; files-csv and files-ndjson the files that passed. json has every event.
 */
export const exportFormats = [
  'asciicast',
  'asciicast-v2',
  'asciicast-v3',
  'text',
  'html',
  'json',
  'sql',
  'csv',
  'ndjson',
  'files-csv',
  'files-ndjson',
] as const
export type ExportFormat = (typeof exportFormats)[number]

/** Blocks of text that wait to be taken. */
export const maxBlocksAhead = 4

/**
 * Takes a recording out, piece by piece. `channel` chooses where a format holds one: by default the first with a terminal,
 * else the first command. Text, JSON and HTML hold all channels unless one is chosen. All but asciicast are safe to print. Throws FormatProblem where the recording is damaged, after what comes before.
 */
export async function* exportRecording(
  file: string,
  format: ExportFormat,
  channel?: number,
  options: ReadOptions = {},
): AsyncGenerator<string> {
  if (format === 'text' || format === 'html') yield* fromWorker(file, format, channel, options)
  else yield* fromReader(file, options, reader => pieces(reader, format, channel))
}

function pieces(
  reader: RecordingReader,
  format: Exclude<ExportFormat, 'text' | 'html'>,
  channel: number | undefined,
): Iterable<string> {
  const { protocol, openedAt } = reader.header
  switch (format) {
    case 'json':
      return json(reader, channel)
    case 'sql':
      if (protocol !== 'postgres')
        throw new Fault('RECORDING_FORMAT', 'Only PostgreSQL sessions can be taken out as sql.')
      return sqlScript(reader.events(), openedAt)
    case 'csv':
      if (protocol === 'postgres') return sqlTable(reader.events(), openedAt)
      return csv(commandColumns, commandRows(reader.events(), openedAt))
    case 'ndjson':
      if (protocol === 'postgres') return sqlLines(reader.events(), openedAt)
      return ndjson(commandRows(reader.events(), openedAt))
    case 'files-csv':
      return csv(fileColumns, fileRows(reader.events(), openedAt, protocol))
    case 'files-ndjson':
      return ndjson(fileRows(reader.events(), openedAt, protocol))
    default:
      if (protocol !== 'ssh')
        throw new Fault(
          'RECORDING_FORMAT',
          'This session had no terminal. Take it out as html, sql, csv, ndjson, text or json.',
        )
      return asciicast(reader, format === 'asciicast-v3' ? 3 : 2, channel)
  }
}

async function* fromReader(
  file: string,
  options: ReadOptions,
  pieces: (reader: RecordingReader) => Iterable<string>,
): AsyncGenerator<string> {
  const reader = readRecording(file, options)
  try {
    yield* politely(pieces(reader))
  } finally {
    reader.close()
  }
}

/** Lets others have their turn of the event loop between pieces. */
async function* politely(pieces: Iterable<string>): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece
    await setImmediate()
  }
}

/** A longer text is cut: `exportRecording` gives the whole. In UTF-16 units. */
const maxScreenTextLength = 16 * 1024 * 1024

/** What the session's terminals showed, as one text (see `screenTextOf`), or its statements with their results. A very long one is cut and says so. */
export async function screenText(file: string, options: ReadOptions = {}): Promise<string> {
  const blocks: string[] = []
  let length = 0
  for await (const block of fromWorker(file, 'text', undefined, options)) {
    blocks.push(block)
    length += block.length
    if (length <= maxScreenTextLength) continue
    blocks.push('[cut here: the export has the rest]\n')
    break
  }
  return blocks.join('')
}

/** What the worker says: a block of text, a gap in what it reads, or where it could not go on. */
export type WorkerWord =
  | string
  | { readonly gap: Gap }
  | { readonly problem: Pick<FormatProblem, 'record' | 'offset' | 'reason'> }

async function* fromWorker(
  file: string,
  format: 'text' | 'html',
  channel: number | undefined,
  { keys, onGap }: ReadOptions,
): AsyncGenerator<string> {
  const { encryption } = headerOf(file)
  if (encryption !== null && keys === undefined) throw encrypted(encryption)
  const ahead = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('export-worker.ts', import.meta.url), {
    workerData: { file, format, channel, ahead, keys, pastDamage: onGap !== undefined },
    name: 'export',
  })
  try {
    for await (const [said] of on(worker, 'message', { close: ['exit'] }) as AsyncIterable<[WorkerWord]>) {
      if (typeof said === 'string') yield said
      else if ('gap' in said) onGap?.(said.gap)
      else throw new FormatProblem(said.problem.record, said.problem.offset, said.problem.reason)
      if (typeof said !== 'string') continue
      Atomics.sub(ahead, 0, 1)
      Atomics.notify(ahead, 0)
    }
  } catch (error) {
    if (error instanceof FormatProblem) throw error
    throw new Fault('RECORDING_FORMAT', reasonOf(error), { cause: error })
  } finally {
    await worker.terminate()
  }
}

/** NDJSON: the header, every event, and how the recording ends. Bytes are text where they are valid UTF-8, else base64. */
function* json(reader: RecordingReader, channel: number | undefined): Generator<string> {
  yield line({ header: reader.header })
  for (const chunk of reader.chunks()) {
    const events = channel === undefined ? chunk.events : chunk.events.filter(record => isOf(record, channel))
    yield events.map(record => line(plain(record))).join('')
  }
  const { end } = reader
  yield line({ end: end?.kind === 'sealed' ? { sealed: true, ...end.seal } : { sealed: false } })
}

function isOf({ event }: EventRecord, channel: number): boolean {
  return (carriesData(event) ? event.channel : event.fields['channel']) === channel
}

function plain({ sequence, us, event }: EventRecord): Record<string, unknown> {
  if (!carriesData(event)) return { sequence, us, ...event.fields }
  const { type, channel, data } = event
  return {
    sequence,
    us,
    type,
    channel,
    ...(isUtf8(data) ? { text: data.toString() } : { base64: data.toString('base64') }),
  }
}
