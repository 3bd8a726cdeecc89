/** One recording on its way into the bucket: in parts while it grows, the rest when it is finished, and then a look at what is there. */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, readSync, statSync } from 'node:fs'
import type { Clock } from '../../clock.ts'
import { type Bucket, BucketError, type ObjectFacts, type Part, type Protection } from './bucket.ts'
import {
  freshNote,
  readNote,
  type SentPart,
  type StoredObject,
  type UploadNote,
  writeNote,
} from './upload-note.ts'

/** Parts grow with their number, so that the 10,000 that S3 takes are enough for its largest object. */
const partsOfOneSize = 900
const dayMs = 86_400_000
/** Locks that end this much earlier than they should are left as they are. */
const lockSlackMs = 3_600_000
/** Files are hashed in pieces of this size. */
const pieceBytes = 1024 * 1024

export type UploadParts = {
  readonly bucket: Bucket
  readonly clock: Clock
  readonly partBytes: number
  readonly objectLock?: { readonly mode: 'compliance' | 'governance'; readonly days: number }
  readonly legalHold: boolean
}

/** How long a part is that has this number, counted from 1. */
export function partBytesOf(number: number, partBytes: number): number {
  return partBytes * 2 ** Math.floor((number - 1) / partsOfOneSize)
}

/**
 * Being stopped at any instant does no harm: the file stays until the object was found whole, nothing is overwritten that is not
 * the same, and whoever goes on asks the bucket how far it is.
 */
export class Upload {
  readonly key: string
  readonly #file: string
  readonly #with: UploadParts
  #note: UploadNote
  /** Of everything that is in `#note.parts`. */
  #sha256: Hash = createHash('sha256')
  #sentBytes = 0
  /** An answer did not come, or another process began: the bucket may be further than we know. */
  #isUnsure: boolean
  #isTakenOver: boolean
  /** What was sent is what the finished file begins with. */
  #isChecked = false

  /** `isFresh`: this process has just made the file, so the bucket cannot know it. */
  constructor(file: string, key: string, parts: UploadParts, isFresh: boolean) {
    this.#file = file
    this.key = key
    this.#with = parts
    const note = isFresh ? undefined : readNote(file)
    this.#note = note ?? freshNote
    this.#isUnsure = !isFresh
    this.#isTakenOver = isFresh
  }

