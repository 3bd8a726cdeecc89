/**
 * Which reply answers which request (postgres.c, `PostgresMain`; protocol documentation, "Message Flow"). Requests queue in the order in
 * which the client sent them and replies take them off in that order, as the server works. No sockets and no clocks of its own: frames of
 * both directions go in, events come out. What the server said decides; what a request seemed to mean when it was sent is told with it and
 * corrected by its result. Each kind of reply is read in a file of its own beside this one.
 */
import type { SqlEvent, TransactionState } from '../../recorder/sql-event.ts'
import { nameKey } from '../wire/body-reader.ts'
import { Asking } from './exchange/asking.ts'
import { Completions } from './exchange/completions.ts'
import { Copies } from './exchange/copies.ts'
import { type ErrorReport, Failures } from './exchange/failures.ts'
import { Preparations } from './exchange/preparations.ts'
import { type Blocked, Requests } from './exchange/requests.ts'
import { type OpenResult, Results } from './exchange/results.ts'
import { Skipping } from './exchange/skipping.ts'
import type { ExchangeLimits } from './exchange-limits.ts'
import { type AboutParse, SessionNames } from './session-names.ts'
import type { Shape } from './shapes.ts'
import type { Arguments, StatementText } from './statement-text.ts'
import type { Tally } from './tally.ts'

export type ExchangeParts = {
  readonly tell: (event: SqlEvent) => void
  readonly nowUs: () => number
  readonly limits: ExchangeLimits
  /** The state that the server is in at the beginning. */
  readonly transaction?: TransactionState
  /** Every portal is described by itself: what its statement was said to return is believed of no portal. */
  readonly describesPortals?: boolean
}

/**
 * Without a Sync the server keeps up to 8 KiB of answers to itself (PqSendBufferSize), of at least 5 bytes each: whoever waited for the
 * answers to fewer requests than that could wait for ever.
 */
export const leastOutstandingRequests = 4096

export class Exchange {
  readonly #tell: (event: SqlEvent) => void
  readonly #limits: ExchangeLimits
  readonly #requests = new Requests()
  readonly #names: SessionNames
  readonly #skipping: Skipping
  readonly #copies: Copies
  readonly #results: Results
  readonly #asking: Asking
  readonly #preparations: Preparations
  readonly #completions: Completions
  readonly #failures: Failures
  #statements = 0
  #transaction: TransactionState

  constructor({ tell, nowUs, limits, transaction = 'I', describesPortals = false }: ExchangeParts) {
    this.#tell = tell
    this.#limits = limits
    this.#transaction = transaction
    const requests = this.#requests
    const nextNumber = (): number => ++this.#statements
    const names = new SessionNames(tell, nextNumber)
    const skipping = new Skipping({ requests, names, tell })
    const copies = new Copies({ requests, skipping, tell })
    const results = new Results({ requests, names, copies, tell, nowUs, describesPortals })
    this.#names = names
    this.#skipping = skipping
    this.#copies = copies
    this.#results = results
    this.#asking = new Asking({ names, skipping, tell, nowUs, nextNumber })
    this.#preparations = new Preparations({ requests, names })
    this.#completions = new Completions({ requests, names, results })
    this.#failures = new Failures({ requests, names, copies, skipping, results, tell })
  }

  /** Requests that wait for replies. */
  get outstanding(): number {
    return this.#requests.size
  }

  /** The server works: it is not the client that keeps the session waiting. */
  get isBusy(): boolean {
    return this.#requests.size > 0 && !this.#copies.awaitsClient
  }

  get isFull(): boolean {
    return this.#requests.size > Math.max(this.#limits.maxOutstandingRequests, leastOutstandingRequests)
  }

  /** As of the last ReadyForQuery. */
  get transaction(): TransactionState {
    return this.#transaction
  }

  get statements(): number {
    return this.#statements
  }

  /** No more names can be remembered: whoever wants one more is to be refused. */
  get namesAreFull(): boolean {
    return this.#names.size >= this.#limits.maxStatements
  }

  /** OIDs of the parameters of a prepared statement, as far as they are known. */
  typesOf(statementName: string): readonly number[] {
    return this.#names.assumed(nameKey(statementName))?.types ?? []
  }

  /** By which rules all that the name may mean was allowed, the likeliest first; `undefined`: its text is not known. */
  judgmentsOf(what: 'statement' | 'portal', name: string): readonly unknown[] {
    const key = nameKey(name)
    return what === 'statement' ? this.#names.judgments(key) : this.#names.portalJudgments(key)
  }

  // ── What the client sends, each before it is forwarded ────────────────────────────────────────────────────────

  query(text: StatementText, judged: unknown, blocked: Blocked | undefined): number {
    return this.#asking.query(text, judged, blocked)
  }

  /** `said` of `about` hears the number under which the text is told. */
  parse(name: string, text: StatementText, about: AboutParse, blocked: Blocked | undefined): void {
    this.#asking.parse(name, text, about, blocked)
  }

