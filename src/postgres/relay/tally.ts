/** Bytes that pass and are described instead of kept: how many, and one SHA-256 over all of them. */
import { createHash, type Hash } from 'node:crypto'

/** Small pieces are put together before they are hashed: a call for each row of twelve bytes would cost more than its copy. */
const gatherBytes = 64 * 1024
/** From this length on a piece is hashed where it lies. */
const directBytes = 8 * 1024

/** Shared by all: what is gathered for one is hashed before another one's is. */
const gathered = Buffer.allocUnsafeSlow(gatherBytes)
let gatheredFor: Hash | undefined
let fill = 0

function hashGathered(): void {
  if (fill > 0) gatheredFor?.update(gathered.subarray(0, fill))
  fill = 0
}

export class Tally {
  readonly #hash: Hash = createHash('sha256')
  bytes = 0

  /** Adds `chunk[from, end)`. */
  add(chunk: Buffer, from: number, end: number): void {
    const length = end - from
    this.bytes += length
    const hash = this.#hash
    if (gatheredFor !== hash || fill + length > gatherBytes) hashGathered()
    gatheredFor = hash
    if (length >= directBytes) {
      hashGathered()
      hash.update(chunk.subarray(from, end))
      return
    }
    chunk.copy(gathered, fill, from, end)
    fill += length
  }

  /** Of everything so far; more may follow. */
  digest(): string {
    if (gatheredFor === this.#hash) hashGathered()
    return this.#hash.copy().digest('hex')
  }
}
