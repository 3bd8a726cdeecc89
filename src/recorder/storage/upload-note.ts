/**
 * What is known of a recording's way into the bucket, in a small file beside it: `<session>.upload`. Everything in it can be found
 * out from the bucket again, but for the hold that somebody asked for and what was found of the stored object.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/** A part as it was sent. */
export type SentPart = {
  readonly bytes: number
  /** Of what was sent, in hexadecimal. */
  readonly md5: string
  /** As the server called it; its MD5 on most servers. */
  readonly etag: string
}

export type StoredObject = {
  readonly atMs: number
  readonly bytes: number
  readonly sha256: string
  readonly etag: string
  readonly version?: string
}

export type UploadNote = {
  readonly version: 1
  readonly upload?: string
  readonly parts: readonly SentPart[]
  /** Asked for before the object was there. */
  readonly hold?: boolean
  readonly stored?: StoredObject
}

export const freshNote: UploadNote = { version: 1, parts: [] }

export function noteFileOf(recording: string): string {
  return recording.replace(/\.sallyport$/, '') + '.upload'
}

/** Undefined if there is none that can be read: the bucket knows the rest. */
export function readNote(recording: string): UploadNote | undefined {
  try {
    const note = JSON.parse(readFileSync(noteFileOf(recording), 'utf8')) as UploadNote
    return note.version === 1 && Array.isArray(note.parts) ? note : undefined
  } catch {
    return undefined
  }
}

/** Whole or not at all. */
export function writeNote(recording: string, note: UploadNote): void {
  const file = noteFileOf(recording)
  writeFileSync(`${file}.draft`, JSON.stringify(note), { mode: 0o600 })
  renameSync(`${file}.draft`, file)
}

export function removeNote(recording: string): void {
  rmSync(noteFileOf(recording), { force: true })
}
