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

  /**
   * What the recording gets for these bytes. A description is of all bytes so far; its digest is made when it is read, which
   * has to be before the next bytes come: of many in one turn of the event loop only the last is.
   */
  record(stream: DataType, channel: number, data: Buffer, keepBytes: number): RecordedEvent {
    const before = this.#bytes
    this.#bytes += data.length
    if (this.#rest === undefined && this.#bytes <= keepBytes) return { type: stream, channel, data }
    if (this.#rest === undefined) {
      this.#from = before
      this.#rest = createHash('sha256')
    }
    const rest = this.#rest.update(data)
    return {
      type: 'progress',
      channel,
      stream,
      bytes: this.#bytes,
      from: this.#from,
      get sha256() {
        return rest.copy().digest('hex')
      },
    }
  }
}
