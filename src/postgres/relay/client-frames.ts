/** What the client sends: decoded, judged, told to the exchange, and only then forwarded as it came, or replaced. */
import type { FrameScanner, FrameSink, Want } from '../wire/frame-scanner.ts'
import {
  decodeBind,
  decodeCopyFail,
  decodeEmpty,
  decodeExecute,
  decodeFunctionCall,
  decodeParse,
  decodeQuery,
  decodeStatementOrPortal,
  encodeDescribe,
  type Parse,
} from '../wire/frontend.ts'
import { frontend } from '../wire/message-types.ts'
import type { ProtocolViolation } from '../wire/protocol-violation.ts'
import type { Blocked } from './exchange/requests.ts'
import type { Exchange } from './exchange.ts'
import type { Facts } from './facts.ts'
import type { Judgement, RunName, StatementGate } from './hooks.ts'
import type { Release } from './release.ts'
import { argumentsOf, type StatementText, type StatementTexts } from './statement-text.ts'
import {
  insteadOfBind,
  insteadOfExecute,
  insteadOfFunctionCall,
  insteadOfParse,
  insteadOfQuery,
} from './substitution.ts'
import { largeObjectFunctions } from './value-types.ts'
import { decodedText } from './values.ts'

export type ClientFramesParts = {
  readonly scanner: FrameScanner
  readonly release: Release
  readonly exchange: Exchange
  readonly texts: StatementTexts
  readonly facts: Facts
  readonly gate: () => StatementGate
  /** What each portal returns is asked for right behind its Bind: masks must know it for sure. */
  readonly describesPortals: boolean
  /** Backslashes count in plain strings (`standard_conforming_strings` is off). */
  readonly plainEscapes: () => boolean
  /** Hears when a frame that waited for its judgement may go on. */
  readonly onJudged: () => void
  readonly onTerminate: () => void
}

const tooManyNames: Blocked = {
  rule: 'limit on names',
  reason: 'Too many prepared statements or portals are open in this session.',
  hint: 'Deallocate or close some of them.',
}

const onlyLargeObjects: Blocked = {
  rule: 'function calls',
  reason: 'The function call interface is open for large objects only.',
  hint: 'Call the function in a SELECT.',
}

const rulesChanged: Blocked = {
  rule: 'rules changed',
  reason: 'The rules for statements changed since this one was prepared.',
  hint: 'Prepare it again.',
}

/** It is not there, or it was made where nobody could read it: a driver that gets this code prepares it again. */
const unknownStatement: Blocked = {
  rule: 'statements must be read',
  reason: 'This prepared statement does not exist, as far as the gateway can tell.',
  hint: 'Prepare it again.',
  code: '26000',
}

const unknownPortal: Blocked = {
  rule: 'statements must be read',
  reason: 'This portal does not exist, as far as the gateway can tell.',
  hint: 'Declare its cursor in a statement of its own.',
  code: '34000',
}

/** Its description would be of what is prepared under that name now, and its rows of what is when it runs. */
const preparedExecute: Blocked = {
  rule: 'masked columns must be known',
  reason: 'EXECUTE may not be prepared itself where columns are masked.',
  hint: 'Send it in the simple query protocol, or run the prepared statement by the protocol.',
}

const preparedFetch: Blocked = {
  rule: 'masked columns must be known',
  reason: 'FETCH that is prepared and named portals do not go together where columns are masked.',
  hint: 'Send FETCH in the simple query protocol, or leave the portals of Bind without a name.',
}

/** Continues a frame whose judgement came later. */
type Waiting = (judgement: Judgement) => Buffer | undefined

export class ClientFrames implements FrameSink {
  readonly #parts: ClientFramesParts
  readonly #scanner: FrameScanner
  readonly #exchange: Exchange
  readonly #release: Release
  /** The rules at the beginning. */
  readonly #firstGate: StatementGate
  /** Of sessions with masks. */
  #hasNamedPortals = false
  #preparesFetch = false
  #chunk: Buffer = Buffer.alloc(0)
  /** Bytes of COPY data that are still to come of the current frame. */
  #copyLeft = 0
  #isWaiting = false
  #isOver = false
  /** What came behind the frame that waits. */
  #behind: Buffer[] = []

  constructor(parts: ClientFramesParts) {
    this.#parts = parts
    this.#scanner = parts.scanner
    this.#exchange = parts.exchange
    this.#release = parts.release
    this.#firstGate = parts.gate()
  }

