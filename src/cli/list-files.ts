/** `sallyport play --files`: which files passed in a session, with the numbers that `export --file` takes. */
import { carriesData, type EventRecord } from '../recorder/event.ts'
import type { FileContent } from '../recorder/file-event.ts'
import { type MovedFile, MovedFiles } from '../recorder/moved-file.ts'
import { readRecording } from '../recorder/reader.ts'
import { clockText } from './playback.ts'
import type { Readable } from './play-sql.ts'
import { table } from './print.ts'

export function listFiles(file: Readable): void {
  const reader = readRecording(file.path, file)
  try {
    const moved = new MovedFiles()
    const [files, transfers]: [MovedFile[], string[][]] = [[], []]
    for (const record of reader.events()) {
      const file = moved.take(record)
      if (file !== undefined) files.push(file)
      const transfer = transferRow(record)
      if (transfer !== undefined) transfers.push(transfer)
    }
    files.push(...moved.rest())
    const rows = [...files.toSorted((a, b) => a.number - b.number).map(rowOf), ...transfers]
    const heading = ['', 'at', 'via', 'which way', 'bytes', 'SHA-256', 'kept', 'path']
    process.stdout.write(rows.length === 0 ? 'No files were recorded.\n' : `${table([heading, ...rows])}\n`)
  } finally {
    reader.close()
  }
}

/** rsync and git move parts of files, in ways of their own: of these there is the command, and the stream that it moved. */
function transferRow({ us, event }: EventRecord): string[] | undefined {
  if (carriesData(event) || event.type !== 'transfer') return undefined
  const { program, direction, paths, inputBytes, outputBytes } = event.fields
  if (program !== 'rsync' && program !== 'git') return undefined
  const toTarget = direction === 'to-target'
  const bytes = String(toTarget ? inputBytes : outputBytes)
  const names = Array.isArray(paths) ? paths.join(' ') : ''
  return [
    '',
    clockText(us),
    program,
    toTarget ? 'to target' : 'from target',
    bytes,
    'not file by file',
    'stream',
    names,
  ]
}

function rowOf({ number, us, via, path, read, written, keptBytes, status }: MovedFile): readonly string[] {
  const content = written ?? read
  const way = written === undefined ? (read === undefined ? '' : 'from target') : 'to target'
  return [
    String(number),
    clockText(us),
    via,
    way,
    content === undefined ? '' : String(content.bytes),
    digestOf(content),
    keptOf(keptBytes, content),
    status === 'ok' ? path : `${path} (${status})`,
  ]
}

function digestOf(content: FileContent | undefined): string {
  if (content === undefined) return ''
  if (content.sha256 === undefined) return `${content.ranges?.length ?? 0} ranges`
  return content.complete ? content.sha256 : `${content.sha256} (of what passed)`
}

function keptOf(keptBytes: number, content: FileContent | undefined): string {
  if (keptBytes === 0) return ''
  return keptBytes >= (content?.bytes ?? Infinity) ? 'all' : `${keptBytes} bytes`
}
