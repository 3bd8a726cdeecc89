/** What the client asked for and the target has not answered yet, in the order of asking. */
import type { NameEffect } from '../name-effects.ts'
import type { Portal, Prepared } from '../prepared.ts'
import type { Tally } from '../tally.ts'
import { ExchangeProblem } from './problem.ts'

/** The gateway refused a request: what the client gets instead is the target's error about a frame that was put in its place. */
export type Blocked = {
  readonly rule: string
  readonly reason: string
  readonly hint?: string
  /** SQLSTATE, if not that of missing privileges: drivers prepare again when a name is unknown. */
  readonly code?: string
}

/** A request that waits for its reply. */
export type Request =
  | QueryRequest
  | ExecuteRequest
  | ParseRequest
  | BindRequest
  | CloseRequest
  | DescribeRequest
  | { readonly kind: 'sync' }
  | CopyRequest

/** A simple query or a function call: ends with ReadyForQuery of its own. */
export type QueryRequest = {
  readonly kind: 'query' | 'function'
  readonly statement: number
  readonly effects: readonly NameEffect[]
  /** By which rules it was allowed: so is what it prepares. */
  readonly judged: unknown
  readonly blocked: Blocked | undefined
  readonly sentUs: number
  /** Results so far. */
  parts: number
  /** Effects that took place so far. */
  effectsSeen: number
  failed: boolean
}

export type ExecuteRequest = {
  readonly kind: 'execute'
  readonly statement: number
  readonly portalName: string
  /** What it was said to run, when it was sent. */
  readonly assumed: number | undefined
  readonly blocked: Blocked | undefined
  readonly sentUs: number
}

type ParseRequest = {
  readonly kind: 'parse'
  readonly prepared: Prepared
  readonly blocked: Blocked | undefined
}
type BindRequest = { readonly kind: 'bind'; readonly portal: Portal; readonly blocked: Blocked | undefined }
type CloseRequest = {
  readonly kind: 'close'
  readonly what: 'statement' | 'portal'
  readonly name: string
}
type DescribeRequest = {
  readonly kind: 'describe'
  readonly what: 'statement' | 'portal'
  readonly name: string
  typesCame: boolean
  /** The gateway asks: the client hears nothing of the answer. */
  readonly isOurs: boolean
}

/** COPY data that was sent before the server asked for it, or after it wanted no more. */
type CopyRequest = { readonly kind: 'copy'; readonly inbound: Inbound }

/** COPY data from the client: `ended` once it has said that this is all, or that it gave up. */
export type Inbound = { readonly tally: Tally; ended: boolean; statement: number | undefined }

/** Entries at the front that were answered stay until there are so many. */
const maxAnswered = 1024

/** A queue in an array that is used again: nothing is allocated and nothing moved while it stays short. */
export class Requests {
  #entries: (Request | undefined)[] = []
  #from = 0
  #end = 0

  get size(): number {
    return this.#end - this.#from
  }

  get first(): Request | undefined {
    return this.#entries[this.#from]
  }

  /** Number `index` of those after the first. */
  behind(index: number): Request | undefined {
    return this.#entries[this.#from + 1 + index]
  }

  get last(): Request | undefined {
    return this.#end === this.#from ? undefined : this.#entries[this.#end - 1]
  }

  push(request: Request): void {
    this.#entries[this.#end++] = request
  }

  shift(): void {
    this.#entries[this.#from++] = undefined
    if (this.#from === this.#end) this.#from = this.#end = 0
    else if (this.#from > maxAnswered && this.#from * 2 > this.#end) this.#forgetAnswered()
  }

  #forgetAnswered(): void {
    this.#entries = this.#entries.slice(this.#from, this.#end)
    this.#end -= this.#from
    this.#from = 0
  }

  removeBehind(count: number): void {
    if (count === 0) return
    this.#entries.splice(this.#from + 1, count)
    this.#end -= count
  }

  /** The request that the target answers now. COPY data outside of a COPY is nothing to it. */
  next(): Request | undefined {
    let request = this.#entries[this.#from]
    while (request?.kind === 'copy') {
      this.shift()
      request = this.#entries[this.#from]
    }
    return request
  }

  /** For a reply that none of the first request's can be. */
  unexpected(reply: string): ExchangeProblem {
    const waiting = this.first?.kind ?? 'nothing'
    return new ExchangeProblem(`The target sent ${reply} while ${waiting} waited for an answer.`)
  }
}
