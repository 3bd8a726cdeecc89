/** What was run in an SSH session, and which files passed in any session, as rows. */
import { channelOf } from './choose-channel.ts'
import { carriesData, commandOf, type EventRecord } from './event.ts'
import { type MovedFile, MovedFiles, pathOf } from './moved-file.ts'
import { sqlEntries } from './sql-statements.ts'
import type { Row } from './table.ts'

export const commandColumns = [
  'at',
  'channel',
  'kind',
  'text',
  'exit_status',
  'signal',
  'input_bytes',
  'output_bytes',
  'duration_us',
] as const

type Fields = Readonly<Record<string, unknown>>
type Running = { readonly row: Row; readonly us: number; input: number; output: number; exit: Row }

/** Commands and shells when their channel closes, lines typed in a terminal as soon as the screen showed them. */
export function* commandRows(records: Iterable<EventRecord>, openedAt: string): Generator<Row> {
  const table = new CommandTable(Date.parse(openedAt))
  for (const record of records) yield* table.take(record)
  yield* table.rest()
}

class CommandTable {
  readonly #openedAtMs: number
  readonly #running = new Map<number, Running>()

  constructor(openedAtMs: number) {
    this.#openedAtMs = openedAtMs
  }

  *take({ us, event }: EventRecord): Generator<Row> {
    const channel = channelOf(event)
    if (channel === undefined) return
    const running = this.#running.get(channel)
    if (carriesData(event)) return count(running, event.type, event.data.length)
    const { fields } = event
    switch (event.type) {
      case 'typed':
        return yield this.#row(us, channel, 'typed', fields['text'])
      case 'unechoed-line':
        return yield this.#row(us, channel, 'unechoed', `${String(fields['characters'])} characters`)
      case 'exec':
      case 'shell':
      case 'subsystem':
        this.#begin(us, channel, event.type, commandOf(event)?.toString() ?? fields['name'])
        return
      case 'input-count':
        return count(running, 'input', Number(fields['bytes']))
      case 'exit-status':
      case 'exit-signal':
        if (running !== undefined) running.exit = exitOf(event.type, fields)
        return
      case 'channel-close':
        return yield* this.#close(us, channel)
    }
  }

  /** What still ran when the recording ended. */
  *rest(): Generator<Row> {
    for (const { row, input, output } of this.#running.values())
      yield { ...row, input_bytes: input, output_bytes: output }
  }

  #row(us: number, channel: number, kind: string, text: unknown): Row {
    return { at: new Date(this.#openedAtMs + us / 1000).toISOString(), channel, kind, text }
  }

  #begin(us: number, channel: number, kind: string, text: unknown): void {
    this.#running.set(channel, { row: this.#row(us, channel, kind, text), us, input: 0, output: 0, exit: {} })
  }

  *#close(us: number, channel: number): Generator<Row> {
    const running = this.#running.get(channel)
    this.#running.delete(channel)
    if (running === undefined) return
    const { row, exit, input, output } = running
    yield { ...row, ...exit, input_bytes: input, output_bytes: output, duration_us: us - running.us }
  }
}

function count(running: Running | undefined, type: string, bytes: number): void {
  if (running === undefined) return
  if (type === 'input') running.input += bytes
  else running.output += bytes
}

function exitOf(type: string, fields: Fields): Row {
  return type === 'exit-status' ? { exit_status: fields['status'] } : { signal: fields['name'] }
}

export const fileColumns = [
  'number',
  'at',
  'channel',
  'via',
  'operation',
  'path',
  'target_path',
  'status',
  'message',
  'bytes',
  'complete',
  'sha256',
  'kept_bytes',
] as const

/** Files with their contents, other operations on files, commands that copy, and COPY of PostgreSQL. */
export function fileRows(records: Iterable<EventRecord>, openedAt: string, protocol: string): Iterable<Row> {
  const openedAtMs = Date.parse(openedAt)
  return protocol === 'postgres' ? copyRows(records, openedAtMs) : sshFileRows(records, openedAtMs)
}

function* sshFileRows(records: Iterable<EventRecord>, openedAtMs: number): Generator<Row> {
  const files = new MovedFiles()
  for (const record of records) {
    const file = files.take(record)
    if (file !== undefined) yield* contentRows(file, openedAtMs)
    else yield* operationRows(record, openedAtMs)
  }
  for (const file of files.rest()) yield* contentRows(file, openedAtMs)
}

function* contentRows(file: MovedFile, openedAtMs: number): Generator<Row> {
  const { number, us, channel, via, path, status, message, keptBytes, read, written } = file
  const row = { number, at: at(us, openedAtMs), channel, via, path, status, message, kept_bytes: keptBytes }
  if (read === undefined && written === undefined) yield { ...row, operation: 'open' }
  for (const [operation, content] of [
    ['read', read],
    ['write', written],
  ] as const) {
    if (content === undefined) continue
    const { bytes, complete, sha256 } = content
    yield { ...row, operation, bytes, complete, sha256, ranges: content.ranges }
  }
}

function* operationRows({ us, event }: EventRecord, openedAtMs: number): Generator<Row> {
  if (carriesData(event)) return
  const { fields } = event
  const row = { at: at(us, openedAtMs), channel: fields['channel'] }
  if (event.type === 'transfer') {
    const { program, direction, paths, inputBytes, outputBytes } = fields
    const bytes = direction === 'to-target' ? inputBytes : outputBytes
    const path = Array.isArray(paths) ? paths.join('\n') : undefined
    yield { ...row, via: program, operation: `copy ${String(direction)}`, path, status: 'ok', bytes }
  }
  if (event.type !== 'file-operation') return
  const { operation, status, message, targetPath, targetPathBase64 } = fields
  const target_path = targetPath ?? targetPathBase64
  yield { ...row, via: 'sftp', operation, path: pathOf(fields), target_path, status, message }
}

function* copyRows(records: Iterable<EventRecord>, openedAtMs: number): Generator<Row> {
  for (const entry of sqlEntries(records)) {
    if (entry.kind !== 'result' || entry.result.copy === undefined) continue
    const { us, of, status, message, copy } = entry.result
    const { direction, bytes, sha256 } = copy
    const row = { at: at(us, openedAtMs), via: 'copy', operation: `COPY ${direction}`, path: of?.text }
    yield { ...row, status, message, bytes, complete: status === 'done', sha256 }
  }
}

function at(us: number, openedAtMs: number): string {
  return new Date(openedAtMs + us / 1000).toISOString()
}
