/** Files that passed, what was done to files, and streams that were forwarded. */
import { carriesData, type EventRecord } from '../../recorder/event.ts'
import type { FileDetail } from '../entry.ts'
import type { Teller } from './teller.ts'

/** Open files of a session; as many as a decoder lets be open. */
const maxOpen = 4096
/** What only looks changes nothing, and clients do it by the thousand. */
const looks: ReadonlySet<string> = new Set([
  'open',
  'open-directory',
  'close',
  'stat',
  'lstat',
  'fstat',
  'realpath',
  'real-path',
  'readlink',
  'read-link',
  'read-directory',
  'statvfs',
  'fstatvfs',
  'fsync',
  'limits',
  'expand-path',
  'home-directory',
  'names-of-ids',
])

type Fields = Readonly<Record<string, unknown>>

export class FileEntries {
  readonly #teller: Teller
  /** How each open file was opened, by channel and number. */
  readonly #open = new Map<string, string>()

  constructor(teller: Teller) {
    this.#teller = teller
  }

  take({ us, event }: EventRecord): void {
    if (carriesData(event)) return
    const { type, fields } = event
    switch (type) {
      case 'file-open':
        if (this.#open.size < maxOpen) this.#open.set(keyOf(fields), wordOf(fields['operation']))
        return
      case 'file-close':
        return this.#closed(us, fields)
      case 'file-operation':
        return this.#done(us, fields)
      case 'transfer':
        return this.#transfer(us, fields)
      case 'forward-open':
        return this.#forward(us, `${wordOf(fields['kind'])} to ${wordOf(fields['destination'])}`)
      case 'forward-listen':
        return this.#forward(us, `listen on ${wordOf(fields['place'])}`)
      case 'agent-request':
        if (fields['request'] === 'sign') this.#forward(us, signed(fields))
        return
      default:
        return
    }
  }

  #closed(us: number, fields: Fields): void {
    const operation = this.#open.get(keyOf(fields)) ?? 'open'
    this.#open.delete(keyOf(fields))
    const [written, read] = [contentOf(fields['written']), contentOf(fields['read'])]
    const content = written ?? read
    const direction = written !== undefined ? 'up' : read !== undefined ? 'down' : directionOf(operation)
    this.#file(us, pathOf(fields), {
      operation,
      ...(direction === undefined ? {} : { direction }),
      ...content,
      ...failed(fields['status']),
    })
  }

  #done(us: number, fields: Fields): void {
    const operation = wordOf(fields['operation'])
    const target = pathOf(fields, 'targetPath')
    const isOpening = operation === 'open' || operation === 'open-directory'
    if (looks.has(operation) && !(isOpening && fields['status'] !== 'ok')) return
    const path = pathOf(fields)
    const text = [path, target].filter(each => each !== '').join(' → ')
    this.#file(us, text === '' ? operation : text, { operation, ...failed(fields['status']) })
  }

  /** Of scp and ZMODEM each file is told by itself. */
  #transfer(us: number, fields: Fields): void {
    const program = wordOf(fields['program'])
    if (program !== 'rsync' && program !== 'git') return
    const up = fields['direction'] === 'to-target'
    const bytes = fields[up ? 'inputBytes' : 'outputBytes']
    const paths = Array.isArray(fields['paths']) ? fields['paths'].map(String) : []
    this.#file(us, paths.join(' '), {
      operation: program,
      direction: up ? 'up' : 'down',
      ...(typeof bytes === 'number' ? { bytes } : {}),
    })
  }

  #file(us: number, text: string, file: FileDetail): void {
    this.#teller.once({ kind: 'file', us, text, file })
  }

  #forward(us: number, text: string): void {
    this.#teller.once({ kind: 'forward', us, text })
  }
}

function signed(fields: Fields): string {
  const user = wordOf(fields['user'])
  const what = user === '' ? wordOf(fields['purpose']) : `sign-in as ${user}`
  return `signature of the client's agent with ${wordOf(fields['fingerprint'])} for ${what}`
}

function keyOf({ channel, file }: Fields): string {
  return `${String(channel)} ${String(file)}`
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function failed(status: unknown): { status?: string } {
  return typeof status === 'string' && status !== 'ok' ? { status } : {}
}

function directionOf(operation: string): 'up' | 'down' | undefined {
  if (operation.endsWith('to-target')) return 'up'
  return operation.endsWith('from-target') ? 'down' : undefined
}

function contentOf(value: unknown): { bytes: number; sha256?: string } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { bytes, sha256, complete } = value as { bytes?: unknown; sha256?: unknown; complete?: unknown }
  if (typeof bytes !== 'number') return undefined
  return { bytes, ...(typeof sha256 === 'string' && complete === true ? { sha256 } : {}) }
}

/** Paths are bytes; those that are no text are shown as Latin-1. */
function pathOf(fields: Fields, name: 'path' | 'targetPath' = 'path'): string {
  const base64 = fields[`${name}Base64`]
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64').toString('latin1')
  return wordOf(fields[name])
}
