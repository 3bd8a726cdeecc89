import type { Sealed } from './encryption/sealer.ts'
import { dataHeadBytes, type DataEvent, eventHeadBytes, writeDataHead, writeJsonHead } from './event.ts'
import { journalHeadBytes, journalKind, sealedHeadBytes, writeJournalHead } from './journal-format.ts'

/** Heads and small data of one batch. A batch that would need more is appended early. */
const slabBytes = 256 * 1024
/** Data up to this length is copied beside its head: cheaper than one more buffer in the system call. */
const smallBytes = 1024
/** JSON of so many UTF-16 units is written beside its head, where it may take three times as many bytes. */
const smallUnits = 1024
/** What any entry needs of the slab at most: both heads and small data. A recording's name before it needs less. */
const entryBytes = journalHeadBytes + dataHeadBytes + 3 * smallUnits
/** A batch is appended early at this size, so that one turn of a thousand busy sessions stays bounded. */
const maxBatchBytes = 1024 * 1024

/** One event of a batch: where its bytes are, the journal's own head left out. */
export type Entry<Owner> = {
  readonly owner: Owner
  readonly sequence: number
  readonly us: number
  /** Head, and small data: from here to there in the batch's slab. */
  readonly from: number
  readonly end: number
  /** Large data, referred to and not copied. */
  readonly far: Buffer | undefined
  /** Where `from` and `end` are, if not in the slab: what the slab has is sealed. */
  readonly near?: Buffer
}

/** An event of an encrypted recording: its bytes are `near` and then `far`. */
export type SealedEvent = {
  readonly sequence: number
  readonly us: number
  readonly near: Buffer
  readonly far: Buffer | undefined
  readonly sealed: Sealed
  /** The session ends with it. */
  readonly isEnd: boolean
}

/**
 * What one append hands to the journal. Heads and small data lie in a slab that is used again; large data stays where it
 * is. Consecutive small events become one part of the system call.
 */
export class Batch<Owner> {
  /** Valid until `clear`, between what entries name. */
  readonly slab: Buffer = Buffer.allocUnsafeSlow(slabBytes)
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
    this.#close(start, start + journalHeadBytes, text, journalKind.declare, number, 0)
  }

  /** Adds bytes that passed, at most `maxDataBytes` of them; returns the event's length in the recording. */
  addData(owner: Owner, number: number, sequence: number, us: number, event: DataEvent): number {
    const start = this.#end
    const head = start + journalHeadBytes
    const { data } = event
    const body = writeDataHead(this.slab, head, event, data.length, us)
    const isSmall = data.length <= smallBytes
    const end = isSmall ? body + data.copy(this.slab, body) : body
    return this.#add(owner, number, sequence, us, start, end, isSmall ? undefined : data)
  }

  /** Adds an event told as JSON; returns its length in the recording. */
  addTold(owner: Owner, number: number, sequence: number, us: number, json: string): number {
    const start = this.#end
    const head = start + journalHeadBytes
    if (json.length > smallUnits) {
      const far = Buffer.from(json)
      const body = writeJsonHead(this.slab, head, far.length, us)
      return this.#add(owner, number, sequence, us, start, body, far)
    }
    const bytes = this.slab.write(json, head + eventHeadBytes, 'utf8')
    const body = writeJsonHead(this.slab, head, bytes, us)
    return this.#add(owner, number, sequence, us, start, body + bytes, undefined)
  }

  /** Adds an event of an encrypted recording: sealed for the journal, as it is for whoever keeps it; returns its length in the recording. */
  addSealed(owner: Owner, number: number, event: SealedEvent): number {
    const { sequence, us, near, far, sealed } = event
    const start = this.#end
    const body = this.#sealedHead(start + journalHeadBytes, event)
    const isSmall = sealed.near.length + (sealed.far?.length ?? 0) <= smallBytes
    let end = body
    // Data is always the second piece; a long text is one piece.
    if (isSmall || sealed.far !== undefined) end += sealed.near.copy(this.slab, end)
    if (isSmall && sealed.far !== undefined) end += sealed.far.copy(this.slab, end)
    const rest = isSmall ? undefined : (sealed.far ?? sealed.near)
    this.#close(start, end, rest, journalKind.sealed, number, sequence)
    this.#entries.push({ owner, sequence, us, from: 0, end: near.length, far, near })
    return near.length + (far?.length ?? 0)
  }

  #sealedHead(at: number, { us, isEnd, sealed }: SealedEvent): number {
    this.slab.writeUIntBE(us, at, 6)
    this.slab.writeUInt8(isEnd ? 1 : 0, at + 6)
    sealed.tag.copy(this.slab, at + 7)
    return at + sealedHeadBytes
  }

  #add(
    owner: Owner,
    number: number,
    sequence: number,
    us: number,
    start: number,
    end: number,
    far: Buffer | undefined,
  ): number {
    this.#close(start, end, far, journalKind.event, number, sequence)
    const from = start + journalHeadBytes
    this.#entries.push({ owner, sequence, us, from, end, far })
    return end - from + (far === undefined ? 0 : far.length)
  }

  #close(
    start: number,
    end: number,
    far: Buffer | undefined,
    kind: number,
    recording: number,
    sequence: number,
  ): void {
    writeJournalHead(this.slab, start, end, far, kind, recording, sequence)
    this.#end = end
    this.#bytes += end - start + (far === undefined ? 0 : far.length)
    if (far === undefined) return
    this.#closeRun()
    this.#parts.push(far)
  }

  #closeRun(): void {
    if (this.#end > this.#runStart) this.#parts.push(this.slab.subarray(this.#runStart, this.#end))
    this.#runStart = this.#end
  }
}
