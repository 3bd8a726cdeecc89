/** Results of queries and executes: what is told of each when it ends, and of those that take longer than one read of the target. */
import type { ResultStatus, SqlEvent, SqlValue } from '../../../recorder/sql-event.ts'
import type { SessionNames } from '../session-names.ts'
import type { Shape } from '../shapes.ts'
import type { Tally } from '../tally.ts'
import { type Copies, type Copying, volumeOf } from './copies.ts'
import type { ExecuteRequest, QueryRequest, Requests } from './requests.ts'

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

/** What the target said at the end of a result. */
export type Said = {
  readonly tag?: string
  readonly sqlstate?: string
  readonly message?: string
  readonly blocked?: string
}

export type ResultsParts = {
  readonly requests: Requests
  readonly names: SessionNames
  readonly copies: Copies
  readonly tell: (event: SqlEvent) => void
  readonly nowUs: () => number
  /** Every portal is described by itself: what its statement was said to return is believed of no portal. */
  readonly describesPortals: boolean
}

/** Filled field by field: there is one for every statement, and spreading takes longer than all the rest of it. */
type Told = { -readonly [Field in keyof ResultEvent]: ResultEvent[Field] }
type ResultEvent = Extract<SqlEvent, { type: 'result' }>

const nothingSaid: Said = {}

export class Results {
  readonly #parts: ResultsParts
  readonly #requests: Requests
  #open: OpenResult | undefined

  constructor(parts: ResultsParts) {
    this.#parts = parts
    this.#requests = parts.requests
  }

  /** The result that rows are coming of. */
  get open(): OpenResult | undefined {
    return this.#open
  }

  /** Rows of these columns follow, of a simple query. */
  beginQuery(request: QueryRequest, shape: Shape, masked: boolean): void {
    this.#begin(request, shape).masked = masked
  }

  /** A row of so many bytes, without its head. */
  row(bytes: number): OpenResult {
    const open = this.#open ?? this.#beginExecute()
    open.rows++
    open.bytes += bytes
    return open
  }

  #beginExecute(): OpenResult {
    const request = this.#requests.next()
    if (request?.kind !== 'execute') throw this.#requests.unexpected('DataRow')
    const { names, describesPortals } = this.#parts
    return this.#begin(request, names.shapeOf(request.portalName, describesPortals))
  }

  #begin({ kind, statement, sentUs }: QueryRequest | ExecuteRequest, shape: Shape | undefined): OpenResult {
    this.#open = {
      statement,
      isExecute: kind === 'execute',
      sentUs,
      shape,
      rows: 0,
      bytes: 0,
      firstUs: this.#parts.nowUs(),
      tally: undefined,
      head: undefined,
      masked: false,
    }
    return this.#open
  }

  /** The formats that Bind asked for, of the result that is on its way. */
  formats(): readonly number[] {
    const request = this.#requests.first
    return request?.kind === 'execute' ? this.#parts.names.resultFormats(request.portalName) : []
  }

  /** The request, or a part of it, has its result. */
  end(
    request: QueryRequest | ExecuteRequest,
    status: ResultStatus,
    tag: string | undefined,
    said: Said = nothingSaid,
  ): void {
    const open = this.#open
    const copying = this.#parts.copies.finish(request)
    this.#open = undefined
    const told: Told = { type: 'result', statement: request.statement, status }
    if (request.kind !== 'execute' && request.parts > 1) told.part = request.parts
    if (tag !== undefined) told.tag = tag
    if (said !== nothingSaid) addSaid(told, said)
    this.#addVolume(told, request, open, copying)
    if (request.kind === 'execute') this.#addWhatRan(told, request)
    this.#parts.tell(told)
  }

  #addVolume(
    told: Told,
    { sentUs }: { readonly sentUs: number },
    open: OpenResult | undefined,
    copying: Copying | undefined,
  ): void {
    if (open !== undefined) addRows(told, open)
    told.us = this.#parts.nowUs() - sentUs
    if (copying !== undefined) told.copy = volumeOf(copying)
  }

  #addWhatRan(told: Told, { portalName, assumed }: ExecuteRequest): void {
    const ran = this.#parts.names.runs(portalName)
    if (ran !== assumed) told.ran = ran ?? null
  }

  /** Of a FunctionCall: its value, in so many bytes. */
  endFunction({ statement, sentUs }: QueryRequest, bytes: number): void {
    const us = this.#parts.nowUs() - sentUs
    this.#parts.tell({ type: 'result', statement, status: 'done', bytes, us })
  }

  /** Tells what must be told of a result that goes on, before the target's bytes so far may be forwarded. */
  flush(): void {
    const open = this.#open
    if (open?.tally === undefined) return
    const { statement, rows, bytes } = open
    this.#parts.tell({ type: 'result-progress', statement, rows, bytes, sha256: open.tally.digest() })
  }
}

function addSaid(told: Told, { sqlstate, message, blocked }: Said): void {
  if (sqlstate !== undefined) told.sqlstate = sqlstate
  if (message !== undefined) told.message = message
  if (blocked !== undefined) told.blocked = blocked
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
