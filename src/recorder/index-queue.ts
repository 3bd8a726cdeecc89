import { statSync } from 'node:fs'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { prepareIndex } from './keyframe.ts'
import { headerOf } from './reader.ts'

/** Recordings that wait for their index. Beyond it they get theirs when somebody first opens them. */
const maxWaiting = 1000
/** A smaller recording is read in no time: it gets its index when somebody opens it, and those that nobody opens cost nothing. */
const minBytes = 64 * 1024

/** Builds the keyframes of sealed recordings one after the other, in a worker, so that the first seek is quick already. */
export class IndexQueue {
  readonly #log: Log
  readonly #waiting: string[] = []
  #running: Promise<void> | undefined
  #stopped = false

  constructor(log: Log) {
    this.#log = log
  }

  add(file: string): void {
    if (this.#stopped || this.#waiting.length >= maxWaiting || isSmall(file) || isEncrypted(file)) return
    this.#waiting.push(file)
    this.#running ??= this.#run()
  }

  /** Waits for the one that is being built; the others are built when they are opened. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.length = 0
    await this.#running
  }

  async #run(): Promise<void> {
    for (let file = this.#waiting.shift(); file !== undefined; file = this.#waiting.shift()) {
      await prepareIndex(file).catch((cause: unknown) => {
        this.#log.warn({ file, cause: reasonOf(cause) }, 'no keyframes for this recording')
      })
    }
    this.#running = undefined
  }
}

/** What is derived of an encrypted recording would be in the clear, and there is no key to derive it with. */
function isEncrypted(file: string): boolean {
  try {
    return headerOf(file).encryption !== null
  } catch {
    return false // whoever builds the index says what is wrong
  }
}

function isSmall(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat === undefined || stat.size < minBytes
}
