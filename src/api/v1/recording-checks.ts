/** Recordings are checked in the background, one after the other, when somebody looks at their sessions; what was found is kept. */
import type { Revocation } from '../../audit/revocation.ts'
import { reasonOf } from '../../errors.ts'
import type { CheckRow, SessionRow } from '../../model.ts'
import type { ApiDeps } from './deps.ts'
import { ReadingThreads } from './replay/reading-thread.ts'

/** Sessions that wait to be checked. Others are when somebody looks at them again. */
const maxWaiting = 500

const maxFailed = 10_000

/** Keys that signatures are believed by, and the number of the key list that says so. */
export type Trust = {
  readonly number: number
  readonly keys: readonly string[]
  readonly revoked: readonly Revocation[]
}

type Parts = Pick<ApiDeps, 'reviews' | 'recordings' | 'trust'> & {
  readonly clock: { nowMs(): number }
  readonly log: { warn(about: object, text: string): void }
}

export class RecordingChecks {
  readonly #parts: Parts
  readonly #waiting = new Map<string, SessionRow>()
  /** Those that cannot be: their recordings are gone, or the bucket is away. They are tried again after a restart. */
  readonly #failed = new Set<string>()
  readonly #threads = new ReadingThreads(1)
  #running: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Of these, those that were checked with the keys of now. The others are checked soon. */
  async of(rows: readonly SessionRow[]): Promise<ReadonlyMap<string, CheckRow>> {
    const { number } = this.#parts.trust()
    const known = await this.#parts.reviews.checksOf(rows.map(({ id }) => id))
    const fresh = new Map(
      known.filter(({ keysNumber }) => keysNumber === number).map(check => [check.session, check]),
    )
    for (const row of rows) if (row.state !== 'open' && !fresh.has(row.id)) this.#wish(row)
    return fresh
  }

  close(): void {
    this.#waiting.clear()
    this.#threads.close()
  }

  #wish(row: SessionRow): void {
    if (this.#waiting.size >= maxWaiting || this.#failed.has(row.id)) return
    this.#waiting.set(row.id, row)
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  async #run(): Promise<void> {
    for (const row of this.#waiting.values()) {
      try {
        await this.#check(row)
      } catch (cause) {
        if (this.#failed.size < maxFailed) this.#failed.add(row.id)
        this.#parts.log.warn({ session: row.id, cause: reasonOf(cause) }, 'a recording could not be checked')
      }
      this.#waiting.delete(row.id)
    }
  }

  async #check({ id: session, recording }: SessionRow): Promise<void> {
    const { recordings, reviews, clock, trust } = this.#parts
    const { number: keysNumber, keys, revoked } = trust()
    const { path, release } = await recordings.fetch(recording)
    try {
      const found = await this.#threads.ask({ do: 'check', file: path, keys, revoked })
      await reviews.noteCheck({ session, keysNumber, checkedAtMs: clock.nowMs(), ...found })
    } finally {
      release()
    }
  }
}
