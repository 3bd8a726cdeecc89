/** When what was handed to the operating system is on the disk, and what waits for it (`recording.sync`). */
import { fdatasync } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * os: the operating system has it before it moves on; a loss of power may take the last seconds. disk: besides, it is on the disk 200 ms
 * later. statement: nothing moves on before it is on the disk.
 */
export type SyncMode = 'os' | 'disk' | 'statement'

/** In mode `disk` a sync begins so long after the first byte that none covers ... */
const syncAfterMs = 100
/** ... and if that byte is not on the disk by then, nothing moves on until it is. */
export const maxUnsyncedMs = 200
/** A sync that takes longer than this counts as failed: nobody knows what is on such a disk. */
export const maxSyncMs = 1000

export type DiskSyncOptions = {
  readonly mode: SyncMode
  /** Called once: what was appended may never reach the disk. It is not tried again, since a second sync would not say so. */
  readonly onFailure: (error: unknown) => void
  /** Seams for tests. */
  readonly syncFile?: (fd: number) => Promise<void>
  readonly syncPath?: (path: string) => Promise<void>
}

/** Syncs off the event loop, one at a time and once for all who ask meanwhile (group commit). In mode `os` it does nothing. */
export class DiskSync {
  readonly mode: SyncMode
  readonly #onFailure: (error: unknown) => void
  readonly #syncFile: (fd: number) => Promise<void>
  readonly #syncPath: (path: string) => Promise<void>
  readonly #files = new Set<number>()
  readonly #paths = new Set<string>()
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  /** When the oldest byte was written that no finished sync covers, as `performance.now` says; and of those that the running one leaves. */
  #unsyncedSince: number | undefined
  #unsyncedNext: number | undefined
  #isRunning = false
  #hasFailed = false

  constructor(options: DiskSyncOptions) {
    this.mode = options.mode
    this.#onFailure = options.onFailure
    this.#syncFile = options.syncFile ?? promisify(fdatasync)
    this.#syncPath = options.syncPath ?? syncPath
  }

  /** Something was appended to an open file. */
  wrote(fd: number): void {
    if (this.mode === 'os') return
    this.#files.add(fd)
    this.#note()
  }

  /** Something was made or written at these paths: files, and folders for what their names say. */
  created(...paths: readonly string[]): void {
    if (this.mode === 'os') return
    for (const path of paths) this.#paths.add(path)
    this.#note()
  }

  /** Whether what was appended in this turn may not move on yet. */
  get mustWait(): boolean {
    if (this.mode === 'os' || this.#unsyncedSince === undefined) return false
    return this.mode === 'statement' || performance.now() - this.#unsyncedSince > maxUnsyncedMs
  }

  /** Calls back, in the order of asking, when all that was written so far is on the disk; at once if it is. Never after a failure. */
  whenReached(then: () => void): void {
    if (this.#unsyncedSince === undefined && !this.#hasFailed) return then()
    this.#waiting.push(then)
    this.#start()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #note(): void {
    const now = performance.now()
    this.#unsyncedSince ??= now
    if (this.#isRunning) this.#unsyncedNext ??= now
    this.#schedule()
  }

  /** In mode `statement` the end of the turn asks; this is for what nobody waits for. */
  #schedule(): void {
    if (this.#isRunning || this.#hasFailed) return
    this.#timer ??= setTimeout(() => this.#start(), syncAfterMs).unref()
  }

  #start(): void {
    if (this.#isRunning || this.#hasFailed) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    const waiting = this.#waiting
    const syncs = [...this.#files].map(fd => this.#syncFile(fd))
    for (const path of this.#paths) syncs.push(this.#syncPath(path))
    this.#waiting = []
    this.#files.clear()
    this.#paths.clear()
    try {
      await within(maxSyncMs, Promise.all(syncs))
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#isRunning = false
    this.#unsyncedSince = this.#unsyncedNext
    this.#unsyncedNext = undefined
    for (const then of waiting) then()
    if (this.#waiting.length > 0) this.#start()
    else if (this.#unsyncedSince !== undefined) this.#schedule()
  }

  #fail(error: unknown): void {
    this.#hasFailed = true
    this.#waiting = []
    this.#onFailure(error)
  }
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`the disk did not take what was recorded within ${limitMs} ms`)
    timer = setTimeout(() => reject(error), limitMs)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A path that is gone by now needs no more. */
async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
  })
  if (file === undefined) return
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
