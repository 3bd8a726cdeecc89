/**
 * Which reply answers which request (postgres.c, `PostgresMain`; protocol documentation, "Message Flow"). Requests queue in the order in
 * which the client sent them and replies take them off in that order, as the server works. No sockets and no clocks of its own: frames of
 * both directions go in, events come out. What the server said decides; what a request seemed to mean when it was sent is told with it and
 * corrected by its result.
 */
import { Fault } from '../../errors.ts'
import type { ResultStatus, SqlEvent, SqlValue, TransactionState } from '../../recorder/sql-event.ts'
import { nameKey, textOfName } from '../wire/body-reader.ts'
import type { ExchangeLimits } from './exchange-limits.ts'
import type { NameEffect } from './name-effects.ts'
import { type AboutParse, type Portal, type Prepared, SessionNames } from './session-names.ts'
import type { Shape } from './shapes.ts'
import {
  type Arguments,
  parameterFields,
  type StatementText,
  tellParameters,
  tellText,
} from './statement-text.ts'
import { Tally } from './tally.ts'

/** The gateway refused a request: what the client gets instead is the target's error about a frame that was put in its place. */
export type Blocked = {
  readonly rule: string
  readonly reason: string
  readonly hint?: string
  /** SQLSTATE, if not that of missing privileges: drivers prepare again when a name is unknown. */
  readonly code?: string
}

/** A request that waits for its reply. */
type Request =
  | QueryRequest
  | ExecuteRequest
  | { readonly kind: 'parse'; readonly prepared: Prepared; readonly blocked: Blocked | undefined }
  | { readonly kind: 'bind'; readonly portal: Portal; readonly blocked: Blocked | undefined }
  | { readonly kind: 'close'; readonly what: 'statement' | 'portal'; readonly name: string }
  | {
      readonly kind: 'describe'
      readonly what: 'statement' | 'portal'
      readonly name: string
      typesCame: boolean
      /** The gateway asks: the client hears nothing of the answer. */
      readonly isOurs: boolean
    }
  | { readonly kind: 'sync' }
  | CopyRequest