  /** A statement waits for its judgement: nothing more of the client should be read. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Throws MalformedMessage and ExchangeProblem. */
  take(chunk: Buffer): ProtocolViolation | undefined {
    if (this.#isOver) return undefined // the server reads nothing behind Terminate
    if (this.#isWaiting) {
      this.#behind.push(chunk)
      return undefined
    }
    return this.#scan(chunk)
  }

  #scan(chunk: Buffer): ProtocolViolation | undefined {
    this.#chunk = chunk
    this.#release.begin(chunk)
    if (this.#copyLeft > 0) this.#countCopyData(0, this.#copyLeft)
    const violation = this.#scanner.scan(chunk, this)
    this.#exchange.flushClient()
    if (this.#isWaiting) this.#behind.push(chunk.subarray(this.#scanner.offset))
    else if (violation === undefined) this.#release.finish(this.#copyLeft > 0)
    return violation
  }

  /** What waited behind a statement that was judged. */
  #goOn(): ProtocolViolation | undefined {
    const chunks = this.#behind
    this.#behind = []
    for (const chunk of chunks) {
      const violation = this.take(chunk)
      if (violation !== undefined) return violation
    }
    return undefined
  }

  begin(type: number, bodyBytes: number): Want {
    if (type !== frontend.copyData) return 'body'
    this.#release.passHead(type, bodyBytes)
    this.#countCopyData(this.#scanner.offset, bodyBytes)
    return 'skip'
  }

  #countCopyData(from: number, left: number): void {
    const end = Math.min(this.#chunk.length, from + left)
    this.#copyLeft = left - (end - from)
    this.#exchange.copyData().add(this.#chunk, from, end)
  }

  part(): void {}

  body(type: number, body: Buffer): void {
    switch (type) {
      case frontend.query:
        return this.#query(body)
      case frontend.parse:
        return this.#parse(decodeParse(body))
      case frontend.bind:
        return this.#bind(body)
      case frontend.execute:
        return this.#execute(body)
      case frontend.functionCall:
        return this.#functionCall(body)
      default:
        this.#small(type, body)
        this.#release.passFrame()
    }
  }

  #small(type: number, body: Buffer): void {
    switch (type) {
      case frontend.describe: {
        const { kind, name } = decodeStatementOrPortal(body)
        return this.#exchange.describe(kind, name)
      }
      case frontend.close: {
        const { kind, name } = decodeStatementOrPortal(body)
        return this.#exchange.close(kind, name)
      }
      case frontend.sync:
        decodeEmpty(body)
        return this.#exchange.sync()
      case frontend.flush:
        return decodeEmpty(body)
      case frontend.copyDone:
        decodeEmpty(body)
        return this.#exchange.copyEnd()
      case frontend.copyFail:
        decodeCopyFail(body)
        return this.#exchange.copyEnd()
      case frontend.terminate:
        decodeEmpty(body)
        this.#isOver = true
        this.#scanner.stop()
        return this.#parts.onTerminate()
      default: // the scanner knows no other type
    }
  }

