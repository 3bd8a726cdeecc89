/**
 * Carries a session between a client and a target that are both signed in: decoded, recorded, and only then sent on as it came. Each side
 * is held back while the other one, or the recording, has more than it can take.
 */
import type { Socket } from 'node:net'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { SqlEvent } from '../../recorder/sql-event.ts'
import { droppedText, type Held, heldText, maxWaitingInputBytes, releasedText } from '../../session/hold.ts'
import type { Ending, Session } from '../../session/session.ts'
import {
  encodeErrorResponse,
  encodeNoticeResponse,
  encodeParameterStatus,
  type TransactionStatus,
} from '../wire/backend.ts'
import { FrameScanner } from '../wire/frame-scanner.ts'
import type { ProtocolViolation } from '../wire/protocol-violation.ts'
import { ClientFrames } from './client-frames.ts'
import { ExchangeProblem } from './exchange/problem.ts'
import { Exchange } from './exchange.ts'
import { Facts, type FactsSource } from './facts.ts'
import type { ResultMask, StatementGate } from './hooks.ts'
import { Outlet } from './outlet.ts'
import { readFrom } from './reads.ts'
import { Release } from './release.ts'
import { Shapes } from './shapes.ts'
import { type MaskSecrets, StatementTexts } from './statement-text.ts'
import { TargetFrames } from './target-frames.ts'

/** A slow reader gets our last words for so long. */
const lastWordsMs = 10_000
/** A client that says no more gets its answer within this time, or is asked whether it is there. */
const presenceAfterMs = 1000
/** The parser's answers are waited for so long at an orderly end. */
const lastFactsMs = 2000

export type RelayLimits = {
  /** The largest Query, Parse, Bind and FunctionCall. */
  readonly maxMessageBytes: number
  /** Bytes that an end has not taken yet: the other one is not read beyond it. */
  readonly maxQueuedBytes: number
  readonly maxOutstandingRequests: number
  readonly maxStatements: number
  readonly keepAliveIntervalMs: number
}

export type RelayParts = {
  readonly session: Session
  /** Both paused, signed in, and told of it; what was read too far is in the sockets. */
  readonly client: Socket
  readonly target: Socket
  readonly start: Extract<SqlEvent, { type: 'sql-session' }>
  /** What the target has said of its parameters, and the state that it is in. */
  readonly opening: {
    readonly parameters: readonly { readonly name: string; readonly value: string }[]
    readonly status: TransactionStatus
  }
  readonly limits: RelayLimits
  /** The rules for statements; a new one whenever the rules changed. */
  readonly gate: () => StatementGate
  readonly mask?: ResultMask | undefined
  readonly facts?: FactsSource | undefined
  readonly maskSecrets: MaskSecrets
  /** Rows of each result that are kept. */
  readonly headRows: number
  readonly log: Log
  /** Monotonic microseconds. */
  readonly nowUs?: () => number
}

export class Relay {
  readonly #session: Session
  readonly #client: Socket
  readonly #target: Socket
  readonly #limits: RelayLimits
  readonly #gate: () => StatementGate
  readonly #log: Log
  readonly #exchange: Exchange
  readonly #facts: Facts
  readonly #toClient: Outlet
  readonly #toTarget: Outlet
  readonly #clientFrames: ClientFrames
  readonly #targetFrames: TargetFrames
  readonly #activityTimer: NodeJS.Timeout
  readonly #settings = new Map<string, string>()
  #presenceTimer: NodeJS.Timeout | undefined
  #waitsForRecording = false
  /** What the client sent while the session was held. */
  #heldInput: Buffer[] = []
  #heldInputBytes = 0
  /** A statement was judged while the session was held, and waits, too. */
  #owesJudged = false
  #clientEnded = false
  /** The target has heard that the client says nothing more. */
  #passedClientEnd = false
  #terminated = false
  #over = false
  #leaving = false
  #fatalCode = '57P01'

