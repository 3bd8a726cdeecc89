/** What the target replies: told to the exchange as what it answers, and then forwarded as it came. */
import type { SqlEvent, SqlValue } from '../../recorder/sql-event.ts'
import {
  decodeCommandComplete,
  decodeCopyResponse,
  decodeDataRow,
  decodeFunctionCallResponse,
  decodeNotification,
  decodeParameterDescription,
  decodeParameterStatus,
  decodeReadyForQuery,
  decodeReport,
  type ReportFields,
} from '../wire/backend.ts'
import type { FrameScanner, FrameSink, Want } from '../wire/frame-scanner.ts'
import { encodeDataRowBody } from './data-row.ts'
import { frame as frameOf } from '../wire/frame-writer.ts'
import { backend } from '../wire/message-types.ts'
import type { ProtocolViolation } from '../wire/protocol-violation.ts'
import { ExchangeProblem } from './exchange/problem.ts'
import type { OpenResult } from './exchange/results.ts'
import type { Exchange } from './exchange.ts'
import type { ResultMask, RowMask } from './hooks.ts'
import type { Release } from './release.ts'
import type { Shapes } from './shapes.ts'
import { refusalResponse } from './substitution.ts'
import { Tally } from './tally.ts'
import { formatOf, keptValuesBytes, recordedValue } from './values.ts'

/** A longer reply that is no row goes on as it comes: errors quote what people sent, functions return large objects. */
export const maxHeldReplyBytes: number = 512 * 1024
/** Of such a reply so much is looked at. */
const keptReplyBytes = 64 * 1024
/** A longer row is not kept as one of the first ones: it is described. */
const maxKeptRowBytes = 64 * 1024
/** A row with something masked is held until it is whole; a longer one ends the session. */
const maxMaskedRowBytes = 64 * 1024 * 1024
/** Of a message in an error, notice or notification. */
const maxMessageCharacters = 16 * 1024

export type TargetFramesParts = {
  readonly scanner: FrameScanner
  readonly release: Release
  readonly exchange: Exchange
  readonly shapes: Shapes
  readonly tell: (event: SqlEvent) => void
  /** Rows of each result that are kept. */
  readonly headRows: number
  readonly mask: ResultMask | undefined
  readonly onParameter: (name: string, value: string) => void
}

/** A reply that goes on as it comes. */
type Streamed = {
  readonly type: number
  readonly bytes: number
  readonly kept: Buffer[]
  keptBytes: number
  readonly tally: Tally
}

export class TargetFrames implements FrameSink {
  readonly #parts: TargetFramesParts
  readonly #scanner: FrameScanner
  readonly #exchange: Exchange
  readonly #release: Release
  #chunk: Buffer = Buffer.alloc(0)
  /** Where the rows began that follow each other in this chunk; -1 if the last frame was none. */
  #rowsFrom = -1
  /** Bytes of a frame that goes on as it comes and is not whole yet. */
  #left = 0
  #leftIsCopy = false
  #streamed: Streamed | undefined = undefined
  /** Plan for the result that is on its way. */
  #rowMask: { open: OpenResult; plan: RowMask | undefined } | undefined
  #headLeft = keptValuesBytes

  constructor(parts: TargetFramesParts) {
    this.#parts = parts
    this.#scanner = parts.scanner
    this.#exchange = parts.exchange
    this.#release = parts.release
  }