  #query(body: Buffer): void {
    const bytes = decodeQuery(body)
    const decoded = decodedText(bytes)
    const gate = this.#parts.gate()
    this.#judge(bytes, decoded, judgement => {
      const text = this.#textOf(bytes, decoded)
      const blocked = this.#blockedBy(judgement, false) ?? this.#noNamesLeft(text)
      const statement = this.#exchange.query(text, gate, blocked)
      this.#said(statement, text, decoded)
      return blocked === undefined ? undefined : insteadOfQuery(blocked)
    })
  }

  #parse({ name, text: bytes, types }: Parse): void {
    const decoded = decodedText(bytes)
    const gate = this.#parts.gate()
    this.#judge(bytes, decoded, judgement => {
      const text = this.#textOf(bytes, decoded)
      const blocked =
        this.#blockedBy(judgement, true) ?? (this.#exchange.namesAreFull ? tooManyNames : undefined)
      const said = (statement: number): void => this.#said(statement, text, decoded)
      this.#exchange.parse(name, text, { types, judged: gate, said }, blocked)
      return blocked === undefined ? undefined : insteadOfParse(name, blocked)
    })
  }

  #textOf(bytes: Buffer, decoded: string | undefined): StatementText {
    return this.#parts.texts.of(bytes, decoded, this.#parts.plainEscapes())
  }

  /** The text has a number now: others may refer to it, and the parser may say what it is. */
  #said(statement: number, text: StatementText, decoded: string | undefined): void {
    this.#parts.texts.remember(text.fields, statement)
    if (text.fields.same === undefined) this.#parts.facts.ask(statement, decoded)
  }

  #noNamesLeft({ effects }: StatementText): Blocked | undefined {
    const makesNames = effects.some(({ kind }) => kind === 'prepare' || kind === 'declare')
    return makesNames && this.#exchange.namesAreFull ? tooManyNames : undefined
  }

  #bind(body: Buffer): void {
    const { portal, statement, formats, values, resultFormats } = decodeBind(body)
    const told = argumentsOf(values, formats, this.#exchange.typesOf(statement))
    const isNamed = this.#parts.describesPortals && portal !== ''
    const blocked = this.#exchange.namesAreFull
      ? tooManyNames
      : isNamed && this.#preparesFetch
        ? preparedFetch
        : this.#judgedOtherwise(this.#exchange.judgmentsOf('statement', statement), unknownStatement)
    this.#exchange.bind(portal, statement, told, resultFormats, blocked)
    if (blocked !== undefined) return this.#release.replaceFrame(insteadOfBind(portal))
    if (!this.#parts.describesPortals) return this.#release.passFrame()
    this.#hasNamedPortals ||= isNamed
    this.#exchange.describeForUs(portal)
    this.#release.passFrameAnd(encodeDescribe({ kind: 'portal', name: portal }))
  }

  /** What was prepared before its rules changed; and, where rules apply, what nobody has read. */
  #judgedOtherwise(judgments: readonly unknown[], unknown: Blocked): Blocked | undefined {
    const gate = this.#parts.gate()
    const all = gate === this.#firstGate ? judgments.slice(0, 1) : judgments
    if (all.every(judged => judged === gate)) return undefined
    if (all.some(judged => judged !== undefined && judged !== gate)) return rulesChanged
    return gate.hasRules ? unknown : undefined
  }

  /** What EXECUTE and FETCH run; as long as the rules were always the same, whatever it is was allowed by them. */
  #runsOtherwise(runs: readonly RunName[]): Blocked | undefined {
    if (this.#parts.gate() === this.#firstGate) return undefined
    for (const { what, name } of runs) {
      const judgments = this.#exchange.judgmentsOf(what, Buffer.from(name).toString('latin1'))
      const blocked = this.#judgedOtherwise(
        judgments,
        what === 'statement' ? unknownStatement : unknownPortal,
      )
      if (blocked !== undefined) return blocked
    }
    return undefined
  }

  #blockedBy(judgement: Judgement, isPrepared: boolean): Blocked | undefined {
    if (!judgement.allowed) return refusedBy(judgement)
    const { runs } = judgement
    if (runs === undefined) return undefined
    const describedEarlier = isPrepared && this.#parts.describesPortals
    return (describedEarlier ? this.#preparedRun(runs) : undefined) ?? this.#runsOtherwise(runs)
  }

  /** Cursors of SQL have no masked columns, but portals of Bind may; FETCH goes by the name that either may have had. */
  #preparedRun(runs: readonly RunName[]): Blocked | undefined {
    if (runs.some(({ what }) => what === 'statement')) return preparedExecute
    if (this.#hasNamedPortals) return preparedFetch
    this.#preparesFetch = true
    return undefined
  }

  #execute(body: Buffer): void {
    const { portal, maxRows } = decodeExecute(body)
    const blocked = this.#judgedOtherwise(this.#exchange.judgmentsOf('portal', portal), unknownPortal)
    this.#exchange.execute(portal, maxRows, blocked)
    if (blocked === undefined) this.#release.passFrame()
    else this.#release.replaceFrame(insteadOfExecute())
  }

  /** Any function could be called here by its OID, and no parser would see it. */
  #functionCall(body: Buffer): void {
    const call = decodeFunctionCall(body)
    const name = largeObjectFunctions.get(call.function)
    const judgement = this.#parts.gate().judgeFunctionCall?.()
    const blocked = name === undefined ? onlyLargeObjects : judgement && this.#blockedBy(judgement, false)
    this.#exchange.functionCall(call.function, name, argumentsOf(call.values, call.formats, []), blocked)
    if (blocked === undefined) this.#release.passFrame()
    else this.#release.replaceFrame(insteadOfFunctionCall())
  }

  /** Goes on at once where the gate knows; otherwise the frame, and all behind it, waits. */
  #judge(bytes: Buffer, decoded: string | undefined, then: Waiting): void {
    const gate = this.#parts.gate()
    const isUnread = decoded === undefined && gate.hasRules
    const judgement = isUnread ? notUtf8 : gate.judge(decoded ?? bytes.toString('latin1'))
    if (judgement instanceof Promise) return this.#wait(judgement, then)
    const instead = then(judgement)
    if (instead === undefined) this.#release.passFrame()
    else this.#release.replaceFrame(instead)
  }

  #wait(judgement: Promise<Judgement>, then: Waiting): void {
    const { frame } = this.#scanner
    this.#release.holdFrame()
    this.#isWaiting = true
    this.#scanner.stop()
    judgement.then(
      answer => this.#judged(frame, then(answer)),
      () => this.#judged(frame, then(unanswered)),
    )
  }

  #judged(frame: Buffer, instead: Buffer | undefined): void {
    this.#isWaiting = false
    this.#exchange.flushClient()
    this.#release.resume(instead ?? frame)
    this.#parts.onJudged()
  }

  /** For whoever hears that a statement was judged. */
  resume(): ProtocolViolation | undefined {
    return this.#goOn()
  }
}

/** Where rules apply, the session's encoding is UTF-8. */
const notUtf8: Judgement = {
  allowed: false,
  rule: 'statements must be read',
  reason: 'This statement is not UTF-8.',
}

/** A look-up that fails refuses. */
const unanswered: Judgement = {
  allowed: false,
  rule: 'statements must be read',
  reason: 'The gateway could not find out what this statement does.',
}

function refusedBy({ rule, reason, hint }: Extract<Judgement, { allowed: false }>): Blocked {
  return hint === undefined ? { rule, reason } : { rule, reason, hint }
}