/** A simple query or a function call: ends with ReadyForQuery of its own. */
type QueryRequest = {
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

type ExecuteRequest = {
  readonly kind: 'execute'
  readonly statement: number
  readonly portalName: string
  /** What it was said to run, when it was sent. */
  readonly assumed: number | undefined
  readonly blocked: Blocked | undefined
  readonly sentUs: number
}

/** COPY data that was sent before the server asked for it, or after it wanted no more. */
type CopyRequest = { readonly kind: 'copy'; readonly inbound: Inbound }

/** COPY data from the client: `ended` once it has said that this is all, or that it gave up. */
type Inbound = { readonly tally: Tally; ended: boolean; statement: number | undefined }

/** The result that is on its way. */
export type OpenResult = {
  readonly statement: number
  readonly isExecute: boolean
  readonly sentUs: number
  shape: Shape | undefined
  rows: number
  bytes: number
  firstUs: number
  /** Once it spans more than one read of the target. */
  tally: Tally | undefined
  head: (readonly SqlValue[])[] | undefined
  masked: boolean
}

type Copying = {
  readonly statement: number
  readonly direction: 'in' | 'out' | 'both'
  readonly request: QueryRequest | ExecuteRequest
  /** From the client. */
  inbound: Inbound
  readonly outbound: Tally
  /** Syncs that the server ignores if it was still copying when it read them. */
  syncs: number
}

export type ExchangeParts = {
  readonly tell: (event: SqlEvent) => void
  readonly nowUs: () => number
  readonly limits: ExchangeLimits
  /** The state that the server is in at the beginning. */
  readonly transaction?: TransactionState
  /** Every portal is described by itself: what its statement was said to return is believed of no portal. */
  readonly describesPortals?: boolean
}

/** What cannot be told in a recording without guessing: a reply that answers nothing, or requests whose fate the protocol leaves open. */
export class ExchangeProblem extends Fault {
  constructor(userText: string) {
    super('POSTGRES_PROTOCOL', userText)
    this.name = 'ExchangeProblem'
  }
}

/** Filled field by field: there is one for every statement, and spreading takes longer than all the rest of it. */
type Told = { -readonly [Field in keyof ResultEvent]: ResultEvent[Field] }
type ResultEvent = Extract<SqlEvent, { type: 'result' }>

const unsureSync =
  'A COPY failed after a Sync was sent into it, and requests follow of which nobody can tell whether the server runs them.'

const noEffects: readonly NameEffect[] = []

/**
 * Without a Sync the server keeps up to 8 KiB of answers to itself (PqSendBufferSize), of at least 5 bytes each: whoever waited for the
 * answers to fewer requests than that could wait for ever.
 */
export const leastOutstandingRequests = 4096

export class Exchange {
  readonly #tell: (event: SqlEvent) => void
  readonly #nowUs: () => number
  readonly #limits: ExchangeLimits
  readonly #describesPortals: boolean
  readonly #queue = new RequestQueue()
  readonly #names: SessionNames
  #statements = 0
  #open: OpenResult | undefined
  #copying: Copying | undefined
  /** An error came, and the Sync that ends the skipping was not sent yet. */
  #skipping = false
  /** Syncs sent while copying of a COPY that failed: each may still be answered. */
  #looseSyncs = 0
  #unsureSyncs = 0
  /** COPY data that the server throws away, after a COPY that failed. */
  #dropped: Inbound | undefined
  /** What has grown since the last flush. */
  #grownInbound: Inbound | undefined
  #grownOutbound: Copying | undefined
  #transaction: TransactionState

  constructor(parts: ExchangeParts) {
    this.#tell = parts.tell
    this.#nowUs = parts.nowUs
    this.#limits = parts.limits
    this.#describesPortals = parts.describesPortals === true
    this.#transaction = parts.transaction ?? 'I'
    this.#names = new SessionNames(
      event => this.#tell(event),
      () => ++this.#statements,
    )
  }

  /** Requests that wait for replies. */
  get outstanding(): number {
    return this.#queue.size
  }

  /** The server works: it is not the client that keeps the session waiting. */
  get isBusy(): boolean {
    if (this.#copying !== undefined && this.#copying.direction === 'in') return this.#copying.inbound.ended
    return this.#queue.size > 0
  }

  get isFull(): boolean {
    return this.#queue.size > Math.max(this.#limits.maxOutstandingRequests, leastOutstandingRequests)
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
    const statement = ++this.#statements
    this.#tell(this.#statementEvent(statement, text))
    tellText(this.#tell, statement, text)
    this.#tellBlocked(statement, blocked)
    this.#ask({
      kind: 'query',
      statement,
      effects: text.effects,
      judged,
      blocked,
      sentUs: this.#nowUs(),
      parts: 0,
      effectsSeen: 0,
      failed: false,
    })
    return statement
  }

  #statementEvent(statement: number, { fields, effects }: StatementText): SqlEvent {
    const run = effects.length === 1 ? effects[0] : undefined
    if (run?.kind !== 'execute') return { type: 'statement', statement, how: 'simple', ...fields }
    const executes = this.#names.assumedStatement(run.name)
    return {
      type: 'statement',
      statement,
      how: 'simple',
      ...fields,
      ...(executes === undefined ? {} : { executes }),
    }
  }

  /** `said` hears the number under which the text is told. */
  parse(name: string, text: StatementText, about: AboutParse, blocked: Blocked | undefined): void {
    const prepared = this.#names.parse(nameKey(name), text, about)
    if (blocked !== undefined) this.#tellBlocked(this.#names.tellPrepared(prepared), blocked)
    this.#ask({ kind: 'parse', prepared, blocked })
  }

  bind(
    portalName: string,
    statementName: string,
    values: Arguments,
    resultFormats: readonly number[],
    blocked: Blocked | undefined,
  ): void {
    const portal = this.#names.bind(nameKey(portalName), nameKey(statementName), values, resultFormats)
    if (blocked !== undefined) this.#tellBlocked(this.#names.tellBound(portal), blocked)
    this.#ask({ kind: 'bind', portal, blocked })
  }

  describe(what: 'statement' | 'portal', name: string): void {
    this.#ask({ kind: 'describe', what, name: nameKey(name), typesCame: false, isOurs: false })
  }

  /** The gateway asks behind Bind what the columns are. */
  describeForUs(portalName: string): void {
    const name = nameKey(portalName)
    this.#ask({ kind: 'describe', what: 'portal', name, typesCame: false, isOurs: true })
  }

  close(what: 'statement' | 'portal', name: string): void {
    this.#ask({ kind: 'close', what, name: nameKey(name) })
  }

  execute(portalName: string, maxRows: number, blocked: Blocked | undefined): number {
    const key = nameKey(portalName)
    const statement = ++this.#statements
    const { fields, assumed, rest } = this.#names.execution(key, statement)
    const named = key === '' ? undefined : textOfName(key)
    this.#tell({
      type: 'statement',
      statement,
      how: 'execute',
      ...(named === undefined ? {} : { portal: named }),
      ...fields,
      ...(maxRows > 0 ? { maxRows } : {}),
    })
    for (const event of rest) this.#tell(event)
    this.#tellBlocked(statement, blocked)
    const sentUs = this.#nowUs()
    this.#ask({ kind: 'execute', statement, portalName: key, assumed, blocked, sentUs })
    return statement
  }

  functionCall(
    oid: number,
    name: string | undefined,
    values: Arguments,
    blocked: Blocked | undefined,
  ): number {
    const statement = ++this.#statements
    this.#tell({
      type: 'statement',
      statement,
      how: 'function',
      function: name === undefined ? { oid } : { oid, name },
      ...parameterFields(values),
    })
    tellParameters(this.#tell, statement, values)
    this.#tellBlocked(statement, blocked)
    this.#ask({
      kind: 'function',
      statement,
      effects: noEffects,
      judged: undefined,
      blocked,
      sentUs: this.#nowUs(),
      parts: 0,
      effectsSeen: 0,
      failed: false,
    })
    return statement
  }

  sync(): void {
    this.#names.nextSegment()
    if (this.#takesCopyData && this.#copying !== undefined) {
      this.#copying.syncs++ // the server ignores it, if it still copies when it gets there
      return
    }
    if (this.#skipping) this.#endSkipping()
    this.#queue.push({ kind: 'sync' })
  }

  /** Where the bytes of COPY data from the client are counted now. */
  copyData(): Tally {
    this.#grownInbound = this.#inbound()
    return this.#grownInbound.tally
  }

  copyEnd(): void {
    const inbound = this.#inbound()
    inbound.ended = true
  }

  #inbound(): Inbound {
    if (this.#takesCopyData && this.#copying !== undefined) return this.#copying.inbound
    const last = this.#queue.last
    if (last?.kind === 'copy' && !last.inbound.ended) return last.inbound
    const inbound = { tally: new Tally(), ended: false, statement: undefined }
    if (!this.#skipping && this.#queue.size > 0) this.#queue.push({ kind: 'copy', inbound })
    else if (this.#dropped === undefined || this.#dropped.ended) this.#dropped = inbound
    else return this.#dropped
    return inbound
  }

  /** The COPY that the target is at reads what the client sends now. */
  get #takesCopyData(): boolean {
    const copying = this.#copying
    return (
      copying !== undefined && copying.direction !== 'out' && !copying.inbound.ended && this.#queue.size === 1
    )
  }

  /** Tells what must be told before the client's bytes so far may be forwarded. */
  flushClient(): void {
    this.#names.tellPending()
    const grown = this.#grownInbound
    if (grown === undefined) return
    this.#grownInbound = undefined
    this.#tell({
      type: 'copy-progress',
      ...(grown.statement === undefined ? {} : { statement: grown.statement }),
      direction: 'in',
      bytes: grown.tally.bytes,
      sha256: grown.tally.digest(),
    })
  }

  #ask(request: Request): void {
    if (this.#skipping) {
      if (this.#unsureSyncs > 0) throw new ExchangeProblem(unsureSync)
      return this.#skip(request)
    }
    this.#queue.push(request)
  }

  #endSkipping(): void {
    this.#skipping = false
    this.#looseSyncs += this.#unsureSyncs
    this.#unsureSyncs = 0
  }

  /** The server reads it and does nothing. */
  #skip(request: Request): void {
    switch (request.kind) {
      case 'query':
      case 'function':
      case 'execute':
        return this.#tell({ type: 'result', statement: request.statement, status: 'skipped' })
      case 'parse':
        return this.#names.parseSkipped(request.prepared)
      case 'bind':
        return this.#names.bindSkipped(request.portal)
      case 'close':
      case 'describe':
      case 'sync':
      case 'copy':
    }
  }

  #tellBlocked(statement: number, blocked: Blocked | undefined): void {
    if (blocked === undefined) return
    this.#tell({ type: 'blocked', statement, rule: blocked.rule, reason: blocked.reason })
  }

  // ── What the target replies, each before it is forwarded ──────────────────────────────────────────────────────

  parseComplete(): void {
    const request = this.#next()
    if (request?.kind !== 'parse') throw this.#unexpected('ParseComplete')
    this.#queue.shift()
    this.#names.parsed(request.prepared)
  }

  bindComplete(): void {
    const request = this.#next()
    if (request?.kind !== 'bind') throw this.#unexpected('BindComplete')
    this.#queue.shift()
    this.#names.bound(request.portal)
  }

  closeComplete(): void {
    const request = this.#next()
    if (request?.kind !== 'close') throw this.#unexpected('CloseComplete')
    this.#queue.shift()
    this.#names.close(request.what, request.name)
  }

  parameterTypes(types: readonly number[]): void {
    const request = this.#next()
    if (request?.kind !== 'describe' || request.what !== 'statement' || request.typesCame)
      throw this.#unexpected('ParameterDescription')
    request.typesCame = true
    this.#names.learnTypes(request.name, types)
  }

  /** Columns of a result, or of what was described. Returns whether the gateway asked, and not the client. */
  rowDescription(shape: Shape, masked = false): boolean {
    const request = this.#next()
    if (request?.kind === 'query' && this.#open === undefined) {
      const open = this.#begin(request)
      open.shape = shape
      open.masked = masked
      return false
    }
    if (request?.kind !== 'describe') throw this.#unexpected('RowDescription')
    this.#queue.shift()
    this.#names.learnShape(request.what, request.name, shape)
    return request.isOurs
  }

  /** The same of what returns no rows. */
  noData(): boolean {
    const request = this.#next()
    if (request?.kind !== 'describe') throw this.#unexpected('NoData')
    this.#queue.shift()
    return request.isOurs
  }

  /** A row of so many bytes, without its head. */
  row(bytes: number): OpenResult {
    let open = this.#open
    if (open === undefined) open = this.#beginRows()
    open.rows++
    open.bytes += bytes
    return open
  }

  #beginRows(): OpenResult {
    const request = this.#next()
    if (request?.kind !== 'execute') throw this.#unexpected('DataRow')
    return this.#begin(request)
  }

  #begin(request: QueryRequest | ExecuteRequest): OpenResult {
    const { statement, sentUs } = request
    const shape =
      request.kind === 'execute' ? this.#names.shapeOf(request.portalName, this.#describesPortals) : undefined
    const open: OpenResult = {
      statement,
      isExecute: request.kind === 'execute',
      sentUs,
      shape,
      rows: 0,
      bytes: 0,
      firstUs: this.#nowUs(),
      tally: undefined,
      head: undefined,
      masked: false,
    }
    this.#open = open
    return open
  }

  /** The result that rows are coming of. */
  get open(): OpenResult | undefined {
    return this.#open
  }

  /** The formats that Bind asked for, of the result that is on its way. */
  resultFormats(): readonly number[] {
    const request = this.#queue.first
    return request?.kind === 'execute' ? this.#names.resultFormats(request.portalName) : []
  }

  copyIn(): void {
    const copying = this.#copyOf('in')
    // What the client has sent after the request was read, or will be, by the COPY.
    let taken = 0
    for (
      let next = this.#queue.behind(taken);
      next !== undefined && !copying.inbound.ended;
      next = this.#queue.behind(taken)
    ) {
      if (next.kind === 'sync') copying.syncs++
      else if (next.kind === 'copy') {
        copying.inbound = next.inbound
        copying.inbound.statement = copying.statement
      } else break // the target will not have it
      taken++
    }
    this.#queue.removeBehind(taken)
  }

  copyOut(): void {
    this.#copyOf('out')
  }

  copyBoth(): void {
    this.#copyOf('both')
  }

  #copyOf(direction: Copying['direction']): Copying {
    const request = this.#next()
    if ((request?.kind !== 'query' && request?.kind !== 'execute') || this.#copying !== undefined)
      throw this.#unexpected('a COPY response')
    const copying: Copying = {
      statement: request.statement,
      direction,
      request,
      inbound: { tally: new Tally(), ended: false, statement: request.statement },
      outbound: new Tally(),
      syncs: 0,
    }
    this.#copying = copying
    return copying
  }

  /** Where COPY data of the target is counted; settled by `flushTarget`. */
  copyDataOut(): Tally {
    const copying = this.#copying
    if (copying === undefined || copying.direction === 'in') throw this.#unexpected('CopyData')
    this.#grownOutbound = copying
    return copying.outbound
  }

  copyDoneOut(): void {
    if (this.#copying === undefined || this.#copying.direction === 'in') throw this.#unexpected('CopyDone')
  }

  commandComplete(tag: string): void {
    const request = this.#next()
    if (request?.kind === 'execute') {
      this.#queue.shift()
      this.#tellResult(request, 'done', { tag })
      const effects = this.#names.effectsOf(request.portalName)
      this.#names.took(effects, 0, tag, {
        statement: request.statement,
        judged: this.#names.assumedPortal(request.portalName)?.prepared?.judged,
      })
    } else if (request?.kind === 'query' && !request.failed) {
      request.parts++
      this.#tellResult(request, 'done', { tag })
      request.effectsSeen = this.#names.took(request.effects, request.effectsSeen, tag, request)
    } else throw this.#unexpected('CommandComplete')
    if (tag === 'COMMIT' || tag === 'ROLLBACK') this.#names.transactionEnded()
  }

  emptyQuery(): void {
    const request = this.#next()
    if (request?.kind === 'execute') this.#queue.shift()
    else if (request?.kind === 'query' && !request.failed) request.parts++
    else throw this.#unexpected('EmptyQueryResponse')
    this.#tellResult(request, 'empty', {})
  }

  portalSuspended(): void {
    const request = this.#next()
    if (request?.kind !== 'execute') throw this.#unexpected('PortalSuspended')
    this.#queue.shift()
    this.#tellResult(request, 'suspended', {})
  }

  functionResult(bytes: number): void {
    const request = this.#next()
    if (request?.kind !== 'function' || request.failed || request.parts > 0)
      throw this.#unexpected('FunctionCallResponse')
    request.parts++
    this.#tell({
      type: 'result',
      statement: request.statement,
      status: 'done',
      bytes,
      us: this.#nowUs() - request.sentUs,
    })
  }

  /**
   * Returns what was refused, if this error is the one that the refusal brought about: the client gets the refusal in its place.
   * FATAL ends the connection, whatever it answers.
   */
  error(report: { severity: string; sqlstate: string; message: string }): Blocked | undefined {
    const request = this.#next()
    const { severity, sqlstate, message } = report
    if (request === undefined || (severity !== 'ERROR' && request.kind === 'sync')) {
      this.#tell({ type: 'server-error', during: 'nothing', severity, sqlstate, message })
      return undefined
    }
    const blocked = 'blocked' in request && severity === 'ERROR' ? request.blocked : undefined
    const shown =
      blocked === undefined
        ? { sqlstate, message }
        : { sqlstate: blocked.code ?? '42501', message: blocked.reason, blocked: blocked.rule }
    this.#settleError(request, severity, shown)
    return blocked
  }

  #settleError(
    request: Request,
    severity: string,
    shown: { sqlstate: string; message: string; blocked?: string },
  ): void {
    const copying = this.#copying
    switch (request.kind) {
      case 'query':
      case 'function':
        if (request.failed) throw this.#unexpected('a second error')
        request.failed = true
        request.parts++
        this.#tellResult(request, 'error', shown)
        if (copying !== undefined && !copying.inbound.ended) this.#looseSyncs += copying.syncs
        return
      case 'sync':
        return this.#tell({ type: 'server-error', during: 'sync', severity, ...shown })
      case 'execute':
        this.#queue.shift()
        this.#tellResult(request, 'error', shown)
        return this.#skipToSync(copying !== undefined && !copying.inbound.ended ? copying.syncs : 0)
      case 'parse':
        this.#queue.shift()
        this.#tellStep('parse', this.#names.tellPrepared(request.prepared), shown)
        this.#names.parseFailed(request.prepared)
        return this.#skipToSync(0)
      case 'bind':
        this.#queue.shift()
        this.#tellStep('bind', this.#names.tellBound(request.portal), shown)
        this.#names.bindFailed(request.portal)
        return this.#skipToSync(0)
      case 'close':
      case 'describe':
        this.#queue.shift()
        this.#tell({ type: 'server-error', during: request.kind, severity, ...shown })
        return this.#skipToSync(0)
      case 'copy':
    }
  }

  #tellStep(
    during: 'parse' | 'bind',
    statement: number,
    shown: { sqlstate: string; message: string; blocked?: string },
  ): void {
    this.#tell({ type: 'result', statement, during, status: 'error', ...shown })
  }

  /** After an error in the extended protocol the server reads on to the next Sync and does nothing of it. */
  #skipToSync(unsureSyncs: number): void {
    for (let next = this.#queue.first; next !== undefined && next.kind !== 'sync'; next = this.#queue.first) {
      if (unsureSyncs > 0 && next.kind !== 'copy') throw new ExchangeProblem(unsureSync)
      this.#queue.shift()
      this.#skip(next)
    }
    this.#skipping = this.#queue.size === 0
    if (this.#skipping) this.#unsureSyncs = unsureSyncs
    else this.#looseSyncs += unsureSyncs
  }

  ready(status: TransactionState): void {
    this.#popReady()
    if (status === this.#transaction) {
      if (status === 'I') this.#names.transactionEnded()
      return
    }
    this.#transaction = status
    if (status === 'I') this.#names.transactionEnded()
    this.#tell({ type: 'transaction', status })
  }

  #popReady(): void {
    const request = this.#next()
    if (request?.kind === 'sync') {
      this.#queue.shift()
    } else if ((request?.kind === 'query' || request?.kind === 'function') && request.parts > 0) {
      this.#queue.shift()
      if (this.#open !== undefined || this.#copying !== undefined) throw this.#unexpected('ReadyForQuery')
      if (request.kind === 'query') this.#names.forgetUnnamed()
    } else if (this.#looseSyncs > 0) {
      this.#looseSyncs--
    } else if (this.#skipping && this.#unsureSyncs > 0) {
      this.#unsureSyncs-- // one of them counted after all, and what follows runs
      this.#endSkipping()
    } else throw this.#unexpected('ReadyForQuery')
  }

  /** Whether an ended target leaves anything without an answer; tells it. */
  end(): void {
    for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
      this.#queue.shift()
      if (next.kind === 'execute' || next.kind === 'function' || next.kind === 'query') {
        if (
          next.kind === 'execute' ||
          next.parts === 0 ||
          this.#open !== undefined ||
          this.#copying !== undefined
        )
          this.#tellResult(next, 'unfinished', {})
      }
    }
  }

  #tellResult(
    request: QueryRequest | ExecuteRequest,
    status: ResultStatus,
    said: { tag?: string; sqlstate?: string; message?: string; blocked?: string },
  ): void {
    const open = this.#open
    const copying = this.#copying?.request === request ? this.#copying : undefined
    this.#open = undefined
    if (copying !== undefined) this.#copying = undefined
    const told: Told = { type: 'result', statement: request.statement, status }
    if (request.kind !== 'execute' && request.parts > 1) told.part = request.parts
    if (said.tag !== undefined) told.tag = said.tag
    if (said.sqlstate !== undefined) told.sqlstate = said.sqlstate
    if (said.message !== undefined) told.message = said.message
    if (said.blocked !== undefined) told.blocked = said.blocked
    if (open !== undefined) addRows(told, open)
    told.us = this.#nowUs() - request.sentUs
    if (copying !== undefined) told.copy = volumeOf(copying)
    if (request.kind === 'execute') this.#addWhatRan(told, request)
    this.#tell(told)
  }

  #addWhatRan(told: Told, { portalName, assumed }: ExecuteRequest): void {
    const ran = this.#names.runs(portalName)
    if (ran !== assumed) told.ran = ran ?? null
  }

  /** Tells what must be told of results that go on, before the target's bytes so far may be forwarded. */
  flushTarget(): void {
    const open = this.#open
    if (open?.tally !== undefined) {
      const { statement, rows, bytes } = open
      this.#tell({ type: 'result-progress', statement, rows, bytes, sha256: open.tally.digest() })
    }
    const grown = this.#grownOutbound
    this.#grownOutbound = undefined
    if (grown === undefined || grown !== this.#copying) return
    const { statement, outbound } = grown
    const { bytes } = outbound
    this.#tell({ type: 'copy-progress', statement, direction: 'out', bytes, sha256: outbound.digest() })
  }

  /** The request that the target answers now. COPY data outside of a COPY is nothing to it. */
  #next(): Request | undefined {
    let request = this.#queue.first
    while (request?.kind === 'copy') {
      this.#queue.shift()
      request = this.#queue.first
    }
    return request
  }

  #unexpected(reply: string): ExchangeProblem {
    const waiting = this.#queue.first?.kind ?? 'nothing'
    return new ExchangeProblem(`The target sent ${reply} while ${waiting} waited for an answer.`)
  }
}