  /** Throws MalformedMessage and ExchangeProblem. */
  take(chunk: Buffer): ProtocolViolation | undefined {
    this.#chunk = chunk
    this.#release.begin(chunk)
    if (this.#left > 0) this.#continue()
    const violation = this.#scanner.scan(chunk, this)
    if (violation !== undefined) return violation
    if (this.#rowsFrom >= 0) this.#endRows(this.#left > 0 ? chunk.length : this.#scanner.start, true)
    const streamed = this.#streamed
    if (streamed !== undefined) this.#tellProgress(streamed)
    this.#exchange.flushTarget()
    this.#release.finish(this.#left > 0 || this.#streamed !== undefined)
    return undefined
  }

  /** The rest of a row or of COPY data that began in an earlier chunk. */
  #continue(): void {
    const end = Math.min(this.#left, this.#chunk.length)
    if (this.#leftIsCopy) this.#exchange.copyDataOut().add(this.#chunk, 0, end)
    else this.#rowsFrom = 0
    this.#left -= end
  }

  begin(type: number, bodyBytes: number): Want {
    if (type === backend.dataRow) return this.#beginRow(bodyBytes)
    if (this.#rowsFrom >= 0) this.#endRows(Math.max(this.#scanner.start, 0), isAsynchronous(type))
    if (type === backend.copyData) return this.#beginCopyData(bodyBytes)
    if (bodyBytes <= maxHeldReplyBytes) return 'body'
    // What an error would show is taken out of it only where it is looked at whole.
    const isUnmasked = type === backend.errorResponse && this.#parts.mask !== undefined
    if (!mayBeLong(type) || isUnmasked) throw new ExchangeProblem('The target sent a reply that is too long.')
    this.#release.passHead(type, bodyBytes)
    this.#streamed = { type, bytes: bodyBytes, kept: [], keptBytes: 0, tally: new Tally() }
    return 'parts'
  }

  #beginRow(bodyBytes: number): Want {
    const open = this.#exchange.row(bodyBytes)
    if (this.#wantsRow(open, bodyBytes)) {
      if (bodyBytes > maxMaskedRowBytes)
        throw new ExchangeProblem('The target sent a row that is too long to be masked.')
      if (this.#rowsFrom >= 0) this.#endRows(Math.max(this.#scanner.start, 0), true)
      return 'body'
    }
    const head = this.#release.passHead(backend.dataRow, bodyBytes)
    if (head !== undefined) tallyOf(open).add(head, 0, head.length)
    if (this.#rowsFrom < 0) this.#rowsFrom = head === undefined ? this.#scanner.start : this.#scanner.offset
    const came = Math.min(bodyBytes, this.#chunk.length - this.#scanner.offset)
    this.#left = bodyBytes - came
    this.#leftIsCopy = false
    return 'skip'
  }

  #wantsRow(open: OpenResult, bodyBytes: number): boolean {
    const { headRows, mask } = this.#parts
    if (mask !== undefined && this.#planFor(open, mask) !== undefined) return true
    return open.rows <= headRows && bodyBytes <= maxKeptRowBytes
  }

  #planFor(open: OpenResult, mask: ResultMask): RowMask | undefined {
    if (this.#rowMask?.open !== open) {
      const plan = mask.plan(open.shape?.columns, this.#formats(open))
      open.masked = plan !== undefined
      this.#rowMask = { open, plan }
    }
    return this.#rowMask.plan
  }

  /** Of simple queries the description says them; of the extended protocol Bind did. */
  #formats(open: OpenResult): readonly number[] {
    return open.isExecute
      ? this.#exchange.resultFormats()
      : (open.shape?.columns.map(column => column.format) ?? [])
  }

  #beginCopyData(bodyBytes: number): Want {
    this.#release.passHead(backend.copyData, bodyBytes)
    const from = this.#scanner.offset
    const end = Math.min(this.#chunk.length, from + bodyBytes)
    this.#exchange.copyDataOut().add(this.#chunk, from, end)
    this.#left = bodyBytes - (end - from)
    this.#leftIsCopy = true
    return 'skip'
  }

  /** Rows that go on past this chunk are described by a digest; those of a result that ends here need none. */
  #endRows(end: number, goesOn: boolean): void {
    const from = this.#rowsFrom
    this.#rowsFrom = -1
    const { open } = this.#exchange
    if (open === undefined || (open.tally === undefined && !goesOn)) return
    tallyOf(open).add(this.#chunk, from, end)
  }

  part(_type: number, bytes: Buffer, last: boolean): void {
    const streamed = this.#streamed
    if (streamed === undefined) return
    streamed.tally.add(bytes, 0, bytes.length)
    const room = keptReplyBytes - streamed.keptBytes
    if (room > 0) {
      streamed.kept.push(Buffer.from(bytes.subarray(0, room)))
      streamed.keptBytes += Math.min(room, bytes.length)
    }
    if (last) this.#endStreamed(streamed)
  }

  #tellProgress({ type, tally }: Streamed): void {
    const message = String.fromCharCode(type)
    this.#parts.tell({ type: 'message-progress', message, bytes: tally.bytes, sha256: tally.digest() })
  }

  #endStreamed(streamed: Streamed): void {
    this.#streamed = undefined
    this.#tellProgress(streamed)
    const kept = Buffer.concat(streamed.kept)
    if (streamed.type === backend.functionCallResponse)
      return this.#exchange.functionResult(streamed.bytes - 4)
    const fields = reportOfBeginning(kept)
    if (streamed.type === backend.noticeResponse) this.#tellNotice(fields)
    else this.#exchange.error(reportOf(fields))
  }

  body(type: number, body: Buffer): void {
    if (type === backend.dataRow) return this.#row(body)
    if (type === backend.errorResponse) return this.#error(body)
    if (this.#reply(type, body) === true) this.#release.dropFrame()
    else this.#release.passFrame()
  }

  /** True: it answers the gateway, and not the client. */
  #reply(type: number, body: Buffer): boolean | void {
    const exchange = this.#exchange
    switch (type) {
      case backend.readyForQuery:
        return exchange.ready(decodeReadyForQuery(body))
      case backend.commandComplete:
        return exchange.commandComplete(decodeCommandComplete(body))
      case backend.rowDescription:
        return exchange.rowDescription(this.#parts.shapes.of(body))
      case backend.parseComplete:
        return exchange.parseComplete()
      case backend.bindComplete:
        return exchange.bindComplete()
      case backend.closeComplete:
        return exchange.closeComplete()
      case backend.noData:
        return exchange.noData()
      case backend.parameterDescription:
        return exchange.parameterTypes(decodeParameterDescription(body))
      case backend.emptyQueryResponse:
        return exchange.emptyQuery()
      case backend.portalSuspended:
        return exchange.portalSuspended()
      case backend.functionCallResponse:
        return exchange.functionResult(decodeFunctionCallResponse(body)?.length ?? 0)
      default:
        this.#rare(type, body)
    }
  }

  #rare(type: number, body: Buffer): void {
    switch (type) {
      case backend.copyInResponse:
        decodeCopyResponse(body)
        return this.#exchange.copyIn()
      case backend.copyOutResponse:
        decodeCopyResponse(body)
        return this.#exchange.copyOut()
      case backend.copyBothResponse:
        decodeCopyResponse(body)
        return this.#exchange.copyBoth()
      case backend.copyDone:
        return this.#exchange.copyDoneOut()
      case backend.noticeResponse:
        return this.#tellNotice(decodeReport(body))
      case backend.notificationResponse:
        return this.#notification(body)
      case backend.parameterStatus: {
        const { name, value } = decodeParameterStatus(body)
        this.#parts.tell({ type: 'parameter', name, value: shortened(value) })
        return this.#parts.onParameter(name, value)
      }
      default:
        throw new ExchangeProblem('The target sent a message that has no place in a session.')
    }
  }

  #tellNotice(fields: ReportFields): void {
    const detail = fields.get('D')
    const hint = fields.get('H')
    this.#parts.tell({
      type: 'notice',
      ...reportOf(fields),
      ...(detail === undefined ? undefined : { detail: shortened(detail) }),
      ...(hint === undefined ? undefined : { hint: shortened(hint) }),
    })
  }

