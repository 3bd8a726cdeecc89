import type { Clock } from '../../clock.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'

/** Hears of each checkpoint, and may answer with cosignatures (lines of C2SP signed-note). What it throws is logged. */
export type Publisher = {
  readonly name: string
  /** `proofFrom` gives the hashes that prove consistency with an earlier size. */
  readonly publish: (checkpoint: string, proofFrom: ConsistencyProof) => Promise<readonly string[]>
}
export type ConsistencyProof = (earlierSize: number) => readonly Buffer[]

/** What became of the newest checkpoint at one place: when it arrived last, and why the last one did not, if so. */
export type PublisherState = {
  readonly name: string
  readonly lastMs: number | undefined
  readonly problem: string | undefined
}

/** The places that hear of checkpoints, and what became of those there. */
export class Publishers {
  readonly #publishers: readonly Publisher[]
  readonly #clock: Clock
  readonly #log: Log
  readonly #states = new Map<string, { readonly lastMs?: number | undefined; readonly problem?: string }>()

  constructor(publishers: readonly Publisher[], { clock, log }: { clock: Clock; log: Log }) {
    this.#publishers = publishers
    this.#clock = clock
    this.#log = log
  }

  get states(): readonly PublisherState[] {
    return this.#publishers.map(({ name }) => {
      const { lastMs, problem } = this.#states.get(name) ?? {}
      return { name, lastMs, problem }
    })
  }

  /** Tells one after the other. `cosign` takes what each answers with. */
  async publish(
    checkpoint: string,
    proofFrom: ConsistencyProof,
    cosign: (lines: readonly string[]) => Promise<void>,
  ): Promise<void> {
    for (const publisher of this.#publishers) {
      const { name } = publisher
      try {
        await cosign(await publisher.publish(checkpoint, proofFrom))
        this.#states.set(name, { lastMs: this.#clock.nowMs() })
      } catch (cause) {
        const problem = reasonOf(cause)
        this.#states.set(name, { lastMs: this.#states.get(name)?.lastMs, problem })
        this.#log.error({ publisher: name, reason: problem }, 'a checkpoint could not be published')
      }
    }
  }
}
