/** Where a gateway's recordings go: nowhere else, or through a thread of its own into a bucket. */
import { Worker } from 'node:worker_threads'
import type { S3StoreConfig } from '../../config/config.ts'
import { Fault } from '../../errors.ts'
import { localStore } from './local-store.ts'
import type { FetchedRecording, RecordingStore } from './recording-store.ts'
import { accessOf } from './s3-bucket.ts'
import type {
  Answer,
  FromStorage,
  StorageNews,
  StorageQuestion,
  StorageStart,
  ToStorage,
} from './storage-messages.ts'
import type { Spool } from './spool.ts'
import type { SpoolState, StorageEvent } from './uploader.ts'

/** A thread that fails is started again after this. */
const restartMs = 5_000
/** Requests that are under way when the gateway stops; the next start goes on with what is cut off. */
const closeWithinMs = 3_000

export type RecordingStorage = RecordingStore &
  Spool & {
    /** Takes up what earlier gateways left; call it once recovery is done. */
    readonly takeUp: () => Promise<void>
    /** Undefined for a local folder. */
    readonly state: () => SpoolState | undefined
    readonly close: () => Promise<void>
  }

export type StorageOptions = {
  readonly folder: string
  readonly cacheFolder: string
  /** Undefined: everything stays in the folder. */
  readonly s3?: S3StoreConfig
  readonly heard: (event: StorageEvent | { readonly kind: 'broken'; readonly reason: string }) => void
}

export function openStorage(options: StorageOptions): RecordingStorage {
  return options.s3 === undefined ? localStorage(options.folder) : new StorageThread(options, options.s3)
}

function localStorage(folder: string): RecordingStorage {
  return {
    ...localStore(folder),
    opened: () => {},
    finished: () => {},
    refusal: () => undefined,
    onFull: () => {},
    takeUp: async () => {},
    state: () => undefined,
    close: async () => {},
  }
}

const nothingYet: SpoolState = {
  waitingBytes: 0,
  oldestMs: 0,
  spoolBytes: 0,
  waiting: 0,
  isUp: true,
  failedAttempts: 0,
}

type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (fault: Fault) => void }

class StorageThread implements RecordingStorage {
  readonly #options: StorageOptions
  readonly #limits: S3StoreConfig['backlog']
  readonly #start: StorageStart
  readonly #waiting = new Map<number, Waiting>()
  /** Recordings that are being written: a new thread has to hear of them. */
  readonly #open = new Set<string>()
  readonly #onFull: ((fault: Fault) => void)[] = []
  #worker: Worker
  #restarting: NodeJS.Timeout | undefined
  #state = nothingYet
  #lastId = 0
  #isClosed = false

  constructor(options: StorageOptions, s3: S3StoreConfig) {
    this.#options = options
    this.#limits = s3.backlog
    this.#start = { access: accessOf(s3), folder: options.folder, cacheFolder: options.cacheFolder }
    this.#worker = this.#spawn()
  }

  opened(recording: string): void {
    this.#open.add(recording)
    this.#tell({ kind: 'opened', recording, isFresh: true })
  }

  finished(recording: string): void {
    this.#open.delete(recording)
    this.#tell({ kind: 'finished', recording })
  }

  refusal(): Fault | undefined {
    const { bytes, ageMs } = this.#limits
    const { waitingBytes, oldestMs } = this.#state
    if (waitingBytes < bytes && oldestMs < ageMs) return undefined
    const text =
      'Recordings cannot be stored at the moment and too many wait, so no new sessions are opened. Try again later, or tell the operator.'
    return new Fault('RECORDING_STORE_BEHIND', text, {
      log: `${waitingBytes} bytes wait to be stored, the oldest for ${Math.round(oldestMs / 1000)} s`,
    })
  }

  onFull(listener: (fault: Fault) => void): void {
    this.#onFull.push(listener)
  }

  async takeUp(): Promise<void> {
    await this.#ask({ kind: 'take-up' })
  }

  state(): SpoolState {
    return this.#state
  }

  async fetch(recording: string): Promise<FetchedRecording> {
    const worker = this.#worker
    const { path = '', ticket = 0 } = await this.#ask({ kind: 'fetch', recording })
    return {
      path,
      release: () => {
        if (worker === this.#worker) this.#tell({ kind: 'release', ticket })
      },
    }
  }

  async remove(recording: string): Promise<void> {
    await this.#ask({ kind: 'remove', recording })
  }

  async mayRemove(recording: string): Promise<void> {
    await this.#ask({ kind: 'may-remove', recording })
  }

  async hold(recording: string, on: boolean): Promise<void> {
    await this.#ask({ kind: 'hold', recording, on })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#restarting)
    this.#worker.ref()
    const given = setTimeout(() => void this.#worker.terminate(), closeWithinMs)
    const gone = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()))
    await this.#ask({ kind: 'close' }).catch(() => {})
    if (this.#worker.threadId !== -1) await gone
    clearTimeout(given)
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./storage-worker.ts', import.meta.url), { workerData: this.#start })
    worker.on('message', (message: FromStorage) => this.#heard(message))
    worker.on('error', (error: unknown) => this.#broken(error))
    worker.on('exit', () => this.#broken(new Error('the storage thread ended')))
    worker.unref()
    return worker
  }

  /** The folder has everything; a new thread finds out how far the old one was. */
  #broken(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(unavailable(String(error)))
    this.#waiting.clear()
    if (this.#isClosed || this.#restarting !== undefined) return
    this.#options.heard({ kind: 'broken', reason: String(error) })
    this.#restarting = setTimeout(() => this.#restart(), restartMs).unref()
  }

  #restart(): void {
    this.#restarting = undefined
    this.#worker = this.#spawn()
    for (const recording of this.#open) this.#tell({ kind: 'opened', recording, isFresh: false })
    this.takeUp().catch(() => {}) // the thread is broken again, which is heard of
  }

  #heard(message: FromStorage): void {
    if (message.kind === 'event') return this.#event(message.event)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'answer') return waiting?.resolve(message.answer)
    const { code = 'RECORDING_STORE_UNAVAILABLE', userText, log } = message
    waiting?.reject(new Fault(code, userText, { log }))
  }

  #event(event: StorageEvent): void {
    if (event.kind === 'state') {
      this.#state = event.state
      if (event.state.spoolBytes >= this.#limits.spoolBytes) this.#tellFull()
    }
    this.#options.heard(event)
  }

  #tellFull(): void {
    if (this.#open.size === 0) return
    const text =
      'Recordings cannot be stored, and there is no room for more, so this session ends. Tell the operator.'
    for (const listener of this.#onFull) listener(new Fault('RECORDING_STORE_BEHIND', text))
  }

  #tell(news: StorageNews): void {
    this.#worker.postMessage(news satisfies ToStorage, [])
  }

  #ask(question: StorageQuestion): Promise<Answer> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      if (this.#worker.threadId === -1) return reject(unavailable('the storage thread is not running'))
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ kind: 'ask', id, question } satisfies ToStorage, [])
    })
  }
}

function unavailable(log: string): Fault {
  return new Fault(
    'RECORDING_STORE_UNAVAILABLE',
    'The storage of recordings is starting again. Try again in a moment.',
    { log },
  )
}
