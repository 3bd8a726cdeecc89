/**
 * Carries the connection protocol (RFC 4254) between a client and a target, message by message: decoded, recorded, and
 * only then sent on. Windows pass through, so that each end is held back by the other and nothing piles up here.
 */
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Grant } from '../../policy/decide.ts'
import { droppedText, type Held, heldText, releasedText } from '../../session/hold.ts'
import type { Ending, Session } from '../../session/session.ts'
import {
  type ConnectionMessage,
  decodeConnectionMessage,
  disconnectReason,
  encodeUnimplemented,
} from '../messages.ts'
import type { CloseReason, Transport } from '../transport.ts'
import { ChannelRequests } from './channel-requests.ts'
import { Channels } from './channels.ts'
import { Circuit, type RelayLimits } from './circuit.ts'
import { GlobalRequests } from './global-requests.ts'
import { KeepAlive } from './keep-alive.ts'
import type { Leg, RelayPeer } from './leg.ts'
import { Streams } from './streams.ts'

export type RelayParts = {
  readonly session: Session
  readonly client: RelayPeer
  readonly target: Transport
  readonly limits: RelayLimits
  readonly log: Log
}

const noBytes = Buffer.alloc(0)

export class Relay {
  readonly #circuit: Circuit
  readonly #globals: GlobalRequests
  readonly #channels: Channels
  readonly #streams: Streams
  readonly #requests: ChannelRequests
  readonly #keepAlive: KeepAlive
  readonly #log: Log

  constructor({ session, client, target, limits, log }: RelayParts) {
    this.#log = log
    this.#circuit = new Circuit(session, client, target, limits)
    this.#globals = new GlobalRequests(this.#circuit)
    this.#channels = new Channels(this.#circuit, this.#globals)
    this.#streams = new Streams(this.#circuit, this.#channels)
    this.#requests = new ChannelRequests(this.#circuit, this.#channels, channel =>
      this.#streams.releaseInput(channel),
    )
    this.#keepAlive = new KeepAlive(this.#circuit)
    session.onEnd(ending => this.#end(ending))
    session.onDecision(grant => this.#judgeAgain(grant))
    session.onHold(held => this.#holdChanged(held))
  }

  fromClient(payload: Buffer, sequence: number): void {
    this.#handle(this.#circuit.client, payload, sequence)
  }

  fromTarget(payload: Buffer, sequence: number): void {
    this.#handle(this.#circuit.target, payload, sequence)
  }

  /** The client went away. What it sent before still counts. */
  clientClosed(why: CloseReason): void {
    this.#endAfterAll({ reason: leavingText('client', why.kind), userText: '' })
  }

  targetClosed(why: CloseReason): void {
    const userText = 'The target closed the connection.'
    this.#endAfterAll({ reason: leavingText('target', why.kind), userText })
  }

  #endAfterAll(ending: Ending): void {
    this.#circuit.forward(() => this.#circuit.session.end(ending))
  }

  #end(ending: Ending): void {
    const { client, target, heldInput } = this.#circuit
    const dropped = ending.userText === '' ? '' : droppedText(heldInput.bytes)
    heldInput.drop()
    this.#circuit.ended = true
    this.#keepAlive.stop()
    this.#channels.endAll()
    client.transport.disconnect(disconnectReason.byApplication, `${ending.userText}${dropped}`)
    target.transport.disconnect(disconnectReason.byApplication, '')
  }

  /** The policy may have changed while something runs: what it no longer allows ends, and the session with it. */
  #judgeAgain(grant: Grant): void {
    for (const allowed of [...this.#channels.allowedBy(grant), this.#globals.allowedBy(grant)]) {
      if (allowed.allowed) continue
      const reason = 'policy no longer allows what runs'
      return this.#circuit.session.end({ reason, userText: allowed.reason })
    }
  }

  /** Its user reads why nothing happens, and when it goes on. */
  #holdChanged(held: Held | undefined): void {
    if (this.#circuit.ended) return
    if (held !== undefined) return this.#channels.announce(heldText(held))
    this.#channels.announce(releasedText(this.#circuit.heldInput.bytes))
    this.#goOn()
  }

  /** What waited goes on in its order, before anything that comes now. */
  #goOn(): void {
    const { client, heldInput, session } = this.#circuit
    try {
      while (!this.#circuit.ended && session.held === undefined) {
        const message = heldInput.take()
        if (message === undefined) break
        this.#step(client, message)
      }
    } catch (cause) {
      this.#violated(client, cause) // which ends the session, and drops the rest
    }
    this.#circuit.forward(() => this.#circuit.steerFlow())
  }

  #handle(from: Leg, payload: Buffer, sequence: number): void {
    if (this.#circuit.ended) return
    from.silentIntervals = 0
    try {
      const message = decodeConnectionMessage(payload)
      if (message === undefined) this.#circuit.send(from, encodeUnimplemented(sequence))
      else if (this.#waits(from, message)) this.#keep(message, payload.length)
      else this.#step(from, message)
    } catch (cause) {
      this.#violated(from, cause)
    }
  }

  #waits(from: Leg, message: ConnectionMessage): boolean {
    const { client, session, heldInput } = this.#circuit
    return from === client && session.held !== undefined && !heldInput.passes(message)
  }

  #keep(message: ConnectionMessage, bytes: number): void {
    this.#circuit.heldInput.add(message, bytes)
    if (this.#circuit.heldInput.isFull) this.#circuit.steerFlow()
  }

  #violated(from: Leg, cause: unknown): void {
    const { session } = this.#circuit
    const text = cause instanceof Fault ? cause.userText : 'The gateway could not handle a message.'
    this.#log.warn({ session: session.id, from: from.name, cause: reasonOf(cause) }, 'protocol violation')
    session.end({ reason: `protocol error from the ${from.name}: ${reasonOf(cause)}`, userText: text })
  }

  #step(from: Leg, message: ConnectionMessage): void {
    switch (message.type) {
      case 'global-request':
        return this.#globals.request(from, message)
      case 'request-success':
        return this.#globals.reply(from, true, message.fields)
      case 'request-failure':
        return this.#globals.reply(from, false, noBytes)
      case 'channel-open':
        return this.#channels.open(from, message)
      case 'open-confirmation':
        return this.#channels.confirmed(from, message)
      case 'open-failure':
        return this.#channels.failed(from, message.recipient, message.reason, message.description)
      case 'window-adjust':
        return this.#streams.windowAdjust(from, this.#channels.get(message.recipient), message.bytes)
      case 'data':
        return this.#streams.data(from, this.#channels.get(message.recipient), message.data)
      case 'extended-data':
        return this.#streams.extendedData(
          from,
          this.#channels.get(message.recipient),
          message.code,
          message.data,
        )
      case 'end-of-file':
        return this.#channels.endOfFile(from, this.#channels.get(message.recipient))
      case 'close':
        return this.#channels.close(from, this.#channels.get(message.recipient), channel =>
          this.#streams.releaseInput(channel),
        )
      case 'channel-request':
        return this.#requests.request(from, message)
      case 'channel-success':
      case 'channel-failure':
        return this.#requests.reply(from, this.#channels.get(message.recipient), message.type)
    }
  }
}

/** Why a session ended, for those who read lists of them. */
function leavingText(who: Leg['name'], how: CloseReason['kind']): string {
  switch (how) {
    case 'disconnect':
      return `the ${who} said goodbye`
    case 'peer':
      return `the ${who} closed the connection`
    case 'protocol':
      return `the ${who} broke the rules of SSH`
    case 'timeout':
      return `the ${who} took too long to exchange keys`
    case 'local':
      return `the gateway cut the ${who} off`
  }
}