  #notification(body: Buffer): void {
    const { pid, channel, payload } = decodeNotification(body)
    const [topic, process] = [shortened(channel), pid]
    this.#parts.tell({
      type: 'notification',
      topic,
      payload: shortened(payload),
      bytes: body.length,
      process,
    })
  }

  #error(body: Buffer): void {
    const fields = decodeReport(body)
    const blocked = this.#exchange.error(reportOf(fields))
    const shown = this.#parts.mask?.report?.(fields)
    if (blocked !== undefined) this.#release.replaceFrame(refusalResponse(blocked))
    else if (shown !== undefined) this.#release.replaceFrame(frameOf(backend.errorResponse, shown))
    else this.#release.passFrame()
  }

  /** One of the first rows, or one with something masked. */
  #row(body: Buffer): void {
    const { open } = this.#exchange
    if (open === undefined) return
    const plan = this.#rowMask?.open === open ? this.#rowMask.plan : undefined
    const shown = plan === undefined ? body : plan.apply(body)
    const frame = shown === body ? this.#scanner.frame : encodeDataRowBody(shown)
    tallyOf(open).add(frame, 0, frame.length)
    if (open.rows <= this.#parts.headRows && shown.length <= maxKeptRowBytes) this.#keepRow(open, shown)
    if (shown === body) this.#release.passFrame()
    else this.#release.replaceFrame(frame)
  }

  #keepRow(open: OpenResult, row: Buffer): void {
    if (open.head === undefined) this.#headLeft = keptValuesBytes
    const budget = { left: this.#headLeft }
    const formats = this.#formats(open)
    const columns = open.shape?.columns
    const values: SqlValue[] = decodeDataRow(row).map((value, index) =>
      recordedValue(value, columns?.[index]?.type ?? 0, formatOf(formats, index), budget),
    )
    this.#headLeft = budget.left
    open.head ??= []
    open.head.push(values)
  }
}

function tallyOf(open: OpenResult): Tally {
  open.tally ??= new Tally()
  return open.tally
}

/** These may come between rows. */
function isAsynchronous(type: number): boolean {
  return (
    type === backend.noticeResponse ||
    type === backend.parameterStatus ||
    type === backend.notificationResponse
  )
}

function mayBeLong(type: number): boolean {
  return (
    type === backend.errorResponse || type === backend.noticeResponse || type === backend.functionCallResponse
  )
}

function reportOf(fields: ReportFields): { severity: string; sqlstate: string; message: string } {
  return {
    severity: (fields.get('V') ?? fields.get('S') ?? 'ERROR').slice(0, 20),
    sqlstate: (fields.get('C') ?? '').slice(0, 5),
    message: shortened(fields.get('M') ?? ''),
  }
}

/** A report of which only the beginning is here: fields as far as they go. */
function reportOfBeginning(kept: Buffer): ReportFields {
  const end = kept.lastIndexOf(0)
  const whole = kept.subarray(0, end + 1)
  const cut = kept.subarray(end + 1)
  const fields = new Map(whole.length === 0 ? [] : decodeReport(Buffer.concat([whole, Buffer.alloc(1)])))
  if (cut.length > 1) fields.set(String.fromCharCode(cut[0] ?? 0), cut.toString('utf8', 1))
  return fields
}

/** It says how much is missing. */
function shortened(text: string): string {
  if (text.length <= maxMessageCharacters) return text
  return `${text.slice(0, maxMessageCharacters)}… (${text.length - maxMessageCharacters} characters more)`
}
