/** ErrorResponse: what failed with it, and what the server will not look at because of it. */
import type { SqlEvent } from '../../../recorder/sql-event.ts'
import type { SessionNames } from '../session-names.ts'
import type { Copies } from './copies.ts'
import type { Blocked, QueryRequest, Request, Requests } from './requests.ts'
import type { Results } from './results.ts'
import type { Skipping } from './skipping.ts'

/** What an ErrorResponse says. */
export type ErrorReport = {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
}

/** What is told of it: the refusal, if this is the error that the refusal brought about. */
type Shown = { readonly sqlstate: string; readonly message: string; readonly blocked?: string }

export type FailuresParts = {
  readonly requests: Requests
  readonly names: SessionNames
  readonly copies: Copies
  readonly skipping: Skipping
  readonly results: Results
  readonly tell: (event: SqlEvent) => void
}

/** SQLSTATE of missing privileges. */
const insufficientPrivilege = '42501'

export class Failures {
  readonly #parts: FailuresParts

  constructor(parts: FailuresParts) {
    this.#parts = parts
  }

  /**
   * Returns what was refused, if this error is the one that the refusal brought about: the client gets the refusal in its place.
   * FATAL ends the connection, whatever it answers.
   */
  error(report: ErrorReport): Blocked | undefined {
    const request = this.#parts.requests.next()
    const isError = report.severity === 'ERROR'
    if (request === undefined || (!isError && request.kind === 'sync')) {
      this.#tellAlone('nothing', report.severity, report)
      return undefined
    }
    const blocked = 'blocked' in request && isError ? request.blocked : undefined
    this.#settle(request, report.severity, blocked === undefined ? report : shownOf(blocked))
    return blocked
  }

  #settle(request: Request, severity: string, shown: Shown): void {
    switch (request.kind) {
      case 'query':
      case 'function':
        return this.#queryFailed(request, shown)
      case 'sync':
        return this.#tellAlone('sync', severity, shown)
      case 'copy':
        return // `next` gives none
      default:
        this.#parts.requests.shift()
        this.#stepFailed(request, severity, shown)
    }
  }

  #queryFailed(request: QueryRequest, shown: Shown): void {
    const { copies, skipping, results, requests } = this.#parts
    if (request.failed) throw requests.unexpected('a second error')
    request.failed = true
    request.parts++
    const unsure = copies.unsureSyncs()
    results.end(request, 'error', undefined, shown)
    skipping.loosen(unsure)
  }

  /** Of the extended protocol: what follows, up to the next Sync, fails with it. */
  #stepFailed(request: Request, severity: string, shown: Shown): void {
    const { copies, skipping, results } = this.#parts
    const unsure = request.kind === 'execute' ? copies.unsureSyncs() : 0
    if (request.kind === 'execute') results.end(request, 'error', undefined, shown)
    else if (request.kind === 'parse' || request.kind === 'bind') this.#preparationFailed(request, shown)
    else if (request.kind === 'close' || request.kind === 'describe')
      this.#tellAlone(request.kind, severity, shown)
    skipping.toSync(unsure)
  }

  #preparationFailed(request: Extract<Request, { kind: 'parse' | 'bind' }>, shown: Shown): void {
    const { names } = this.#parts
    if (request.kind === 'parse') {
      this.#tellStep('parse', names.events.tellPrepared(request.prepared), shown)
      names.parseFailed(request.prepared)
      return
    }
    this.#tellStep('bind', names.events.tellBound(request.portal), shown)
    names.bindFailed(request.portal)
  }

  #tellStep(during: 'parse' | 'bind', statement: number, { sqlstate, message, blocked }: Shown): void {
    const said = blocked === undefined ? { sqlstate, message } : { sqlstate, message, blocked }
    this.#parts.tell({ type: 'result', statement, during, status: 'error', ...said })
  }

  /** An error of no statement. */
  #tellAlone(
    during: 'nothing' | 'sync' | 'close' | 'describe',
    severity: string,
    { sqlstate, message }: Shown,
  ): void {
    this.#parts.tell({ type: 'server-error', during, severity, sqlstate, message })
  }
}

function shownOf({ rule, reason, code }: Blocked): Shown {
  return { sqlstate: code ?? insufficientPrivilege, message: reason, blocked: rule }
}
