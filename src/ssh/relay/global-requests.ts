/** Global requests and their replies (RFC 4254, section 4). The client may have the target listen, and no more. */
import { Fault } from '../../errors.ts'
import { allowsChannel, type ChannelDecision, type Grant } from '../../policy/decide.ts'
import { allowsForward, type ForwardPlace, placeText } from '../../policy/forward.ts'
import { uint32 } from '../../wire.ts'
import { Listeners } from '../forwarding/listeners.ts'
import {
  decodeListenReply,
  decodeListenRequest,
  isListenRequest,
  type ListenRequest,
} from '../forwarding/requests.ts'
import {
  encodeGlobalRequest,
  encodeRequestFailure,
  encodeRequestSuccess,
  type GlobalRequest,
} from '../messages.ts'
import { ReplyQueue } from '../reply-queue.ts'
import type { Circuit } from './circuit.ts'
import type { Leg } from './leg.ts'

const noBytes = Buffer.alloc(0)

export class GlobalRequests {
  readonly #circuit: Circuit
  /** Replies that the client waits for, to global requests. */
  readonly #clientReplies = new ReplyQueue()
  readonly #listeners = new Listeners()
  #noMoreSessions = false

  constructor(circuit: Circuit) {
    this.#circuit = circuit
  }

  /** The client said that it opens no more sessions on this connection. */
  get noMoreSessions(): boolean {
    return this.#noMoreSessions
  }

  /** The target listens somewhere, because the client asked it to. */
  get isListening(): boolean {
    return !this.#listeners.isEmpty
  }

  listensAt(place: ForwardPlace): boolean {
    return this.#listeners.has(place)
  }

  /** Whether a grant that was decided again covers all listeners. */
  allowedBy(grant: Grant): ChannelDecision {
    return this.#listeners.allowedBy(grant)
  }

  /** Keep-alives want any reply; the rest of what clients and servers announce needs none. */
  request(from: Leg, request: GlobalRequest): void {
    if (from === this.#circuit.target) return this.#refuse(from, request)
    if (isListenRequest(request.name)) return this.#listenRequest(request)
    if (request.name === 'no-more-sessions@openssh.com') this.#noMoreSessions = true
    this.#refuse(from, request)
  }

  reply(from: Leg, granted: boolean, fields: Buffer): void {
    const reply = from.asked.shift()
    if (reply === undefined) throw new Fault('SSH_PROTOCOL', 'A reply arrived that nobody asked for.')
    reply(granted, fields)
  }

  #refuse(from: Leg, request: GlobalRequest): void {
    if (!request.wantReply) return
    const refuse = (): void => this.#circuit.send(from, encodeRequestFailure())
    if (from === this.#circuit.client) this.#clientReplies.replyOurselves(refuse)
    else refuse()
  }

  #listenRequest(request: GlobalRequest): void {
    const { session } = this.#circuit
    session.touch()
    session.decideAgain()
    if (session.ended) return
    const allowed = allowsChannel(session.grant, { kind: 'forward' })
    if (!allowed.allowed) return this.#refuseToListen(request, allowed.reason)
    const listen = decodeListenRequest(request)
    if (listen.cancels) this.#stopListening(request, listen)
    else this.#listen(request, listen)
  }

  #refuseToListen(request: GlobalRequest, reason: string): void {
    this.#circuit.recordRefusal(request.name, reason)
    this.#refuse(this.#circuit.client, request)
  }

  /** The target is to listen, and to open a stream for whoever connects there (RFC 4254, section 7.1). */
  #listen(request: GlobalRequest, { place, fields }: ListenRequest): void {
    const allowed = allowsForward(this.#circuit.session.grant, { direction: 'from', place })
    const refusal = allowed.allowed ? this.#listeners.refusalOf(place) : allowed.reason
    if (refusal !== undefined) return this.#refuseToListen(request, refusal)
    const channel = this.#circuit.nextNumber()
    this.#circuit.record([{ type: 'forward-listen', channel, kind: request.name, place: placeText(place) }])
    this.#listeners.ask()
    this.#askTarget(request, fields, (granted, reply) => {
      const listening = granted ? decodeListenReply(place, reply) : undefined
      this.#listeners.answered(channel, listening)
      if (listening === undefined)
        this.#circuit.recordRefusal(request.name, 'The target refused it.', channel)
      else this.#circuit.record([{ type: 'forward-listening', channel, place: placeText(listening) }])
      return portReply(place, listening)
    })
  }

  /** From now on the target may not open streams from there, whatever it answers. */
  #stopListening(request: GlobalRequest, { place, fields }: ListenRequest): void {
    const channel = this.#listeners.remove(place)
    if (channel === undefined) return this.#refuse(this.#circuit.client, request)
    this.#circuit.record([{ type: 'forward-unlisten', channel, place: placeText(place) }])
    this.#askTarget(request, fields, () => noBytes)
  }

  /** Sends a client's global request on, and the reply back: `answered` hears of it and gives the fields of a success. */
  #askTarget(
    request: GlobalRequest,
    fields: Buffer,
    answered: (granted: boolean, fields: Buffer) => Buffer,
  ): void {
    const { client, target } = this.#circuit
    this.#clientReplies.awaitReply({ passesOn: request.wantReply, settled: () => {} })
    this.#circuit.forward(() => {
      if (this.#circuit.ended) return
      target.asked.push((granted, replyFields) => {
        const said = answered(granted, replyFields)
        const { passesOn } = this.#clientReplies.takeReply()
        if (passesOn)
          this.#circuit.send(client, granted ? encodeRequestSuccess(said) : encodeRequestFailure())
        this.#clientReplies.runOurs()
      })
      target.transport.send(encodeGlobalRequest(request.name, true, fields))
      this.#circuit.steerFlow()
    })
  }
}

/** Only the one who asked for any free port is told which (RFC 4254, section 7.1). */
function portReply(asked: ForwardPlace, listening: ForwardPlace | undefined): Buffer {
  const isAny = 'port' in asked && asked.port === 0
  return isAny && listening !== undefined && 'port' in listening ? uint32(listening.port) : noBytes
}
