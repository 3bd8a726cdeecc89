/**
 * What the server reads and does nothing of: after an error in the extended protocol, everything up to the next Sync. A COPY that fails
 * leaves open whether it had read the Syncs that were sent into it; each may still be answered.
 */
import type { SqlEvent } from '../../../recorder/sql-event.ts'
import type { SessionNames } from '../session-names.ts'
import { ExchangeProblem } from './problem.ts'
import type { Request, Requests } from './requests.ts'

const unsureSync =
  'A COPY failed after a Sync was sent into it, and requests follow of which nobody can tell whether the server runs them.'

export type SkippingParts = {
  readonly requests: Requests
  readonly names: SessionNames
  readonly tell: (event: SqlEvent) => void
}

export class Skipping {
  readonly #parts: SkippingParts
  /** An error came, and the Sync that ends the skipping was not sent yet. */
  #isOn = false
  /** Syncs sent while copying of a COPY that failed: each may still be answered. */
  #looseSyncs = 0
  #unsureSyncs = 0

  constructor(parts: SkippingParts) {
    this.#parts = parts
  }

  get isOn(): boolean {
    return this.#isOn
  }

  /** A request of the client: it waits for its answer, if the server looks at it. */
  ask(request: Request): void {
    if (!this.#isOn) return this.#parts.requests.push(request)
    if (this.#unsureSyncs > 0) throw new ExchangeProblem(unsureSync)
    this.#skip(request)
  }

  /** A Sync that the server answers. */
  sync(): void {
    if (this.#isOn) this.#end()
    this.#parts.requests.push({ kind: 'sync' })
  }

  /** The server reads on to the next Sync. `unsureSyncs` were sent into a COPY that failed. */
  toSync(unsureSyncs: number): void {
    const { requests } = this.#parts
    for (let next = requests.first; next !== undefined && next.kind !== 'sync'; next = requests.first) {
      if (unsureSyncs > 0 && next.kind !== 'copy') throw new ExchangeProblem(unsureSync)
      requests.shift()
      this.#skip(next)
    }
    this.#isOn = requests.size === 0
    if (this.#isOn) this.#unsureSyncs = unsureSyncs
    else this.#looseSyncs += unsureSyncs
  }

  /** Syncs that were sent into a COPY of a simple query that failed. */
  loosen(syncs: number): void {
    this.#looseSyncs += syncs
  }

  /** A ReadyForQuery that no request waits for. Returns whether a Sync of a COPY that failed can have brought it. */
  takeReady(): boolean {
    if (this.#looseSyncs > 0) {
      this.#looseSyncs--
      return true
    }
    if (!this.#isOn || this.#unsureSyncs === 0) return false
    this.#unsureSyncs-- // one of them counted after all, and what follows runs
    this.#end()
    return true
  }

  #end(): void {
    this.#isOn = false
    this.#looseSyncs += this.#unsureSyncs
    this.#unsureSyncs = 0
  }

  #skip(request: Request): void {
    const { names, tell } = this.#parts
    switch (request.kind) {
      case 'query':
      case 'function':
      case 'execute':
        return tell({ type: 'result', statement: request.statement, status: 'skipped' })
      case 'parse':
        return names.parseSkipped(request.prepared)
      case 'bind':
        return names.bindSkipped(request.portal)
      case 'close':
      case 'describe':
      case 'sync':
      case 'copy':
    }
  }
}
