import { dataHeadBytes, type DataEvent, writeDataHead, writeJsonHead } from './event.ts'
import { journalHeadBytes, journalKind, writeJournalHead } from './journal-format.ts'

/** Heads and small data of one batch. A batch that would need more is appended early. */
const slabBytes = 256 * 1024
/** Data up to this length is copied beside its head: cheaper than one more buffer in the system call. */
const smallBytes = 1024
/** What any entry needs of the slab at most: both heads and small data. A recording's name before it needs less. */
const entryBytes = journalHeadBytes + dataHeadBytes + smallBytes
/** A batch is appended early at this size, so that one turn of a thousand busy sessions stays bounded. */
const maxBatchBytes = 1024 * 1024

/** One event of a batch: where its bytes are, the journal's own head left out. */
export type Entry<Owner> = {
  readonly owner: Owner
  readonly sequence: number
  readonly us: number
  /** Head, and small data. */
  readonly near: Buffer
  /** Large data, referred to and not copied. */
  readonly far: Buffer | undefined
}

/**
 * What one append hands to the journal. Heads and small data lie in a slab that is used again; large data stays where it
 * is. Consecutive small events become one part of the system call.
 */
export class Batch<Owner> {
  readonly #slab = Buffer.allocUnsafeSlow(slabBytes)
  #runStart = 0
  #end = 0
  #bytes = 0
  #parts: Uint8Array[] = []
  #entries: Entry<Owner>[] = []

  get isEmpty(): boolean {
    return this.#end === 0
  }

  /** Whether the next event might not fit, or the batch is large enough to be appended now. */
  get isFull(): boolean {
    return this.#bytes >= maxBatchBytes || slabBytes - this.#end < 2 * entryBytes
  }

  get entries(): readonly Entry<Owner>[] {
    return this.#entries
  }

  /** All bytes, in order. Valid until `clear`. */
  parts(): readonly Uint8Array[] {
    this.#closeRun()
    return this.#parts
  }

  get bytes(): number {
    return this.#bytes
  }

  clear(): void {
    this.#runStart = 0
    this.#end = 0
    this.#bytes = 0
    this.#parts = []
    this.#entries = []
  }

  /** Names the recording that `number` stands for in this segment of the journal. */
  declare(number: number, name: { session: string; path: string }): void {
    const start = this.#end
    const text = Buffer.from(JSON.stringify(name))
    this.#close(start, start + journalHeadBytes, text, {
      kind: journalKind.declare,
      recording: number,
      sequence: 0,
    })
  }

  /** Adds bytes that passed, at most `maxDataBytes` of them; returns the event's length in the recording. */
  addData(owner: Owner, number: number, sequence: number, us: number, event: DataEvent): number {
    const start = this.#end
    const head = start + journalHeadBytes
    const body = writeDataHead(this.#slab, head, event, event.data.length, us)
    return this.#add(owner, { start, head, body }, event.data, { number, sequence, us })
  }

  /** Adds an event told as JSON; returns its length in the recording. */
  addTold(owner: Owner, number: number, sequence: number, us: number, json: Buffer): number {
    const start = this.#end
    const head = start + journalHeadBytes
    const body = writeJsonHead(this.#slab, head, json.length, us)
    return this.#add(owner, { start, head, body }, json, { number, sequence, us })
  }

  #add(
    owner: Owner,
    at: { start: number; head: number; body: number },
    data: Buffer,
    about: { number: number; sequence: number; us: number },
  ): number {
    const isSmall = data.length <= smallBytes
    const end = isSmall ? at.body + data.copy(this.#slab, at.body) : at.body
    const far = isSmall ? undefined : data
    this.#close(at.start, end, far, {
      kind: journalKind.event,
      recording: about.number,
      sequence: about.sequence,
    })
    this.#entries.push({
      owner,
      sequence: about.sequence,
      us: about.us,
      near: this.#slab.subarray(at.head, end),
      far,
    })
    return end - at.head + (far?.length ?? 0)
  }

  #close(
    start: number,
    end: number,
    far: Buffer | undefined,
    record: { kind: number; recording: number; sequence: number },
  ): void {
    writeJournalHead(this.#slab, start, end, far, record)
    this.#end = end
    this.#bytes += end - start + (far?.length ?? 0)
    if (far === undefined) return
    this.#closeRun()
    this.#parts.push(far)
  }

  #closeRun(): void {
    if (this.#end > this.#runStart) this.#parts.push(this.#slab.subarray(this.#runStart, this.#end))
    this.#runStart = this.#end
  }
}
