/** Copies of what was fetched from the bucket: bounded, the ones that nobody used for longest go first, and nobody else reads them. */
import { randomBytes } from 'node:crypto'
import {
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Bucket, BucketError, type ObjectFacts } from './bucket.ts'
import type { FetchedRecording } from './recording-store.ts'

/** A download that breaks off goes on from there: so much is fetched at a time. */
const rangeBytes = 16 * 1024 * 1024
/** Of the same range, before whoever asked is told. */
const maxTries = 3

/** By which backups and `verify` know that what lies there is kept elsewhere: the Cache Directory Tagging Specification. */
export const cacheTag = 'CACHEDIR.TAG'
const cacheSignature = 'Signature: 8a477f597d28d172789f06886806bc55\n'

export class RecordingCache {
  readonly #folder: string
  readonly #maxBytes: number
  readonly #fetching = new Map<string, Promise<string>>()
  readonly #pins = new Map<string, number>()

  /** What another process was downloading is removed. */
  constructor(folder: string, maxBytes: number) {
    this.#folder = folder
    this.#maxBytes = maxBytes
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, cacheTag), cacheSignature, { mode: 0o600 })
    for (const name of readdirSync(folder)) if (name.endsWith('.part')) rmSync(join(folder, name))
  }

  /** A copy of that version of the object. Rejects with a BucketError. */
  async fetch(bucket: Bucket, key: string, facts: ObjectFacts): Promise<FetchedRecording> {
    const name = basename(key)
    const release = this.#pin(name)
    try {
      let fetching = this.#fetching.get(name)
      if (fetching === undefined) {
        fetching = this.#download(bucket, key, facts).finally(() => this.#fetching.delete(name))
        this.#fetching.set(name, fetching)
      }
      return { path: await fetching, release }
    } catch (error) {
      release()
      throw error
    }
  }

  remove(recording: string): void {
    const session = basename(recording, '.sallyport')
    for (const name of readdirSync(this.#folder))
      if (name.startsWith(`${session}.`)) rmSync(join(this.#folder, name), { force: true })
  }

  async #download(bucket: Bucket, key: string, facts: ObjectFacts): Promise<string> {
    const path = join(this.#folder, basename(key))
    const now = new Date()
    if (statSync(path, { throwIfNoEntry: false })?.size === facts.bytes) {
      utimesSync(path, now, now)
      return path
    }
    this.#makeRoomFor(facts.bytes)
    const part = `${path}.${randomBytes(8).toString('hex')}.part`
    try {
      for (let from = 0; from < facts.bytes; ) from += await downloadRange(bucket, key, facts, from, part)
      renameSync(part, path)
    } finally {
      rmSync(part, { force: true })
    }
    return path
  }

  /** What somebody reads stays, so the limit is passed where more than that is read at once. */
  #makeRoomFor(bytes: number): void {
    const names = readdirSync(this.#folder).filter(name => name !== cacheTag)
    const files = names.map(name => {
      const { size, mtimeMs } = statSync(join(this.#folder, name))
      return { name, session: name.slice(0, name.indexOf('.')), size, mtimeMs }
    })
    let total = bytes + files.reduce((sum, { size }) => sum + size, 0)
    for (const { name, session, size } of files.toSorted((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (total <= this.#maxBytes) return
      if (this.#pins.has(`${session}.sallyport`)) continue
      rmSync(join(this.#folder, name), { force: true })
      total -= size
    }
  }

  #pin(name: string): () => void {
    this.#pins.set(name, (this.#pins.get(name) ?? 0) + 1)
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      const left = (this.#pins.get(name) ?? 1) - 1
      if (left > 0) this.#pins.set(name, left)
      else this.#pins.delete(name)
    }
  }
}

/** Appends one range to the file, from its beginning again if it broke off; gives its bytes. */
async function downloadRange(
  bucket: Bucket,
  key: string,
  { etag, bytes, version }: ObjectFacts,
  from: number,
  file: string,
): Promise<number> {
  const range = { from, bytes: Math.min(rangeBytes, bytes - from), etag, version }
  for (let tries = 1; ; tries++) {
    try {
      const body = await bucket.read(key, range)
      await pipeline(
        body,
        createWriteStream(file, { flags: from === 0 ? 'w' : 'r+', start: from, mode: 0o600 }),
      )
      const { size } = statSync(file)
      if (size !== from + range.bytes) throw new BucketError('away', 'the download broke off')
      return range.bytes
    } catch (error) {
      const isOver = error instanceof BucketError && error.problem !== 'away'
      if (isOver || tries === maxTries) throw asBucketError(error)
    }
  }
}

function asBucketError(error: unknown): BucketError {
  return error instanceof BucketError ? error : new BucketError('away', 'the download broke off', error)
}
