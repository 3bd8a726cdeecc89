/** The files that passed in a session, from its events: which, which way, how much, and whether their content is in the recording. */
import { carriesData, type EventRecord } from './event.ts'
import type { FileContent } from './file-event.ts'

type Fields = Readonly<Record<string, unknown>>

export type MovedFile = {
  /** Counts from 1 in the order in which files were opened. */
  readonly number: number
  readonly channel: number
  /** Its number within the channel. */
  readonly file: number
  /** As it was said; bytes that are no UTF-8 as Latin-1. */
  readonly path: string
  readonly via: 'sftp' | 'scp' | 'zmodem'
  /** When it was opened. */
  readonly us: number
  readonly status: string
  readonly message: string | undefined
  readonly read: FileContent | undefined
  readonly written: FileContent | undefined
  /** Bytes of its content that the recording holds, copies and pieces that passed twice counted twice. */
  readonly keptBytes: number
  /** Of `scp -O`: where in the channel's stream its content began. */
  readonly keptAt: number | undefined
}

/** Files that may be open at once: of all channels of a connection. More than a session can have. */
const maxOpen = 100_000

type Open = {
  readonly file: Omit<MovedFile, 'status' | 'message' | 'read' | 'written' | 'keptAt'>
  keptBytes: number
}

/** Follows the files of a session. Memory: those that are open. */
export class MovedFiles {
  readonly #open = new Map<string, Open>()
  #lastNumber = 0

  /** The file that this event ends, if it ends one. */
  take({ us, event }: EventRecord): MovedFile | undefined {
    if (carriesData(event)) return undefined
    const { fields } = event
    if (event.type === 'file-open' && fields['operation'] !== 'open-directory') this.#opened(us, fields)
    else if (event.type === 'file-content') this.#kept(fields)
    else if (event.type === 'file-close') return this.#closed(fields)
    return undefined
  }

  /** Those that were never closed: the recording ends before. */
  *rest(): Generator<MovedFile> {
    for (const { file, keptBytes } of this.#open.values())
      yield {
        ...file,
        keptBytes,
        status: 'not closed',
        message: undefined,
        read: undefined,
        written: undefined,
        keptAt: undefined,
      }
  }

  #opened(us: number, fields: Fields): void {
    if (this.#open.size >= maxOpen) return
    const { channel, file } = fields
    if (typeof channel !== 'number' || typeof file !== 'number') return
    const number = ++this.#lastNumber
    const via = viaOf(String(fields['operation']))
    const about = { number, channel, file, path: pathOf(fields), via, us, keptBytes: 0 }
    this.#open.set(keyOf(fields), { file: about, keptBytes: 0 })
  }

  #kept(fields: Fields): void {
    const open = this.#open.get(keyOf(fields))
    if (open !== undefined) open.keptBytes += bytesOfBase64(String(fields['base64']))
  }

  #closed(fields: Fields): MovedFile | undefined {
    const open = this.#open.get(keyOf(fields))
    if (open === undefined) return undefined
    this.#open.delete(keyOf(fields))
    const { message, keptAt } = fields
    const read = fields['read'] as FileContent | undefined
    const written = fields['written'] as FileContent | undefined
    const inStream = typeof keptAt === 'number' ? (read ?? written)?.bytes : undefined
    return {
      ...open.file,
      status: String(fields['status']),
      message: typeof message === 'string' ? message : undefined,
      read,
      written,
      keptBytes: inStream ?? open.keptBytes,
      keptAt: typeof keptAt === 'number' ? keptAt : undefined,
    }
  }
}

/** The files of a session in the order in which they were closed. */
export function* movedFiles(records: Iterable<EventRecord>): Generator<MovedFile> {
  const files = new MovedFiles()
  for (const record of records) {
    const file = files.take(record)
    if (file !== undefined) yield file
  }
  yield* files.rest()
}

function keyOf(fields: Fields): string {
  return `${String(fields['channel'])} ${String(fields['file'])}`
}

export function pathOf(fields: Fields): string {
  const { path, pathBase64 } = fields
  if (typeof path === 'string') return path
  return typeof pathBase64 === 'string' ? Buffer.from(pathBase64, 'base64').toString('latin1') : ''
}

function viaOf(operation: string): MovedFile['via'] {
  if (operation.startsWith('zmodem')) return 'zmodem'
  return operation.startsWith('copy') ? 'scp' : 'sftp'
}

function bytesOfBase64(text: string): number {
  return Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
}
