/** What the recordings folder holds when a gateway starts: recordings on their way into the bucket, and what lies beside them. */
import { opendirSync } from 'node:fs'
import { join } from 'node:path'
import { anchorsOf } from '../register.ts'

/** Every recording of the folder, relative to it, oldest days first. */
export function* recordingsIn(folder: string): Generator<string> {
  for (const day of daysIn(folder))
    for (const name of namesIn(join(folder, day), /\.sallyport$/)) yield join(day, name)
}

/** Recordings that have a note of an upload, whether they are there or not. */
export function* notesIn(folder: string): Generator<string> {
  for (const day of daysIn(folder))
    for (const name of namesIn(join(folder, day), /\.upload$/))
      yield join(day, name.replace(/\.upload$/, '.sallyport'))
}

/** `YYYY/MM/DD`. */
function* daysIn(folder: string): Generator<string> {
  for (const year of namesIn(folder, /^\d{4}$/))
    for (const month of namesIn(join(folder, year), /^\d{2}$/))
      for (const day of namesIn(join(folder, year, month), /^\d{2}$/)) yield join(year, month, day)
}

function namesIn(folder: string, pattern: RegExp): readonly string[] {
  const names: string[] = []
  const entries = openFolder(folder)
  for (let entry = entries?.readSync(); entry != null; entry = entries?.readSync())
    if (pattern.test(entry.name)) names.push(entry.name)
  entries?.closeSync()
  return names.toSorted()
}

function openFolder(folder: string): ReturnType<typeof opendirSync> | undefined {
  try {
    return opendirSync(folder)
  } catch {
    return undefined // removed meanwhile
  }
}

/** Sealed, and with the proofs of its place: nothing will be added. Reads it to its end. */
export function isWhole(file: string): boolean {
  try {
    const { seal, proofs } = anchorsOf(file)
    return (
      seal !== undefined &&
      ['session-open', 'session-seal'].every(of => proofs.some(proof => proof.of === of))
    )
  } catch {
    return false
  }
}
