import { close, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'

type Sync = (fd: number) => Promise<void>
type Waiter = { readonly resolve: () => void; readonly reject: (error: unknown) => void }

/**
 * Hands SQLite's write-ahead log to the disk, off the event loop and once for all who ask meanwhile. SQLite itself (`synchronous = FULL`)
 * would wait for the disk in the thread that carries everybody's sessions.
 */
export class WriteAheadLog {
  readonly #file: string
  readonly #sync: Sync
  #fd: number | undefined
  #waiting: Waiter[] = []
  #isRunning = false

  /** `file` is the database's; `sync` is a seam for tests. */
  constructor(file: string, sync: Sync = promisify(fdatasync)) {
    this.#file = `${file}-wal`
    this.#sync = sync
  }

  /** Resolves when everything committed before this call is on the disk; rejects if that is not certain. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (!this.#isRunning) void this.#run()
    })
  }

  /** After the last flush. */
  async close(): Promise<void> {
    if (this.#fd !== undefined) await promisify(close)(this.#fd)
    this.#fd = undefined
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const served = this.#waiting.splice(0)
      try {
        await this.#sync(this.#open())
        for (const { resolve } of served) resolve()
      } catch (error) {
        for (const { reject } of served) reject(error)
      }
    }
    this.#isRunning = false
  }

  /** The file is there from the first commit until the database is closed. No lock is on it that closing could drop. */
  #open(): number {
    this.#fd ??= openSync(this.#file, 'r')
    return this.#fd
  }
}