function addRows(told: Told, open: OpenResult): void {
  const { shape, tally, head } = open
  told.rows = open.rows
  told.bytes = open.bytes
  if (tally !== undefined) {
    told.firstRowUs = open.firstUs - open.sentUs
    told.sha256 = tally.digest()
  }
  if (shape !== undefined) told.columns = shape.number
  if (head !== undefined) told.head = head
  if (open.masked) told.masked = true
}

function volumeOf({ direction, inbound, outbound }: Copying) {
  const { tally } = inbound
  if (direction === 'in') return { direction, bytes: tally.bytes, sha256: tally.digest() }
  const out = { direction, bytes: outbound.bytes, sha256: outbound.digest() }
  return direction === 'out' ? out : { ...out, inBytes: tally.bytes, inSha256: tally.digest() }
}

/** A queue in an array: taking from its front moves an index, and now and then the rest. */
class RequestQueue {
  #requests: Request[] = []
  #at = 0

  get size(): number {
    return this.#requests.length - this.#at
  }

  get first(): Request | undefined {
    return this.#requests[this.#at]
  }

  /** Number `index` of those after the first. */
  behind(index: number): Request | undefined {
    return this.#requests[this.#at + 1 + index]
  }

  get last(): Request | undefined {
    return this.size === 0 ? undefined : this.#requests[this.#requests.length - 1]
  }

  push(request: Request): void {
    this.#requests.push(request)
  }

  shift(): void {
    this.#at++
    if (this.#at === this.#requests.length) {
      this.#requests.length = 0
      this.#at = 0
    } else if (this.#at > 1024 && this.#at * 2 > this.#requests.length) {
      this.#requests = this.#requests.slice(this.#at)
      this.#at = 0
    }
  }

  removeBehind(count: number): void {
    if (count > 0) this.#requests.splice(this.#at + 1, count)
  }
}
