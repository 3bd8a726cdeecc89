/** Bytes that pass and are described instead of kept: how many, and one SHA-256 over all of them. */
import { createHash, type Hash } from 'node:crypto'

/** Small pieces are put together before they are hashed: a call for each row of twelve bytes would cost more than its copy. */
const gatherBytes = 64 * 1024
/** From this length on a piece is hashed where it lies. */
const directBytes = 8 * 1024

/** Shared: whatever is gathered is hashed before this turn of the caller ends. */
const gathered = Buffer.allocUnsafeSlow(gatherBytes)
let gatheredFor: Tally | undefined
let fill = 0

export class Tally {
  readonly #hash: Hash = createHash('sha256')
  bytes = 0

  /** Adds `chunk[from, end)`. */
  add(chunk: Buffer, from: number, end: number): void {
    const length = end - from
    this.bytes += length
    if (gatheredFor !== this) {
      gatheredFor?.settle()
      gatheredFor = this
    }
    if (length >= directBytes) {
      this.settle()
      this.#hash.update(chunk.subarray(from, end))
      return
    }
    if (fill + length > gatherBytes) this.settle()
    chunk.copy(gathered, fill, from, end)
    fill += length
  }

  /** Hashes what was gathered. */
  settle(): void {
    if (gatheredFor !== this || fill === 0) return
    this.#hash.update(gathered.subarray(0, fill))
    fill = 0
  }

  /** Of everything so far; more may follow. */
  digest(): string {
    this.settle()
    return this.#hash.copy().digest('hex')
  }
}
