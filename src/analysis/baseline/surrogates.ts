/**
 * What strangers would look like, without any: a block of one person measured against the profile of another. From these, and
 * from people's own blocks, a logistic regression learns how much each feature says. No attack has to be labelled for it.
 */
import type { Features } from './features.ts'
import { fitLogistic, type LogisticModel, slopesOf } from './logistic.ts'

/** Of each kind, the last ones are kept. */
const maxSamples = 4000
/** Fewer of either say too little. */
const minSamples = 60
/** It is learned again after so many more, as a share of what was there. */
const growth = 1.15

/** Before there are enough samples: what the simulated companies of our tests agreed on. */
export const firstModel: LogisticModel = {
  means: [0.5, 0.4, 0.7, 1, 0.1, 0.3, 0.7, 0.7, 0.9, 2, 2, 0.6],
  spreads: [1.3, 1.3, 1.1, 0.8, 0.2, 0.2, 1.1, 1.1, 1.5, 2, 2, 1],
  weights: [0.2, 0.6, 0.5, 0.3, 0.3, 0.1, 0.4, 0.3, 1.1, 0.1, 0.3, 0.2],
  bias: 1,
}

export type SurrogatesState = {
  readonly own: readonly Features[]
  readonly foreign: readonly Features[]
  readonly model: LogisticModel
  readonly seen: number
  readonly nextFit: number
}

export class Surrogates {
  readonly #own: Features[]
  readonly #foreign: Features[]
  #model: LogisticModel
  #slopes: readonly number[]
  #seen: number
  #nextFit: number

  constructor(state?: SurrogatesState) {
    this.#own = [...(state?.own ?? [])]
    this.#foreign = [...(state?.foreign ?? [])]
    this.#model = state?.model ?? firstModel
    this.#slopes = slopesOf(this.#model)
    this.#seen = state?.seen ?? 0
    this.#nextFit = state?.nextFit ?? minSamples
  }

  get state(): SurrogatesState {
    return {
      own: this.#own,
      foreign: this.#foreign,
      model: this.#model,
      seen: this.#seen,
      nextFit: this.#nextFit,
    }
  }

  get model(): LogisticModel {
    return this.#model
  }

  /** What one unit of each feature adds. */
  get slopes(): readonly number[] {
    return this.#slopes
  }

  /** How many blocks have stood in for a stranger's. */
  get strangers(): number {
    return this.#foreign.length
  }

  add(kind: 'own' | 'foreign', features: Features): void {
    const samples = kind === 'own' ? this.#own : this.#foreign
    samples.push(features)
    if (samples.length > maxSamples) samples.shift()
    if (kind === 'own') this.#seen++
  }

  /** Learns again if there is enough that is new, or at once if `isLast`. */
  learn(isLast = false): void {
    if (Math.min(this.#seen, this.#foreign.length) < minSamples) return
    if (!isLast && this.#seen < this.#nextFit) return
    this.#model = fitLogistic(this.#foreign, this.#own, this.#model === firstModel ? undefined : this.#model)
    this.#slopes = slopesOf(this.#model)
    this.#nextFit = this.#seen * growth
  }
}
