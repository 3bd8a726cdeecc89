/** What makes two entries the same kind of act: the programs of a command line, the fingerprint of a statement. */
import { createHash } from 'node:crypto'
import type { EntryKind } from '../entry.ts'
import { readShell } from '../shell/reader.ts'

/** Programs of one line that are counted. */
const maxPrograms = 4
/** Characters of a name; longer ones are no programs that anybody has. */
const maxName = 64

/** `key`: 48 bits of a hash, which tells shapes apart and gives nothing away. */
export type Shape = { readonly key: number; readonly name: string }

/** None of what has no shape: screens, files, what the grammar could not read. */
export function shapesOf(kind: EntryKind, text: string, detail: string | null): readonly Shape[] {
  if (kind === 'command')
    return [...new Set(programsIn(text, detail))].slice(0, maxPrograms).map(programShape)
  if (kind !== 'statement' || detail === null) return []
  const { fingerprint } = JSON.parse(detail) as { fingerprint?: string }
  return fingerprint === undefined ? [] : [shapeOf('statement', fingerprint)]
}

/** What reads the line is a part of the name, if that was no shell. */
function programsIn(text: string, detail: string | null): readonly string[] {
  const { program } = (detail === null ? {} : JSON.parse(detail)) as { program?: string }
  if (program !== undefined) return [`${program}: ${text.trimStart().split(/\s/, 1)[0] ?? ''}`]
  return readShell(text).commands.flatMap(({ name }) => (name === '' ? [] : [name]))
}

function programShape(name: string): Shape {
  return shapeOf('command', name.slice(0, maxName))
}

function shapeOf(kind: EntryKind, name: string): Shape {
  const digest = createHash('sha256').update(`${kind}\n${name}`).digest()
  return { key: digest.readUIntBE(0, 6), name }
}