  bind(
    portalName: string,
    statementName: string,
    values: Arguments,
    resultFormats: readonly number[],
    blocked: Blocked | undefined,
  ): void {
    this.#asking.bind(portalName, statementName, values, resultFormats, blocked)
  }

  describe(what: 'statement' | 'portal', name: string): void {
    this.#asking.describe(what, name, false)
  }

  /** The gateway asks behind Bind what the columns are. */
  describeForUs(portalName: string): void {
    this.#asking.describe('portal', portalName, true)
  }

  close(what: 'statement' | 'portal', name: string): void {
    this.#asking.close(what, name)
  }

  execute(portalName: string, maxRows: number, blocked: Blocked | undefined): number {
    return this.#asking.execute(portalName, maxRows, blocked)
  }

  functionCall(
    oid: number,
    name: string | undefined,
    values: Arguments,
    blocked: Blocked | undefined,
  ): number {
    return this.#asking.functionCall(oid, name, values, blocked)
  }

  sync(): void {
    this.#names.nextSegment()
    if (!this.#copies.takesSync()) this.#skipping.sync()
  }

  /** Where the bytes of COPY data from the client are counted now. */
  copyData(): Tally {
    return this.#copies.data()
  }

  copyEnd(): void {
    this.#copies.endData()
  }

  /** Tells what must be told before the client's bytes so far may be forwarded. */
  flushClient(): void {
    this.#names.events.tellPending()
    this.#copies.flushInbound()
  }

  // ── What the target replies, each before it is forwarded ──────────────────────────────────────────────────────

  parseComplete(): void {
    this.#preparations.parseComplete()
  }

  bindComplete(): void {
    this.#preparations.bindComplete()
  }

  closeComplete(): void {
    this.#preparations.closeComplete()
  }

  parameterTypes(types: readonly number[]): void {
    this.#preparations.parameterTypes(types)
  }

  /** Columns of a result, or of what was described. Returns whether the gateway asked, and not the client. */
  rowDescription(shape: Shape, masked = false): boolean {
    const request = this.#requests.next()
    if (request?.kind !== 'query' || this.#results.open !== undefined)
      return this.#preparations.columns(shape)
    this.#results.beginQuery(request, shape, masked)
    return false
  }

  /** The same of what returns no rows. */
  noData(): boolean {
    return this.#preparations.noColumns()
  }

  /** A row of so many bytes, without its head. */
  row(bytes: number): OpenResult {
    return this.#results.row(bytes)
  }

  /** The result that rows are coming of. */
  get open(): OpenResult | undefined {
    return this.#results.open
  }

  /** The formats that Bind asked for, of the result that is on its way. */
  resultFormats(): readonly number[] {
    return this.#results.formats()
  }

  copyIn(): void {
    this.#copies.begin('in')
  }

  copyOut(): void {
    this.#copies.begin('out')
  }

  copyBoth(): void {
    this.#copies.begin('both')
  }

  /** Where COPY data of the target is counted; settled by `flushTarget`. */
  copyDataOut(): Tally {
    return this.#copies.dataOut()
  }

  copyDoneOut(): void {
    this.#copies.doneOut()
  }

  commandComplete(tag: string): void {
    this.#completions.commandComplete(tag)
  }

  emptyQuery(): void {
    this.#completions.emptyQuery()
  }

  portalSuspended(): void {
    this.#completions.portalSuspended()
  }

  functionResult(bytes: number): void {
    this.#completions.functionResult(bytes)
  }

  /** Returns what was refused, if this error is the one that the refusal brought about: the client gets the refusal in its place. */
  error(report: ErrorReport): Blocked | undefined {
    return this.#failures.error(report)
  }

  ready(status: TransactionState): void {
    this.#takeReady()
    if (status === 'I') this.#names.transactionEnded()
    if (status === this.#transaction) return
    this.#transaction = status
    this.#tell({ type: 'transaction', status })
  }

  #takeReady(): void {
    const request = this.#requests.next()
    if (request?.kind === 'sync') this.#requests.shift()
    else if ((request?.kind === 'query' || request?.kind === 'function') && request.parts > 0) {
      this.#requests.shift()
      if (this.#results.open !== undefined || this.#copies.isOn)
        throw this.#requests.unexpected('ReadyForQuery')
      if (request.kind === 'query') this.#names.forgetUnnamed()
    } else if (!this.#skipping.takeReady()) throw this.#requests.unexpected('ReadyForQuery')
  }

  /** Tells what must be told of results that go on, before the target's bytes so far may be forwarded. */
  flushTarget(): void {
    this.#results.flush()
    this.#copies.flushOutbound()
  }

  /** The target says no more: what it left without an answer is told. */
  end(): void {
    for (let next = this.#requests.first; next !== undefined; next = this.#requests.first) {
      this.#requests.shift()
      if (next.kind === 'execute') this.#results.end(next, 'unfinished', undefined)
      else if ((next.kind === 'query' || next.kind === 'function') && this.#isUnanswered(next.parts))
        this.#results.end(next, 'unfinished', undefined)
    }
  }

  #isUnanswered(parts: number): boolean {
    return parts === 0 || this.#results.open !== undefined || this.#copies.isOn
  }
}
