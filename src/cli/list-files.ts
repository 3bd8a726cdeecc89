/** `sallyport play --files`: which files passed in a session, with the numbers that `export --file` takes. */
import type { FileContent } from '../recorder/file-event.ts'
import { type MovedFile, movedFiles } from '../recorder/moved-file.ts'
import { readRecording } from '../recorder/reader.ts'
import { clockText } from './playback.ts'
import type { Readable } from './play-sql.ts'
import { table } from './print.ts'

export function listFiles(file: Readable): void {
  const reader = readRecording(file.path, file)
  try {
    const files = [...movedFiles(reader.events())].toSorted((a, b) => a.number - b.number)
    const rows = files.map(rowOf)
    const heading = ['', 'at', 'via', 'which way', 'bytes', 'SHA-256', 'kept', 'path']
    process.stdout.write(rows.length === 0 ? 'No files were recorded.\n' : `${table([heading, ...rows])}\n`)
  } finally {
    reader.close()
  }
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
