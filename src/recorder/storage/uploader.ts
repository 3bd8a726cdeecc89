/**
 * Everything that waits to be stored. The recordings folder is the list: what lies there and is not stored goes up, and nothing is
 * removed from there before the bucket was found to have it.
 */
import { rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { reasonOf } from '../../errors.ts'
import { delayAfterMs } from './back-off.ts'
import { BucketError } from './bucket.ts'
import { isWhole, notesIn, recordingsIn } from './spooled-files.ts'
import { readNote, removeNote, type StoredObject } from './upload-note.ts'
import { Upload, type UploadParts } from './upload.ts'

/** Recordings that go up at the same time; each holds one part in memory. */
const maxAtOnce = 2
/** How often sizes are looked at, and what is due. */
const lookEveryMs = 1_000

/** What waits, as limits and metrics see it. */
export type SpoolState = {
  /** Bytes of recordings that the bucket does not have, of live ones too. */
  readonly waitingBytes: number
  /** How long the longest has waited that could be up. */
  readonly oldestMs: number
  /** Bytes here of recordings that are not stored, whatever of them is up. */
  readonly spoolBytes: number
  /** Finished recordings that are not stored. */
  readonly waiting: number
  /** False while the bucket does not take anything. */
  readonly isUp: boolean
  /** Since the start. */
  readonly failedAttempts: number
}

export type StorageEvent =
  | { readonly kind: 'stored'; readonly session: string; readonly key: string; readonly object: StoredObject }
  /** The first failure of an outage. */
  | { readonly kind: 'failing'; readonly reason: string }
  | { readonly kind: 'recovered'; readonly afterMs: number; readonly waiting: number }
  /** One recording cannot be stored, the others can. */
  | { readonly kind: 'stuck'; readonly session: string; readonly reason: string }
  | { readonly kind: 'vanished'; readonly session: string }
  | { readonly kind: 'state'; readonly state: SpoolState }

export type UploaderOptions = UploadParts & {
  readonly folder: string
  readonly prefix: string
  readonly keepLocalMs: number
  /** Above this, local copies of what is stored go at once. */
  readonly spoolBytes: number
  readonly heard: (event: StorageEvent) => void
  /** For tests. */
  readonly lookEveryMs?: number
  readonly delayMs?: (failures: number) => number
}

type Item = {
  readonly recording: string
  readonly upload: Upload
  /** Was here before this gateway knew a bucket: it goes up, and does not count as waiting. */
  readonly isOld: boolean
  isFinished: boolean
  isRunning: boolean
  bytes: number
  /** Since when something could be up. */
  dueSinceMs: number | undefined
  failures: number
  tryAtMs: number
  isTold: boolean
}

export class Uploader {
  readonly #options: UploaderOptions
  readonly #clock: Clock
  readonly #items = new Map<string, Item>()
  /** Recordings that readers have open. */
  readonly #pins = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  readonly #running = new Set<Promise<void>>()
  /** While the bucket is away, one of them tries and the others wait. */
  #outage: { sinceMs: number; failures: number; tryAtMs: number } | undefined
  #failedAttempts = 0
  #isClosed = false

  constructor(options: UploaderOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#timer = setInterval(() => this.look(), options.lookEveryMs ?? lookEveryMs)
    this.#timer.unref()
  }

  /** A recording was begun by this gateway; `isFresh`: just now, so that the bucket cannot know it. */
  opened(recording: string, isFresh = true): void {
    const { upload } = this.#add(recording, { isFinished: false, isFresh })
    if (!isFresh) return
    try {
      upload.begin()
    } catch {
      // the disk is full: the recorder knows what to do about that
    }
  }

  /** It is sealed and has its proofs: nothing will be added to it. */
  finished(recording: string): void {
    const item = this.#items.get(recording) ?? this.#add(recording, { isFinished: true, isFresh: false })
    item.isFinished = true
    this.#measure(item)
    this.#next()
  }

  /** Takes up what earlier gateways left, once recovery has sealed what it could. */
  async takeUp(): Promise<void> {
    for (const recording of recordingsIn(this.#options.folder)) {
      if (this.#isClosed) return
      if (!this.#items.has(recording) && this.#isFinished(recording))
        this.#add(recording, { isFinished: true, isFresh: false })
      await nextTurn()
    }
    for (const recording of notesIn(this.#options.folder)) this.#tidyNote(recording)
    this.look()
  }

  /** The local file, if it still is here; it stays until it is released. */
  pin(recording: string): { path: string; release: () => void } | undefined {
    const path = join(this.#options.folder, recording)
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
    this.#pins.set(recording, (this.#pins.get(recording) ?? 0) + 1)
    let isReleased = false
    const release = () => {
      if (isReleased) return
      isReleased = true
      const left = (this.#pins.get(recording) ?? 1) - 1
      if (left > 0) this.#pins.set(recording, left)
      else this.#pins.delete(recording)
    }
    return { path, release }
  }

  /** Remembers a hold for what is not stored yet; false if it is. */
  keepHold(recording: string, on: boolean): boolean {
    const item = this.#items.get(recording)
    if (item === undefined || item.upload.stored !== undefined) return false
    item.upload.keepHold(on)
    return true
  }

  /** Stops sending it, and gives up what is up of it. */
  async drop(recording: string): Promise<void> {
    const item = this.#items.get(recording)
    if (item === undefined) return
    this.#items.delete(recording)
    while (item.isRunning) await Promise.race(this.#running)
    if (item.upload.stored === undefined) await item.upload.abort()
  }

  state(): SpoolState {
    const nowMs = this.#clock.nowMs()
    let [waitingBytes, spoolBytes, waiting, oldestMs] = [0, 0, 0, 0]
    for (const { upload, bytes, isFinished, isOld, dueSinceMs } of this.#items.values()) {
      if (upload.stored !== undefined || isOld) continue
      waitingBytes += Math.max(0, bytes - upload.sentBytes)
      spoolBytes += bytes
      if (isFinished) waiting++
      if (dueSinceMs !== undefined) oldestMs = Math.max(oldestMs, nowMs - dueSinceMs)
    }
    const isUp = this.#outage === undefined
    return { waitingBytes, oldestMs, spoolBytes, waiting, isUp, failedAttempts: this.#failedAttempts }
  }

  /** Looks at the folder, and starts what is due. */
  look(): void {
    if (this.#isClosed) return
    for (const item of this.#items.values()) if (!item.isOld || item.bytes === 0) this.#measure(item)
    this.#next()
    this.#options.heard({ kind: 'state', state: this.state() })
  }

  /** What is new goes before what was here already. */
  #next(): void {
    if (this.#isClosed) return
    const { spoolBytes } = this.state()
    for (const item of this.#items.values()) {
      if (item.upload.stored !== undefined) this.#letGo(item, spoolBytes)
      else if (!item.isOld && this.#isDue(item)) this.#start(item)
    }
    for (const item of this.#items.values()) if (this.#hasRoom() && this.#isDue(item)) this.#start(item)
  }

  /** Waits for the requests that are under way; what is not stored is the next start's. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await Promise.allSettled(this.#running)
  }

  #isFinished(recording: string): boolean {
    const file = join(this.#options.folder, recording)
    return readNote(file)?.stored !== undefined || isWhole(file)
  }

  #add(recording: string, { isFinished, isFresh }: { isFinished: boolean; isFresh: boolean }): Item {
    const file = join(this.#options.folder, recording)
    const isOld = !isFresh && readNote(file) === undefined
    const upload = new Upload(file, `${this.#options.prefix}${recording}`, this.#options, isFresh)
    const item: Item = {
      recording,
      upload,
      isOld,
      isFinished,
      isRunning: false,
      bytes: 0,
      dueSinceMs: undefined,
      failures: 0,
      tryAtMs: 0,
      isTold: false,
    }
    this.#items.set(recording, item)
    return item
  }

  /** Sizes are asked for each second: the recorder's path knows nothing of all this. */
  #measure(item: Item): void {
    const stat = statSync(join(this.#options.folder, item.recording), { throwIfNoEntry: false })
    if (stat === undefined) return this.#vanished(item)
    item.bytes = stat.size
    const isDue = item.isFinished || item.bytes - item.upload.sentBytes >= item.upload.nextPartBytes
    if (!isDue) item.dueSinceMs = undefined
    else
      item.dueSinceMs ??= item.isFinished ? Math.min(stat.mtimeMs, this.#clock.nowMs()) : this.#clock.nowMs()
  }

  #vanished(item: Item): void {
    this.#items.delete(item.recording)
    if (item.upload.stored === undefined)
      this.#options.heard({ kind: 'vanished', session: sessionOf(item.recording) })
    removeNote(join(this.#options.folder, item.recording))
  }

  #isDue(item: Item): boolean {
    const nowMs = this.#clock.nowMs()
    if (
      item.isRunning ||
      item.upload.stored !== undefined ||
      item.dueSinceMs === undefined ||
      nowMs < item.tryAtMs
    )
      return false
    return this.#hasRoom() && (this.#outage === undefined || nowMs >= this.#outage.tryAtMs)
  }

  #hasRoom(): boolean {
    return this.#running.size < (this.#outage === undefined ? maxAtOnce : 1)
  }

  #start(item: Item): void {
    item.isRunning = true
    const run = this.#advance(item).finally(() => {
      item.isRunning = false
      this.#running.delete(run)
      if (this.#items.has(item.recording)) this.#measure(item)
      this.#next()
    })
    this.#running.add(run)
  }

  async #advance(item: Item): Promise<void> {
    try {
      const stored = await item.upload.advance(item.isFinished)
      this.#succeeded(item)
      if (stored !== undefined) this.#stored(item, stored)
    } catch (error) {
      this.#failed(item, error)
    }
  }

  #stored(item: Item, object: StoredObject): void {
    const { key } = item.upload
    this.#options.heard({ kind: 'stored', session: sessionOf(item.recording), key, object })
    this.#options.heard({ kind: 'state', state: this.state() })
  }

  #succeeded(item: Item): void {
    item.failures = 0
    item.isTold = false
    item.dueSinceMs = undefined
    if (this.#outage === undefined) return
    const afterMs = this.#clock.nowMs() - this.#outage.sinceMs
    this.#outage = undefined
    this.#options.heard({ kind: 'recovered', afterMs, waiting: this.state().waiting })
  }

  #failed(item: Item, error: unknown): void {
    this.#failedAttempts++
    const isOfThisOne = !(error instanceof BucketError) || ofOneRecording.has(error.problem)
    if (isOfThisOne) this.#failedAlone(item, reasonOf(error))
    else this.#failedForAll(error.message)
  }

  #failedAlone(item: Item, reason: string): void {
    item.failures++
    item.tryAtMs = this.#clock.nowMs() + this.#delayMs(item.failures)
    if (item.isTold || item.failures < failuresBeforeTold) return
    item.isTold = true
    this.#options.heard({ kind: 'stuck', session: sessionOf(item.recording), reason })
  }

  #failedForAll(reason: string): void {
    const nowMs = this.#clock.nowMs()
    if (this.#outage === undefined) this.#options.heard({ kind: 'failing', reason })
    const { sinceMs, failures } = this.#outage ?? { sinceMs: nowMs, failures: 0 }
    this.#outage = { sinceMs, failures: failures + 1, tryAtMs: nowMs + this.#delayMs(failures + 1) }
  }

  #delayMs(failures: number): number {
    return (this.#options.delayMs ?? delayAfterMs)(failures)
  }

  /** The bucket has it: the local copy goes when its time is over, or at once where room is short. */
  #letGo(item: Item, spoolBytes: number): void {
    const { stored } = item.upload
    if (stored === undefined || this.#pins.has(item.recording)) return
    const isOver = this.#clock.nowMs() >= stored.atMs + this.#options.keepLocalMs
    if (!isOver && spoolBytes < this.#options.spoolBytes) return
    this.#items.delete(item.recording)
    removeStored(this.#options.folder, item.recording)
  }

  /** The note goes last, so what a crash leaves is a note alone. */
  #tidyNote(recording: string): void {
    const file = join(this.#options.folder, recording)
    if (statSync(file, { throwIfNoEntry: false }) !== undefined) return
    if (readNote(file)?.stored === undefined)
      this.#options.heard({ kind: 'vanished', session: sessionOf(recording) })
    removeNote(file)
  }
}

/** Once may be chance: an upload that a rule of the bucket removed begins anew. */
const failuresBeforeTold = 2
const ofOneRecording: ReadonlySet<string> = new Set(['exists', 'no-upload', 'no-object', 'other', 'locked'])

/** The recording itself first; what recovery put aside beside it stays here. */
function removeStored(folder: string, recording: string): void {
  const file = join(folder, recording)
  rmSync(file, { force: true })
  rmSync(file.replace(/\.sallyport$/, '.keyframes'), { force: true })
  removeNote(file)
}

function sessionOf(recording: string): string {
  return basename(recording, '.sallyport')
}
