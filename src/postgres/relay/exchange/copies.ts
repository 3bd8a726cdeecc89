/** COPY (protocol documentation, "COPY Operations"): whose data it is that either side sends, and how much of it there was. */
import type { CopyVolume, SqlEvent } from '../../../recorder/sql-event.ts'
import { Tally } from '../tally.ts'
import type { ExecuteRequest, Inbound, QueryRequest, Requests } from './requests.ts'
import type { Skipping } from './skipping.ts'

export type Copying = {
  readonly statement: number
  readonly direction: 'in' | 'out' | 'both'
  readonly request: QueryRequest | ExecuteRequest
  /** From the client. */
  inbound: Inbound
  readonly outbound: Tally
  /** Syncs that the server ignores if it was still copying when it read them. */
  syncs: number
}

export type CopiesParts = {
  readonly requests: Requests
  readonly skipping: Skipping
  readonly tell: (event: SqlEvent) => void
}

export class Copies {
  readonly #parts: CopiesParts
  #current: Copying | undefined
  /** COPY data that the server throws away, after a COPY that failed. */
  #dropped: Inbound | undefined
  /** What has grown since the last flush. */
  #grownInbound: Inbound | undefined
  #grownOutbound: Copying | undefined

  constructor(parts: CopiesParts) {
    this.#parts = parts
  }

  get isOn(): boolean {
    return this.#current !== undefined
  }

  /** The server waits for the client, and not the client for it. */
  get awaitsClient(): boolean {
    const current = this.#current
    return current !== undefined && current.direction === 'in' && !current.inbound.ended
  }

  // ── The client ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Where the bytes of COPY data from the client are counted now; settled by `flushInbound`. */
  data(): Tally {
    this.#grownInbound = this.#inbound()
    return this.#grownInbound.tally
  }

  /** CopyDone or CopyFail. */
  endData(): void {
    this.#inbound().ended = true
  }

  /** Whether a Sync falls into a COPY: the server ignores it, if it still copies when it gets there. */
  takesSync(): boolean {
    if (!this.#takesData || this.#current === undefined) return false
    this.#current.syncs++
    return true
  }

  #inbound(): Inbound {
    if (this.#takesData && this.#current !== undefined) return this.#current.inbound
    const last = this.#parts.requests.last
    return last?.kind === 'copy' && !last.inbound.ended ? last.inbound : this.#unasked()
  }

  /** Data that no COPY reads yet: one that was asked for may, and after a failure nobody will. */
  #unasked(): Inbound {
    const { requests, skipping } = this.#parts
    const inbound: Inbound = { tally: new Tally(), ended: false, statement: undefined }
    if (!skipping.isOn && requests.size > 0) {
      requests.push({ kind: 'copy', inbound })
      return inbound
    }
    if (this.#dropped === undefined || this.#dropped.ended) this.#dropped = inbound
    return this.#dropped
  }

  /** The COPY that the target is at reads what the client sends now. */
  get #takesData(): boolean {
    const current = this.#current
    if (current === undefined || current.direction === 'out' || current.inbound.ended) return false
    return this.#parts.requests.size === 1
  }

  /** Tells what must be told before the client's bytes so far may be forwarded. */
  flushInbound(): void {
    const grown = this.#grownInbound
    if (grown === undefined) return
    this.#grownInbound = undefined
    this.#parts.tell({
      type: 'copy-progress',
      ...(grown.statement === undefined ? {} : { statement: grown.statement }),
      direction: 'in',
      bytes: grown.tally.bytes,
      sha256: grown.tally.digest(),
    })
  }

  // ── The target ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A COPY response to the first request. */
  begin(direction: Copying['direction']): void {
    const { requests } = this.#parts
    const request = requests.next()
    if ((request?.kind !== 'query' && request?.kind !== 'execute') || this.#current !== undefined)
      throw requests.unexpected('a COPY response')
    const { statement } = request
    const inbound: Inbound = { tally: new Tally(), ended: false, statement }
    this.#current = { statement, direction, request, inbound, outbound: new Tally(), syncs: 0 }
    if (direction === 'in') this.#takeSent(this.#current)
  }

  /** What the client has sent after the request was read, or will be, by the COPY. */
  #takeSent(copying: Copying): void {
    const { requests } = this.#parts
    let taken = 0
    while (!copying.inbound.ended) {
      const next = requests.behind(taken)
      if (next?.kind === 'sync') copying.syncs++
      else if (next?.kind === 'copy') {
        copying.inbound = next.inbound
        copying.inbound.statement = copying.statement
      } else break // there is no more, or the target will not have it
      taken++
    }
    requests.removeBehind(taken)
  }

  /** Where COPY data of the target is counted; settled by `flushOutbound`. */
  dataOut(): Tally {
    const current = this.#current
    if (current === undefined || current.direction === 'in') throw this.#parts.requests.unexpected('CopyData')
    this.#grownOutbound = current
    return current.outbound
  }

  doneOut(): void {
    if (this.#current === undefined || this.#current.direction === 'in')
      throw this.#parts.requests.unexpected('CopyDone')
  }

  /** Syncs of which nobody knows whether the server answers them, if the COPY fails now. */
  unsureSyncs(): number {
    const current = this.#current
    return current === undefined || current.inbound.ended ? 0 : current.syncs
  }

  /** The request has its result: so has its COPY, if it was one. */
  finish(request: QueryRequest | ExecuteRequest): Copying | undefined {
    const current = this.#current
    if (current === undefined || current.request !== request) return undefined
    this.#current = undefined
    return current
  }

  /** Tells what must be told before the target's bytes so far may be forwarded. */
  flushOutbound(): void {
    const grown = this.#grownOutbound
    this.#grownOutbound = undefined
    if (grown === undefined || grown !== this.#current) return
    const { statement, outbound } = grown
    const { bytes } = outbound
    this.#parts.tell({ type: 'copy-progress', statement, direction: 'out', bytes, sha256: outbound.digest() })
  }
}

export function volumeOf({ direction, inbound, outbound }: Copying): CopyVolume {
  const { tally } = inbound
  if (direction === 'in') return { direction, bytes: tally.bytes, sha256: tally.digest() }
  const out = { direction, bytes: outbound.bytes, sha256: outbound.digest() }
  return direction === 'out' ? out : { ...out, inBytes: tally.bytes, inSha256: tally.digest() }
}