  constructor(parts: RelayParts) {
    const { session, client, target, limits } = parts
    const { recording } = session
    this.#session = session
    this.#client = client
    this.#target = target
    this.#limits = limits
    this.#gate = parts.gate
    this.#log = parts.log
    const tell = (event: SqlEvent): void => recording.record(event)
    const nowUs = parts.nowUs ?? (() => Math.floor(performance.now() * 1000))
    const describesPortals = parts.mask !== undefined
    this.#exchange = new Exchange({
      tell,
      nowUs,
      limits,
      transaction: parts.opening.status,
      describesPortals,
    })
    this.#facts = new Facts(parts.facts, tell)
    const steer = (): void => this.#steer()
    this.#toClient = new Outlet(client, recording, bytes => {
      session.sent(bytes)
      steer()
    })
    this.#toTarget = new Outlet(target, recording, steer)
    this.#clientFrames = this.#framesOfClient(parts)
    this.#targetFrames = this.#framesOfTarget(parts, tell)
    for (const { name, value } of parts.opening.parameters) this.#settings.set(name, value)
    tell(parts.start)
    session.onHold(held => this.#holdChanged(held))
    this.#activityTimer = setInterval(() => this.#noteActivity(), limits.keepAliveIntervalMs)
  }

  #framesOfClient(parts: RelayParts): ClientFrames {
    const scanner = new FrameScanner('frontend', this.#limits)
    return new ClientFrames({
      scanner,
      release: new Release(scanner, this.#toTarget),
      exchange: this.#exchange,
      texts: new StatementTexts(parts.maskSecrets),
      facts: this.#facts,
      gate: parts.gate,
      describesPortals: parts.mask !== undefined,
      plainEscapes: () => this.#settings.get('standard_conforming_strings') === 'off',
      onJudged: () => this.#judged(),
      onTerminate: () => (this.#terminated = true),
    })
  }

  #framesOfTarget(parts: RelayParts, tell: (event: SqlEvent) => void): TargetFrames {
    const scanner = new FrameScanner('backend', this.#limits)
    return new TargetFrames({
      scanner,
      release: new Release(scanner, this.#toClient),
      exchange: this.#exchange,
      shapes: new Shapes(tell),
      tell,
      headRows: parts.headRows,
      mask: parts.mask,
      onParameter: (name, value) => this.#parameter(name, value),
    })
  }

  /** Begins. What happens from now on ends the session in the end. */
  start(): void {
    this.#attend(this.#client, {
      data: chunk => this.#fromClient(chunk),
      end: () => this.#clientEnd(),
      close: () => this.#leave('client left'),
    })
    this.#attend(this.#target, {
      data: chunk => this.#fromTarget(chunk),
      end: () => this.#targetEnd(),
      close: () => this.#targetEnd(),
    })
    this.#session.onEnd(ending => this.#end(ending))
  }

  /** Records what happened beside the connection: a cancel request. */
  note(event: SqlEvent): void {
    if (!this.#over) this.#session.recording.record(event)
  }

  #attend(
    socket: Socket,
    heard: { data: (chunk: Buffer) => void; end: () => void; close: () => void },
  ): void {
    socket.allowHalfOpen = true // who says no more may still be answered
    socket.setNoDelay(true)
    socket.setKeepAlive(true, this.#limits.keepAliveIntervalMs)
    socket.on('end', heard.end)
    socket.on('error', () => socket.destroy())
    socket.on('close', heard.close)
    socket.on('drain', () => this.#steer())
    readFrom(socket, heard.data)
    socket.resume()
  }

  // ── What comes ────────────────────────────────────────────────────────────────────────────────────────────────

  #fromClient(chunk: Buffer): void {
    if (this.#over) return
    if (this.#session.held !== undefined) return this.#keep(chunk)
    this.#session.touch()
    this.#guard('client', () => this.#clientFrames.take(chunk))
    if (this.#clientFrames.isWaiting || this.#exchange.isFull) this.#steer()
  }

  /** Read on for a while: that a client has gone is found by reading alone. */
  #keep(chunk: Buffer): void {
    this.#heldInput.push(chunk)
    this.#heldInputBytes += chunk.length
    this.#steer()
  }

  /** Its user reads why nothing happens, and when it goes on: a NoticeResponse may come between any two messages. */
  #holdChanged(held: Held | undefined): void {
    if (this.#over) return
    const text = held === undefined ? releasedText(this.#heldInputBytes) : heldText(held)
    const message = `sallyport: ${text}`
    this.#toClient.say(encodeNoticeResponse({ severity: 'NOTICE', code: '00000', message }))
    if (held === undefined) this.#goOn()
    this.#steer()
  }

  /** What waited is dealt with in its order, before anything that comes now. */
  #goOn(): void {
    const waiting = this.#heldInput
    this.#heldInput = []
    this.#heldInputBytes = 0
    const owesJudged = this.#owesJudged
    this.#owesJudged = false
    if (owesJudged) this.#judged()
    for (const chunk of waiting) this.#fromClient(chunk)
    this.#finishClient()
  }

  #fromTarget(chunk: Buffer): void {
    if (this.#over) return
    this.#guard('target', () => this.#targetFrames.take(chunk))
  }

  #guard(from: 'client' | 'target', take: () => ProtocolViolation | undefined): void {
    try {
      const violation = take()
      if (violation !== undefined) this.#violated(from, violation.message)
    } catch (cause) {
      const side = cause instanceof ExchangeProblem ? 'target' : from
      const text = cause instanceof Fault ? cause.userText : 'The gateway could not handle a message.'
      if (!(cause instanceof Fault))
        this.#log.error({ session: this.#session.id, cause: reasonOf(cause) }, 'relaying failed')
      this.#violated(side, text)
    }
  }

  #violated(from: 'client' | 'target', text: string): void {
    this.#log.warn({ session: this.#session.id, from, text }, 'protocol violation')
    this.#fatalCode = '08P01'
    this.#session.end({ reason: `protocol error from the ${from}: ${text}`, userText: text })
  }

  #judged(): void {
    if (this.#over) return
    if (this.#session.held !== undefined) {
      this.#owesJudged = true
      return
    }
    this.#guard('client', () => this.#clientFrames.resume())
    this.#finishClient()
    this.#steer()
  }

  /** Where rules apply, texts must mean what the parser takes them to mean. */
  #parameter(name: string, value: string): void {
    this.#settings.set(name, value)
    if (!this.#gate().hasRules) return
    const must = forcedSettings.get(name)
    if (must === undefined || must === value.toUpperCase()) return
    const text = `Rules for statements apply here, so ${name} must stay ${must.toLowerCase()}.`
    this.#fatalCode = '42501'
    this.#session.end({ reason: `${name} was changed to ${value}`, userText: text })
  }

  // ── How it ends ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The client says nothing more; what it asked for is still answered. */
  #clientEnd(): void {
    this.#clientEnded = true
    this.#finishClient()
    if (!this.#terminated) this.#askLater(2)
  }

  /** A client that leaves without a word (pg_dump does) is why the target closes too, once it has heard. */
  #targetEnd(): void {
    this.#leave(this.#passedClientEnd ? 'client left' : 'target closed the connection')
  }

  /** The first question is answered by its kernel, if it is gone; the second one finds that out. */
  #askLater(times: number): void {
    if (times === 0) return
    this.#presenceTimer = setTimeout(() => {
      this.#askForPresence()
      this.#askLater(times - 1)
    }, presenceAfterMs).unref()
  }

  /**
   * A client that was killed looks like one that only says no more, until it is sent something: then its kernel answers that nobody is
   * there. So it is told what it knows, which is legal between any two messages. The server would notice after its statement only.
   */
  #askForPresence(): void {
    const encoding = this.#settings.get('server_encoding')
    const waits = this.#exchange.isBusy || this.#session.held !== undefined
    const isSilent = waits && this.#toClient.isAtBoundary && this.#toClient.queuedBytes === 0
    if (this.#over || !this.#clientEnded || encoding === undefined || !isSilent) return
    this.#client.write(encodeParameterStatus({ name: 'server_encoding', value: encoding }))
  }

  #finishClient(): void {
    if (!this.#clientEnded || this.#clientFrames.isWaiting || this.#over) return
    if (this.#session.held !== undefined) return // and what it sent before waits, too
    this.#session.recording.forward(() => {
      this.#passedClientEnd = true
      this.#target.end()
    })
  }

  /** One side is gone. What it has said before still counts, and is answered as far as it goes. */
  #leave(reason: string): void {
    if (this.#over || this.#leaving) return
    this.#leaving = true
    const why = this.#terminated ? 'closed by the client' : reason
    this.#session.recording.forward(() => void this.#leaveInOrder(why))
  }

  async #leaveInOrder(reason: string): Promise<void> {
    this.#client.end()
    this.#target.destroy() // whatever still runs there is nobody's
    await this.#facts.settled(lastFactsMs)
    this.#session.end({ reason, userText: '' })
  }

  #end({ userText }: Ending): void {
    this.#over = true
    const dropped = userText === '' ? '' : droppedText(this.#heldInputBytes)
    this.#heldInput = []
    this.#heldInputBytes = 0
    clearInterval(this.#activityTimer)
    clearTimeout(this.#presenceTimer)
    this.#exchange.end()
    this.#facts.end()
    this.#toTarget.close()
    this.#toClient.close()
    this.#target.destroy()
    this.#sayGoodbye(`${userText}${dropped}`)
  }

  /** A message may follow whole ones only. */
  #sayGoodbye(text: string): void {
    if (text !== '' && this.#toClient.isAtBoundary && this.#client.writable)
      this.#client.write(encodeErrorResponse({ severity: 'FATAL', code: this.#fatalCode, message: text }))
    this.#client.end()
    this.#client.resume() // until it has read our last words
    // Where the client has gone already, nothing waits for this; where it has not, its socket keeps the process.
    const timer = setTimeout(() => this.#client.destroy(), lastWordsMs).unref()
    this.#client.once('close', () => clearTimeout(timer))
  }

  // ── Flow ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The server is at work: the session is not idle, however long that takes. */
  #noteActivity(): void {
    if (this.#exchange.isBusy) this.#session.touch()
    this.#askForPresence()
  }

  #steer(): void {
    if (this.#over) return
    if (this.#session.recording.isBehind) this.#waitForRecording()
    const { maxQueuedBytes } = this.#limits
    const clientWaits =
      this.#waitsForRecording ||
      this.#heldInputBytes >= maxWaitingInputBytes ||
      this.#clientFrames.isWaiting ||
      this.#exchange.isFull ||
      this.#toTarget.queuedBytes > maxQueuedBytes
    steer(this.#client, clientWaits)
    steer(this.#target, this.#waitsForRecording || this.#toClient.queuedBytes > maxQueuedBytes)
  }

  #waitForRecording(): void {
    if (this.#waitsForRecording) return
    this.#waitsForRecording = true
    this.#session.recording.whenDrained().then(
      () => {
        this.#waitsForRecording = false
        this.#steer()
      },
      () => {}, // a recording that fails ends the session by itself
    )
  }
}

/** What libpg-query reads texts by. */
const forcedSettings: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'ON'],
])

function steer(socket: Socket, waits: boolean): void {
  if (waits === socket.isPaused()) return
  if (waits) socket.pause()
  else socket.resume()
}
