import { createHash, type Hash } from 'node:crypto'
import type { DataType, RecordedEvent } from '../recorder/event.ts'

/** Keeps the first bytes of a stream in the recording and describes the rest by size and digest. */
export class KeptStream {
  #bytes = 0
  #from = 0
  #rest: Hash | undefined

  /** All bytes so far. */
  get bytes(): number {
    return this.#bytes
  }

  record(stream: DataType, channel: number, data: Buffer, keepBytes: number): RecordedEvent {
    const before = this.#bytes
    this.#bytes += data.length
    if (this.#rest === undefined && this.#bytes <= keepBytes) return { type: stream, channel, data }
    if (this.#rest === undefined) {
      this.#from = before
      this.#rest = createHash('sha256')
    }
    const sha256 = this.#rest.update(data).copy().digest('hex')
    return { type: 'progress', channel, stream, bytes: this.#bytes, from: this.#from, sha256 }
  }
}
