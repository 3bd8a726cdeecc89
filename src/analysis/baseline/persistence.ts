/**
 * Whoever has somebody else's account keeps it for a while, so a block that follows unusual ones counts for more: the forward
 * filter of a hidden Markov model with two states.
 */

/** Of a hundred blocks after a usual one, so many begin something unusual. */
const startChance = 0.05
/** Of a hundred blocks after an unusual one, so many go on with it. */
const stayChance = 0.6
/** How much one block can say, in nats. */
const maxBlockNats = 6

export class Persistence {
  #chance: number

  constructor(chance: number = startChance) {
    this.#chance = chance
  }

  get state(): number {
    return this.#chance
  }

  /** Log odds with all blocks so far; `odds` are those of this block alone. */
  after(odds: number): number {
    return Math.max(-maxBlockNats, Math.min(maxBlockNats, odds)) + this.prior
  }

  /** The same, and the block counts for those after it. */
  follow(odds: number): number {
    const after = this.after(odds)
    this.#chance = 1 / (1 + Math.exp(-after))
    return after
  }

  /** Log odds before the next block is seen. */
  get prior(): number {
    const chance = this.#chance * stayChance + (1 - this.#chance) * startChance
    return Math.log(chance / (1 - chance))
  }
}