  /** A recording without a note was here before there was a bucket. */
  begin(): void {
    writeNote(this.#file, this.#note)
  }

  /** Bytes from the beginning that the bucket has. */
  get sentBytes(): number {
    return this.#note.stored?.bytes ?? this.#sentBytes
  }

  get stored(): StoredObject | undefined {
    return this.#note.stored
  }

  /** Bytes that would have to wait for the next part, or for the end. */
  get nextPartBytes(): number {
    return partBytesOf(this.#note.parts.length + 1, this.#with.partBytes)
  }

  /** Remembers a hold until the object is there to be held. */
  keepHold(on: boolean): void {
    this.#change({ hold: on })
  }

  /**
   * Sends what can be sent: whole parts, and all of it if the recording is finished; then gives what is stored. Rejects with a
   * BucketError; the next call goes on where this one stopped.
   */
  async advance(isFinished: boolean): Promise<StoredObject | undefined> {
    if (this.#note.stored !== undefined) return this.#note.stored
    try {
      if (!this.#isTakenOver) await this.#takeOver()
      if (isFinished && !this.#isChecked) this.#check()
      const { size } = statSync(this.#file)
      while (size - this.#sentBytes >= this.nextPartBytes) await this.#sendPart(this.nextPartBytes)
      return isFinished ? await this.#finish(size) : undefined
    } catch (error) {
      this.#isUnsure = true
      if (error instanceof BucketError && error.problem === 'no-upload') this.#startAnew()
      throw error
    }
  }

  /** Gives up what the bucket has of it, if it is not whole there. */
  async abort(): Promise<void> {
    const uploads = new Set(await this.#with.bucket.uploads(this.key))
    if (this.#note.upload !== undefined) uploads.add(this.#note.upload)
    for (const upload of uploads) await this.#with.bucket.abort(this.key, upload)
  }

  // ── going on where another process stopped ──────────────────────────────────────────────────────────────────────

  async #takeOver(): Promise<void> {
    const upload = this.#note.upload ?? (await this.#adopted())
    const listed = upload === undefined ? [] : await this.#listed(upload)
    this.#sha256 = createHash('sha256')
    this.#sentBytes = 0
    const kept = this.#sameAsHere(listed)
    if (listed !== undefined) this.#change({ ...(upload === undefined ? {} : { upload }), parts: kept })
    this.#isTakenOver = true
  }

  /** Begun by somebody who was stopped before they could note it. One is enough. */
  async #adopted(): Promise<string | undefined> {
    const uploads = [...(await this.#with.bucket.uploads(this.key))]
    const newest = uploads.pop()
    for (const upload of uploads) await this.#with.bucket.abort(this.key, upload)
    return newest
  }

  /** Undefined if the upload is over: completed, or removed. The parts that were noted then tell which object to expect. */
  async #listed(upload: string): Promise<readonly Part[] | undefined> {
    try {
      return await this.#with.bucket.parts(this.key, upload)
    } catch (error) {
      if (error instanceof BucketError && error.problem === 'no-upload') return undefined
      throw error
    }
  }

  /** The parts from the first on that are those of the file as it is now: recovery may have cut a torn end off it. */
  #sameAsHere(listed: readonly Part[] | undefined): readonly SentPart[] {
    const kept: SentPart[] = []
    const { size } = statSync(this.#file)
    for (const [index, { number, bytes, etag }] of (listed ?? []).entries()) {
      if (number !== index + 1 || this.#sentBytes + bytes > size) break
      const body = this.#readFile(this.#sentBytes, bytes)
      const noted = this.#note.parts[index]
      const md5 = md5Of(body)
      if (etag !== md5 && !(noted?.etag === etag && noted.md5 === md5)) break
      this.#took(body)
      kept.push({ bytes, md5, etag })
    }
    return kept
  }

  /**
   * Recovery of a worker process that died may have cut off and written again what is up already. So the finished file is read once
   * more, and what the bucket is compared with is what lies here now.
   */
  #check(): void {
    const { size } = statSync(this.#file)
    const kept: SentPart[] = []
    this.#sha256 = createHash('sha256')
    this.#sentBytes = 0
    for (const part of this.#note.parts) {
      if (this.#sentBytes + part.bytes > size) break
      const body = this.#readFile(this.#sentBytes, part.bytes)
      if (md5Of(body) !== part.md5) break
      this.#took(body)
      kept.push(part)
    }
    if (kept.length < this.#note.parts.length) this.#change({ parts: kept })
    this.#isChecked = true
  }

  #startAnew(): void {
    const { upload: _, ...rest } = this.#note
    this.#note = { ...rest, parts: [] }
    writeNote(this.#file, this.#note)
    this.#sha256 = createHash('sha256')
    this.#sentBytes = 0
  }

  // ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #sendPart(bytes: number): Promise<void> {
    const upload = await this.#begun()
    const body = this.#readFile(this.#sentBytes, bytes)
    const number = this.#note.parts.length + 1
    const etag = await this.#with.bucket.putPart(this.key, upload, number, body)
    this.#took(body)
    this.#change({ parts: [...this.#note.parts, { bytes, md5: md5Of(body), etag }] })
  }

  async #begun(): Promise<string> {
    if (this.#note.upload !== undefined) return this.#note.upload
    const left = this.#isUnsure ? await this.#adopted() : undefined
    const upload = left ?? (await this.#with.bucket.create(this.key, this.#protection()))
    this.#change({ upload })
    return upload
  }

  async #finish(size: number): Promise<StoredObject> {
    const { bucket } = this.#with
    const before = this.#isUnsure ? await bucket.head(this.key) : undefined
    if (before !== undefined) return this.#found(before, size)
    if (this.#note.upload === undefined) await this.#sendWhole(size)
    else await this.#sendRest(this.#note.upload, size)
    const facts = await bucket.head(this.key)
    if (facts === undefined) throw new BucketError('other', 'the object that was stored is not there')
    return this.#found(facts, size)
  }

  async #sendWhole(size: number): Promise<void> {
    const body = this.#readFile(0, size)
    try {
      await this.#with.bucket.put(this.key, body, this.#protection())
    } catch (error) {
      if (!(error instanceof BucketError && error.problem === 'exists')) throw error // it is looked at next
    }
  }

  async #sendRest(upload: string, size: number): Promise<void> {
    if (size > this.#sentBytes) await this.#sendPart(size - this.#sentBytes)
    const parts = this.#note.parts.map(({ bytes, etag }, index) => ({ number: index + 1, bytes, etag }))
    await this.#with.bucket.complete(this.key, upload, parts)
  }

  // ── looking at what is there ────────────────────────────────────────────────────────────────────────────────────

  async #found(facts: ObjectFacts, size: number): Promise<StoredObject> {
    const sha256 = this.#wholeSha256(size)
    const isSame =
      facts.bytes === size && (this.#isEtagRight(facts.etag) || (await this.#isContentRight(sha256)))
    if (!isSame)
      throw new BucketError(
        'exists',
        `the bucket has another object under ${this.key} (${facts.bytes} bytes): it is left as it is`,
      )
    await this.#protect(facts)
    if (this.#isUnsure) await this.#tidy(facts)
    const { etag, version } = facts
    const atMs = this.#with.clock.nowMs()
    const stored = { atMs, bytes: size, sha256, etag, ...(version === undefined ? {} : { version }) }
    this.#change({ stored })
    return stored
  }

  /** A request whose answer was lost may be carried out later than one that followed it: one object is enough. */
  async #tidy({ etag, bytes }: ObjectFacts): Promise<void> {
    const { bucket } = this.#with
    for (const upload of await bucket.uploads(this.key)) await bucket.abort(this.key, upload)
    const [, ...older] = (await bucket.versions(this.key)).filter(version => !version.isMarker)
    for (const { version } of older) {
      const facts = await bucket.head(this.key, version)
      if (facts?.etag === etag && facts.bytes === bytes)
        await bucket.remove(this.key, version).catch(() => {}) // locked, or not allowed: then there are two of the same
    }
  }

  #isEtagRight(etag: string): boolean {
    const { parts } = this.#note
    if (parts.length === 0) return etag === this.#fileDigest('md5')
    const md5s = Buffer.concat(parts.map(part => Buffer.from(part.md5, 'hex')))
    return etag === `${md5Of(md5s)}-${parts.length}`
  }

  /** Where ETags are no MD5s (a bucket that encrypts with a key of its own) there is no other way. */
  async #isContentRight(sha256: string): Promise<boolean> {
    const hash = createHash('sha256')
    try {
      for await (const piece of await this.#with.bucket.read(this.key)) hash.update(piece as Buffer)
    } catch (error) {
      throw error instanceof BucketError ? error : new BucketError('away', 'reading back broke off', error)
    }
    return hash.digest('hex') === sha256
  }

  #wholeSha256(size: number): string {
    return this.#sentBytes === size ? this.#sha256.copy().digest('hex') : this.#fileDigest('sha256')
  }

  #fileDigest(algorithm: 'md5' | 'sha256'): string {
    const hash = createHash(algorithm)
    const { size } = statSync(this.#file)
    for (let at = 0; at < size; at += pieceBytes)
      hash.update(this.#readFile(at, Math.min(pieceBytes, size - at)))
    return hash.digest('hex')
  }

  /** Some servers forget the lock of an upload in parts; and it has to last from now on. */
  async #protect({ protection }: ObjectFacts): Promise<void> {
    const { bucket } = this.#with
    const { lock, hold } = this.#protection()
    const isLockShort = lock !== undefined && (protection.lock?.untilMs ?? 0) < lock.untilMs - lockSlackMs
    const isHoldMissing = hold && !protection.hold
    if (isLockShort) await bucket.lock(this.key, lock)
    if (isHoldMissing) await bucket.hold(this.key, true)
    if (!isLockShort && !isHoldMissing) return
    const after = (await bucket.head(this.key))?.protection
    if ((isLockShort && after?.lock === undefined) || (isHoldMissing && after?.hold !== true))
      throw new BucketError(
        'other',
        'the bucket does not keep objects from being deleted, although it says so',
      )
  }

  #protection(): Protection {
    const { objectLock, legalHold, clock } = this.#with
    const hold = this.#note.hold ?? legalHold
    if (objectLock === undefined) return { hold }
    return { hold, lock: { mode: objectLock.mode, untilMs: clock.nowMs() + objectLock.days * dayMs } }
  }

  // ── the file and its note ───────────────────────────────────────────────────────────────────────────────────────

  #took(body: Buffer): void {
    this.#sha256.update(body)
    this.#sentBytes += body.length
  }

  #change(change: Partial<UploadNote>): void {
    this.#note = { ...this.#note, ...change }
    writeNote(this.#file, this.#note)
  }

  /** What goes up is on the disk first: after a power cut the bucket must not have what the file has not. */
  #readFile(from: number, bytes: number): Buffer {
    const fd = openSync(this.#file, 'r')
    try {
      fdatasyncSync(fd)
      const body = Buffer.allocUnsafe(bytes)
      let filled = 0
      while (filled < bytes) {
        const read = readSync(fd, body, filled, bytes - filled, from + filled)
        if (read === 0) throw new Error('the recording became shorter while it was stored')
        filled += read
      }
      return body
    } finally {
      closeSync(fd)
    }
  }
}

function md5Of(body: Buffer): string {
  return createHash('md5').update(body).digest('hex')
}
