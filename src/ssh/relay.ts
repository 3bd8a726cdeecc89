/**
 * Carries the connection protocol (RFC 4254) between a client and a target, message by message: decoded, recorded, and
 * only then sent on. Windows pass through, so that each end is held back by the other and nothing piles up here.
 */
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { allowsChannel, type ChannelDecision, type Grant } from '../policy/decide.ts'
import { allowsForward, type ForwardPlace, placeText } from '../policy/forward.ts'
import type { RecordedEvent } from '../recorder/event.ts'
import type { Ending, Session } from '../session/session.ts'
import { uint32 } from '../wire.ts'
import { type ChannelEnd, RelayChannel, type Started } from './channel.ts'
import { AgentStream } from './forwarding/agent.ts'
import type { Conduit } from './forwarding/conduit.ts'
import { Listeners } from './forwarding/listeners.ts'
import {
  agentChannelType,
  clientChannelTypes,
  decodeListenReply,
  decodeListenRequest,
  decodeOpening,
  isListenRequest,
  listenerChannelTypes,
  type ListenRequest,
  type Opening,
} from './forwarding/requests.ts'
import { ForwardStream } from './forwarding/stream.ts'
import {
  type ChannelOpen,
  type ChannelRequest,
  type ConnectionMessage,
  decodeConnectionMessage,
  disconnectReason,
  encodeChannelOpen,
  encodeChannelRequest,
  encodeChannelSignal,
  encodeDataHead,
  encodeExtendedDataHead,
  encodeGlobalRequest,
  encodeOpenConfirmation,
  encodeOpenFailure,
  encodeRequestFailure,
  encodeRequestSuccess,
  encodeUnimplemented,
  encodeWindowAdjust,
  type GlobalRequest,
  type OpenConfirmation,
  openFailureReason,
  stderrCode,
} from './messages.ts'
import {
  decodeEnvironment,
  decodeExitSignal,
  decodeExitStatus,
  decodePtyRequest,
  decodeSignal,
  decodeSingleString,
  decodeWindowChange,
  expectBreak,
  expectFlowControl,
  expectNothing,
  isReplayable,
  maxRequestFieldBytes,
  mayPassVariable,
} from './requests.ts'
import { ReplyQueue } from './reply-queue.ts'
import { MemoryBudget } from './sftp/budget.ts'
import type { Decoded } from './sftp/decoder.ts'
import type { CloseReason, Transport } from './transport.ts'

/** Of one data message: what RFC 4253, section 6.1 asks for and OpenSSH sends. */
const maxDataBytes = 32_768

/** The exit status of a command that the gateway did not pass on: the shell's "cannot be executed". */
const refusedExitStatus = 126

/** Intervals that a peer may stay silent for, though it was asked in each; then it is gone. */
const maxSilentIntervals = 3

/** What may be asked on a channel that is no session: signs of life, and what clients measure a channel with. */
const quietRequests: ReadonlySet<string> = new Set([
  'eow@openssh.com',
  'keepalive@openssh.com',
  'winadj@putty.projects.tartarus.org',
])

const notAskedFor = 'The gateway did not ask for this channel.'

const noBytes = Buffer.alloc(0)

/** Refused channels and requests of one session. Each is recorded, so that without a limit they would fill the disk. */
export const maxRefusals = 10_000

export type RelayLimits = {
  readonly maxChannels: number
  readonly keepOutputBytes: number
  /** Of each direction of a forwarded stream; past it, size and digest go on. By default nothing is kept. */
  readonly keepForwardBytes?: number
  readonly keepAliveIntervalMs: number
}

/** What the relay needs of a connection. */
export type RelayPeer = Pick<
  Transport,
  'send' | 'sendParts' | 'congested' | 'whenWritable' | 'pauseReading' | 'resumeReading' | 'disconnect'
>

export type RelayParts = {
  readonly session: Session
  readonly client: RelayPeer
  readonly target: Transport
  readonly limits: RelayLimits
  readonly log: Log
}

/** Hears whether a global request was granted, and what the reply carried. */
type GlobalReply = (granted: boolean, fields: Buffer) => void
const nobodyCares: GlobalReply = () => {}

/** One of the two connections, and what the other one is to it. */
type Leg = {
  readonly name: 'client' | 'target'
  readonly transport: RelayPeer
  /** What its replies to global requests are for, in the order in which it was asked (RFC 4254, section 4). */
  readonly asked: GlobalReply[]
  /** Since it was last heard. A busy peer on a slow line answers late, but it is there. */
  silentIntervals: number
  /** We do not read what it says. */
  held: boolean
  /** We are to be told when it can take more. */
  awaited: boolean
}

export class Relay {
  readonly #session: Session
  readonly #client: Leg
  readonly #target: Leg
  readonly #limits: RelayLimits
  readonly #log: Log
  readonly #channels = new Map<number, RelayChannel>()
  /** Shared by all channels that move files. */
  readonly #fileBudget = new MemoryBudget()
  /** Replies that the client waits for, to global requests. */
  readonly #clientReplies = new ReplyQueue()
  readonly #listeners = new Listeners()
  /** The target was told that it may use the client's agent. */
  #agentOffered = false
  #nextChannel = 0
  #noMoreSessions = false
  #refusals = 0
  #ended = false
  #waitsForRecording = false
  /** Channels whose input waits until the target has said whether it gives them a terminal. */
  readonly #inputWaits = new Set<RelayChannel>()
  #inputWaitIntervals = 0
  readonly #keepAliveTimer: NodeJS.Timeout

  constructor(parts: RelayParts) {
    this.#session = parts.session
    this.#client = newLeg('client', parts.client)
    this.#target = newLeg('target', parts.target)
    this.#limits = parts.limits
    this.#log = parts.log
    this.#keepAliveTimer = setInterval(() => this.#keepAlive(), parts.limits.keepAliveIntervalMs)
    this.#session.onEnd(ending => this.#end(ending))
    this.#session.onDecision(grant => this.#judgeAgain(grant))
  }

  fromClient(payload: Buffer, sequence: number): void {
    this.#handle(this.#client, payload, sequence)
  }

  fromTarget(payload: Buffer, sequence: number): void {
    this.#handle(this.#target, payload, sequence)
  }

  /** The client went away. What it sent before still counts. */
  clientClosed(why: CloseReason): void {
    this.#forward(() => this.#session.end({ reason: `client left (${why.kind})`, userText: '' }))
  }

  targetClosed(why: CloseReason): void {
    const userText = 'The target closed the connection.'
    this.#forward(() => this.#session.end({ reason: `target closed the connection (${why.kind})`, userText }))
  }

  #end(ending: Ending): void {
    this.#ended = true
    clearInterval(this.#keepAliveTimer)
    for (const channel of this.#channels.values()) {
      this.#record(channel.endFiles())
      channel.forget()
    }
    this.#channels.clear()
    this.#client.transport.disconnect(disconnectReason.byApplication, ending.userText)
    this.#target.transport.disconnect(disconnectReason.byApplication, '')
  }

  #record(events: readonly RecordedEvent[]): void {
    for (const event of events) this.#session.recording.record(event)
  }

  /** Runs after everything recorded so far has been handed to the operating system (invariant 3). */
  #forward(send: () => void): void {
    this.#session.recording.forward(send)
  }

  #send(leg: Leg, payload: Uint8Array): void {
    this.#forward(() => {
      if (this.#ended) return
      leg.transport.send(payload)
      this.#steerFlow()
    })
  }

  #sendData(leg: Leg, head: Buffer, data: Buffer): void {
    this.#forward(() => {
      if (this.#ended) return
      leg.transport.sendParts(head, data)
      this.#steerFlow()
    })
  }

  /** Holds a connection back while the other one, or the recording, has more than it can take. */
  #steerFlow(): void {
    if (this.#ended) return
    if (this.#session.recording.isBehind) this.#waitForRecording()
    steer(this.#target, this.#waitsForRecording || this.#isBehind(this.#client))
    steer(this.#client, this.#waitsForRecording || this.#inputWaits.size > 0 || this.#isBehind(this.#target))
  }

  #isBehind(leg: Leg): boolean {
    const behind = leg.transport.congested
    if (behind && !leg.awaited) {
      leg.awaited = true
      leg.transport.whenWritable(() => {
        leg.awaited = false
        this.#steerFlow()
      })
    }
    return behind
  }

  /** Finds peers that vanished without a word, and keeps firewalls from forgetting quiet connections. */
  #keepAlive(): void {
    const silent = this.#silentLeg()
    if (silent !== undefined) {
      const text = `The ${silent.name} no longer answers.`
      return this.#session.end({ reason: `the ${silent.name} no longer answers`, userText: text })
    }
    for (const { transport, asked } of this.#countKeepAlives()) {
      asked.push(nobodyCares)
      transport.send(encodeGlobalRequest('keepalive@openssh.com', true, noBytes))
    }
  }

  /** A leg that we ourselves do not read is not blamed for its silence: the one that holds it back is. */
  #silentLeg(): Leg | undefined {
    this.#inputWaitIntervals = this.#inputWaits.size > 0 ? this.#inputWaitIntervals + 1 : 0
    if (this.#inputWaitIntervals > maxSilentIntervals) return this.#target
    return [this.#client, this.#target].find(leg => !leg.held && leg.silentIntervals >= maxSilentIntervals)
  }

  #countKeepAlives(): readonly Leg[] {
    const legs = [this.#client, this.#target]
    for (const leg of legs) {
      if (!leg.held) leg.silentIntervals++
    }
    return legs
  }

  #globalReply(from: Leg, granted: boolean, fields: Buffer): void {
    const reply = from.asked.shift()
    if (reply === undefined) throw new Fault('SSH_PROTOCOL', 'A reply arrived that nobody asked for.')
    reply(granted, fields)
  }

  #waitForRecording(): void {
    if (this.#waitsForRecording) return
    this.#waitsForRecording = true
    this.#session.recording.whenDrained().then(
      () => {
        this.#waitsForRecording = false
        this.#steerFlow()
      },
      () => {}, // a recording that fails ends the session by itself
    )
  }

  // ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────

  #handle(from: Leg, payload: Buffer, sequence: number): void {
    if (this.#ended) return
    from.silentIntervals = 0
    try {
      const message = decodeConnectionMessage(payload)
      if (message === undefined) this.#send(from, encodeUnimplemented(sequence))
      else this.#step(from, message)
    } catch (cause) {
      this.#violated(from, cause)
    }
  }

  #violated(from: Leg, cause: unknown): void {
    const text = cause instanceof Fault ? cause.userText : 'The gateway could not handle a message.'
    this.#log.warn(
      { session: this.#session.id, from: from.name, cause: reasonOf(cause) },
      'protocol violation',
    )
    this.#session.end({ reason: `protocol error from the ${from.name}: ${reasonOf(cause)}`, userText: text })
  }

  #step(from: Leg, message: ConnectionMessage): void {
    switch (message.type) {
      case 'global-request':
        return this.#globalRequest(from, message)
      case 'request-success':
        return this.#globalReply(from, true, message.fields)
      case 'request-failure':
        return this.#globalReply(from, false, noBytes)
      case 'channel-open':
        return this.#channelOpen(from, message)
      case 'open-confirmation':
        return this.#openConfirmed(from, message)
      case 'open-failure':
        return this.#openFailed(from, message.recipient, message.reason, message.description)
      case 'window-adjust':
        return this.#windowAdjust(from, this.#channel(message.recipient), message.bytes)
      case 'data':
        return this.#data(from, this.#channel(message.recipient), message.data)
      case 'extended-data':
        return this.#extendedData(from, this.#channel(message.recipient), message.code, message.data)
      case 'end-of-file':
        return this.#endOfFile(from, this.#channel(message.recipient))
      case 'close':
        return this.#close(from, this.#channel(message.recipient))
      case 'channel-request':
        return this.#channelRequest(from, this.#channel(message.recipient), message)
      case 'channel-success':
      case 'channel-failure':
        return this.#reply(from, this.#channel(message.recipient), message.type)
    }
  }

  /** Both ends know a channel by the number that we gave it. */
  #channel(id: number): RelayChannel {
    const channel = this.#channels.get(id)
    if (channel === undefined)
      throw new Fault('SSH_PROTOCOL', 'A message arrived for a channel that is not open.')
    return channel
  }

  #other(leg: Leg): Leg {
    return leg === this.#client ? this.#target : this.#client
  }

  /** RFC 4254, section 4. Keep-alives want any reply; the rest of what clients and servers announce needs none. */
  #globalRequest(from: Leg, request: GlobalRequest): void {
    if (from === this.#target) return this.#refuseGlobal(from, request)
    if (isListenRequest(request.name)) return this.#listenRequest(request)
    if (request.name === 'no-more-sessions@openssh.com') this.#noMoreSessions = true
    this.#refuseGlobal(from, request)
  }

  #refuseGlobal(from: Leg, request: GlobalRequest): void {
    if (!request.wantReply) return
    const refuse = (): void => this.#send(from, encodeRequestFailure())
    if (from === this.#client) this.#clientReplies.replyOurselves(refuse)
    else refuse()
  }

  #listenRequest(request: GlobalRequest): void {
    this.#session.touch()
    this.#session.decideAgain()
    if (this.#session.ended) return
    const allowed = allowsChannel(this.#session.grant, { kind: 'forward' })
    if (!allowed.allowed) return this.#refuseToListen(request, allowed.reason)
    const listen = decodeListenRequest(request)
    if (listen.cancels) this.#stopListening(request, listen)
    else this.#listen(request, listen)
  }

  #refuseToListen(request: GlobalRequest, reason: string): void {
    this.#recordRefusal(request.name, reason)
    this.#refuseGlobal(this.#client, request)
  }

  /** The target is to listen, and to open a stream for whoever connects there (RFC 4254, section 7.1). */
  #listen(request: GlobalRequest, { place, fields }: ListenRequest): void {
    const allowed = allowsForward(this.#session.grant, { direction: 'from', place })
    const refusal = allowed.allowed ? this.#listeners.refusalOf(place) : allowed.reason
    if (refusal !== undefined) return this.#refuseToListen(request, refusal)
    const channel = this.#nextChannel++
    this.#record([{ type: 'forward-listen', channel, kind: request.name, place: placeText(place) }])
    this.#listeners.ask()
    this.#askTarget(request, fields, (granted, reply) => {
      const listening = granted ? decodeListenReply(place, reply) : undefined
      this.#listeners.answered(channel, listening)
      if (listening === undefined) this.#recordRefusal(request.name, 'The target refused it.', channel)
      else this.#record([{ type: 'forward-listening', channel, place: placeText(listening) }])
      return portReply(place, listening)
    })
  }

  /** From now on the target may not open streams from there, whatever it answers. */
  #stopListening(request: GlobalRequest, { place, fields }: ListenRequest): void {
    const channel = this.#listeners.remove(place)
    if (channel === undefined) return this.#refuseGlobal(this.#client, request)
    this.#record([{ type: 'forward-unlisten', channel, place: placeText(place) }])
    this.#askTarget(request, fields, () => noBytes)
  }

  /** Sends a client's global request on, and the reply back: `answered` hears of it and gives the fields of a success. */
  #askTarget(
    request: GlobalRequest,
    fields: Buffer,
    answered: (granted: boolean, fields: Buffer) => Buffer,
  ): void {
    this.#clientReplies.awaitReply({ passesOn: request.wantReply, settled: () => {} })
    this.#forward(() => {
      if (this.#ended) return
      this.#target.asked.push((granted, replyFields) => {
        const said = answered(granted, replyFields)
        const { passesOn } = this.#clientReplies.takeReply()
        if (passesOn) this.#send(this.#client, granted ? encodeRequestSuccess(said) : encodeRequestFailure())
        this.#clientReplies.runOurs()
      })
      this.#target.transport.send(encodeGlobalRequest(request.name, true, fields))
      this.#steerFlow()
    })
  }

  // ── Opening and closing ───────────────────────────────────────────────────────────────────────────────────────

  #channelOpen(from: Leg, open: ChannelOpen): void {
    const refusal = this.#refusalToOpen(from, open.channelType)
    if (refusal !== undefined) return this.#refuseOpen(from, open, refusal)
    this.#session.decideAgain()
    if (this.#session.ended) return
    const kindRefusal = this.#refusalOfKind(open.channelType)
    if (kindRefusal !== undefined) return this.#refuseOpen(from, open, kindRefusal)
    const opening = decodeOpening(open)
    if (from === this.#target && opening.kind === 'stream' && !this.#listeners.has(opening.wish.place))
      return this.#refuseOpen(from, open, notAskedFor)
    this.#openChannel(from, open, opening)
  }

  #openChannel(from: Leg, open: ChannelOpen, opening: Opening): void {
    const channel = this.#addChannel(from, open, opening)
    const allowed = allowanceOf(channel, this.#session.grant)
    if (!allowed.allowed) return this.#refuseOpen(from, open, allowed.reason, channel.id)
    this.#channels.set(channel.id, channel)
    this.#record([openEvent(channel, opening)])
    this.#session.touch()
    const { maxPacketBytes } = from === this.#client ? channel.target : channel.client
    this.#send(
      this.#other(from),
      encodeChannelOpen({ ...open, sender: channel.id, maxPacketBytes, fields: opening.fields }),
    )
  }

  /** What can be said from the type alone. A target opens what the client wanted it to; all else is reaching out by itself. */
  #refusalToOpen(from: Leg, type: string): string | undefined {
    if (from === this.#target && !this.#isAskedFor(type)) return notAskedFor
    if (from === this.#client && !clientChannelTypes.has(type))
      return `Channels of type ${type} are not allowed here.`
    if (type === 'session' && this.#noMoreSessions) return 'This connection asked for no more sessions.'
    if (this.#channels.size >= this.#limits.maxChannels)
      return 'Too many channels are open on this connection.'
    return undefined
  }

  #isAskedFor(type: string): boolean {
    if (type === agentChannelType) return this.#agentOffered
    return listenerChannelTypes.has(type) && !this.#listeners.isEmpty
  }

  /** Sessions are decided when they start something. */
  #refusalOfKind(type: string): string | undefined {
    if (type === 'session') return undefined
    const kind = type === agentChannelType ? 'agent' : 'forward'
    const decision = allowsChannel(this.#session.grant, { kind })
    return decision.allowed ? undefined : decision.reason
  }

  #addChannel(from: Leg, open: ChannelOpen, opening: Opening): RelayChannel {
    const channel = new RelayChannel(this.#nextChannel++, from.name, open.channelType)
    const [opener, other] =
      from === this.#client ? [channel.client, channel.target] : [channel.target, channel.client]
    opener.number = open.sender
    other.allowanceBytes = open.windowBytes
    other.maxPacketBytes = Math.min(open.maxPacketBytes, maxDataBytes)
    if (opening.kind === 'agent') channel.conduit = new AgentStream(channel.id)
    if (opening.kind === 'stream')
      channel.conduit = new ForwardStream(channel.id, opening.wish, this.#limits.keepForwardBytes ?? 0)
    return channel
  }

  #refuseOpen(from: Leg, open: ChannelOpen, reason: string, id = this.#nextChannel++): void {
    const { administrativelyProhibited } = openFailureReason
    this.#recordRefusal(`channel ${open.channelType}`, reason, id)
    this.#send(from, encodeOpenFailure(open.sender, administrativelyProhibited, `sallyport: ${reason}`))
  }

  /** What never became a channel has a number of its own in the recording. */
  #recordRefusal(request: string, reason: string, channel = this.#nextChannel++): void {
    if (++this.#refusals > maxRefusals)
      throw new Fault('SSH_PROTOCOL', 'Too many requests had to be refused.')
    this.#record([{ type: 'request-refused', channel, request, reason }])
  }

  #openConfirmed(from: Leg, confirmation: OpenConfirmation): void {
    const channel = this.#channel(confirmation.recipient)
    const [confirming, opener] = this.#openingEnds(from, channel, 'confirmed')
    expectNothing(confirmation.fields)
    confirming.number = confirmation.sender
    opener.allowanceBytes = confirmation.windowBytes
    opener.maxPacketBytes = Math.min(confirmation.maxPacketBytes, maxDataBytes)
    this.#send(
      this.#other(from),
      encodeOpenConfirmation({
        ...confirmation,
        recipient: numberOf(opener),
        sender: channel.id,
        maxPacketBytes: opener.maxPacketBytes,
      }),
    )
  }

  #openFailed(from: Leg, id: number, reason: number, description: string): void {
    const channel = this.#channel(id)
    const [, opener] = this.#openingEnds(from, channel, 'refused')
    this.#channels.delete(id)
    this.#recordRefusal(`channel ${channel.type}`, description, id)
    this.#send(this.#other(from), encodeOpenFailure(numberOf(opener), reason, description))
  }

  /** Of a channel that is being opened: the end that answers, and the one that asked. */
  #openingEnds(from: Leg, channel: RelayChannel, how: string): [ChannelEnd, ChannelEnd] {
    const ends: [ChannelEnd, ChannelEnd] =
      channel.openedBy === 'client' ? [channel.target, channel.client] : [channel.client, channel.target]
    if (from.name === channel.openedBy || ends[0].number !== undefined)
      throw new Fault('SSH_PROTOCOL', `A channel was ${how} that nobody opened.`)
    return ends
  }

  #endOfFile(from: Leg, channel: RelayChannel): void {
    const [end, other] = this.#ends(from, channel)
    if (end.sentEndOfFile || end.sentClose) throw new Fault('SSH_PROTOCOL', 'A channel ended twice.')
    end.sentEndOfFile = true
    if (channel.refused) return
    const type = from === this.#client ? 'end-of-input' : 'end-of-output'
    this.#record([{ type, channel: channel.id }])
    this.#send(this.#other(from), encodeChannelSignal('end-of-file', numberOf(other)))
  }

  #close(from: Leg, channel: RelayChannel): void {
    const [end, other] = this.#ends(from, channel)
    if (end.sentClose) throw new Fault('SSH_PROTOCOL', 'A channel closed twice.')
    end.sentClose = true
    if (from === this.#target) channel.settleTerminal(channel.terminal === 'given')
    this.#releaseInput(channel)
    if (!channel.refused) this.#send(this.#other(from), encodeChannelSignal('close', numberOf(other)))
    if (!channel.finished) return
    this.#channels.delete(channel.id)
    const unshown = channel.endTyping()
    channel.forget()
    this.#record([...unshown, ...channel.endFiles(), { type: 'channel-close', channel: channel.id }])
  }

  /** The end that a message came from, and the one that it goes to; both must have opened the channel. */
  #ends(from: Leg, channel: RelayChannel): [ChannelEnd, ChannelEnd] {
    if (channel.target.number === undefined || channel.client.number === undefined)
      throw new Fault('SSH_PROTOCOL', 'A channel was used before it was open.')
    return from === this.#client ? [channel.client, channel.target] : [channel.target, channel.client]
  }

  // ── Data ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #windowAdjust(from: Leg, channel: RelayChannel, bytes: number): void {
    const [end, other] = this.#ends(from, channel)
    other.grant(bytes)
    if (!end.sentClose && !other.sentClose && !channel.refused) {
      this.#send(this.#other(from), encodeWindowAdjust(numberOf(other), bytes))
    }
  }

  #data(from: Leg, channel: RelayChannel, data: Buffer): void {
    const [end, other] = this.#ends(from, channel)
    end.spend(data.length)
    if (channel.refused) return
    if (channel.conduit !== undefined) return this.#carry(from, channel, channel.conduit, data)
    if (from === this.#client) return this.#input(channel, data)
    if (channel.sftp === undefined)
      this.#record(channel.recordOutput('output', data, this.#limits.keepOutputBytes))
    else if (!this.#recordFiles(channel, from, channel.sftp.fromTarget(data))) return
    if (channel.terminal !== 'given') this.#session.touch()
    this.#sendData(this.#client, encodeDataHead(numberOf(other), data.length), data)
  }

  /** What is no session's: recorded and sent on as the conduit says, or not at all. */
  #carry(from: Leg, channel: RelayChannel, conduit: Conduit, data: Buffer): void {
    const { events, pieces, violation } =
      from === this.#client ? conduit.fromClient(data) : conduit.fromTarget(data)
    this.#record(events)
    if (violation !== undefined) {
      this.#recordRefusal(
        `channel ${channel.type}`,
        `Ended, because of what the ${from.name} sent: ${violation}.`,
        channel.id,
      )
      return this.#breakOff(channel)
    }
    this.#session.touch()
    const [, other] = this.#ends(from, channel)
    for (const piece of pieces)
      this.#sendData(this.#other(from), encodeDataHead(numberOf(other), piece.length), piece)
  }

  /** Input that comes while a terminal is asked for waits for the answer, and the client with it. */
  #input(channel: RelayChannel, data: Buffer): void {
    if (channel.terminal === 'asked') {
      channel.heldInput.push(data)
      this.#inputWaits.add(channel)
      return steer(this.#client, true)
    }
    if (channel.sftp === undefined) this.#record(channel.recordInput(data))
    else if (!this.#recordFiles(channel, this.#client, channel.sftp.fromClient(data))) return
    this.#session.touch()
    this.#sendData(this.#target, encodeDataHead(numberOf(channel.target), data.length), data)
  }

  #releaseInput(channel: RelayChannel): void {
    if (!this.#inputWaits.delete(channel)) return
    for (const data of channel.heldInput.splice(0)) if (!channel.refused) this.#input(channel, data)
    this.#forward(() => this.#steerFlow())
  }

  /** Whether the bytes may go on. What does not decode does not, and neither does anything on that channel after it. */
  #recordFiles(channel: RelayChannel, from: Leg, { events, violation }: Decoded): boolean {
    this.#record(events)
    if (violation === undefined) return true
    this.#breakOff(channel, `File transfer ended, because of what the ${from.name} sent: ${violation}.`)
    return false
  }

  /** Ends a channel between two ends that both did not ask for it. Sessions have a stderr, which says why. */
  #breakOff(channel: RelayChannel, reason?: string): void {
    channel.refused = true
    const number = numberOf(channel.client)
    if (reason !== undefined && !channel.target.sentEndOfFile && !channel.target.sentClose)
      this.#say(channel, reason)
    if (!channel.target.sentClose) this.#send(this.#client, encodeChannelSignal('close', number))
    if (!channel.client.sentClose)
      this.#send(this.#target, encodeChannelSignal('close', numberOf(channel.target)))
  }

  /** A sentence on the client's stderr, or as much of it as the client's window has room for. */
  #say(channel: RelayChannel, sentence: string): void {
    const room = Math.min(channel.target.allowanceBytes, channel.target.maxPacketBytes)
    const text = Buffer.from(`sallyport: ${sentence}\r\n`).subarray(0, room)
    this.#sendData(
      this.#client,
      encodeExtendedDataHead(numberOf(channel.client), stderrCode, text.length),
      text,
    )
  }

  /** Only targets have a second stream, and only one (RFC 4254, section 5.2). */
  #extendedData(from: Leg, channel: RelayChannel, code: number, data: Buffer): void {
    const [end, other] = this.#ends(from, channel)
    if (from === this.#client || code !== stderrCode || channel.conduit !== undefined)
      throw new Fault('SSH_PROTOCOL', 'Unknown kind of data on a channel.')
    end.spend(data.length)
    if (channel.refused) return
    this.#record(channel.recordOutput('error-output', data, this.#limits.keepOutputBytes))
    if (channel.terminal !== 'given') this.#session.touch()
    this.#sendData(this.#client, encodeExtendedDataHead(numberOf(other), code, data.length), data)
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  #channelRequest(from: Leg, channel: RelayChannel, request: ChannelRequest): void {
    const [end] = this.#ends(from, channel)
    if (end.sentClose) throw new Fault('SSH_PROTOCOL', 'A request arrived on a channel after its end.')
    if (request.fields.length > maxRequestFieldBytes)
      throw new Fault('SSH_PROTOCOL', 'A channel request is too large.')
    if (channel.refused) return this.#answerRefused(from, channel, request)
    const isOut = channel.conduit !== undefined && !quietRequests.has(request.name)
    if (isOut && from === this.#client)
      return this.#refuse(channel, request, 'Only sessions take requests of this kind.')
    if (isOut) return this.#refuseTargetRequest(channel, request)
    if (from === this.#client) this.#clientRequest(channel, request)
    else this.#targetRequest(channel, request)
  }

  #answerRefused(from: Leg, channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply || from === this.#target) return
    this.#send(from, encodeChannelSignal('channel-failure', numberOf(channel.client)))
  }

  #clientRequest(channel: RelayChannel, request: ChannelRequest): void {
    if (!request.name.startsWith('keepalive@')) this.#session.touch()
    switch (request.name) {
      case 'pty-req':
        return this.#terminal(channel, request)
      case 'env':
        return this.#variable(channel, request)
      case 'shell':
        return this.#start(channel, request, { kind: 'shell' })
      case 'exec':
        return this.#start(channel, request, { kind: 'exec', command: decodeSingleString(request.fields) })
      case 'subsystem':
        return this.#subsystem(channel, request)
      case 'window-change':
        return this.#resize(channel, request)
      case 'signal':
        return this.#pass(this.#client, channel, request, [decodeSignal(channel.id, request.fields)])
      case 'break':
        expectBreak(request.fields)
        return this.#pass(this.#client, channel, request, [
          { type: 'signal', channel: channel.id, name: 'break' },
        ])
      case 'eow@openssh.com':
      case 'winadj@putty.projects.tartarus.org':
      case 'keepalive@openssh.com':
        expectNothing(request.fields)
        return this.#pass(this.#client, channel, request, [])
      case 'auth-agent-req@openssh.com':
        return this.#offerAgent(channel, request)
      case 'x11-req':
        return this.#refuse(channel, request, 'X11 is not forwarded through this gateway.')
      default:
        return this.#refuse(channel, request, 'Requests of this kind are not allowed here.')
    }
  }

  #targetRequest(channel: RelayChannel, request: ChannelRequest): void {
    switch (request.name) {
      case 'exit-status':
        return this.#pass(this.#target, channel, request, [decodeExitStatus(channel.id, request.fields)])
      case 'exit-signal':
        return this.#pass(this.#target, channel, request, [decodeExitSignal(channel.id, request.fields)])
      case 'xon-xoff':
        expectFlowControl(request.fields)
        return this.#pass(this.#target, channel, request, [])
      case 'eow@openssh.com':
      case 'keepalive@openssh.com':
        expectNothing(request.fields)
        return this.#pass(this.#target, channel, request, [])
      default:
        return this.#refuseTargetRequest(channel, request)
    }
  }

  #refuseTargetRequest(channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply) return
    channel.target.replyOurselves(() =>
      this.#send(this.#target, encodeChannelSignal('channel-failure', numberOf(channel.target))),
    )
  }

  /** From the target's yes on, it may open channels to the client's agent, until the connection ends. */
  #offerAgent(channel: RelayChannel, request: ChannelRequest): void {
    expectNothing(request.fields)
    this.#session.decideAgain()
    if (this.#session.ended) return
    const allowed = allowsChannel(this.#session.grant, { kind: 'agent' })
    if (!allowed.allowed) return this.#refuse(channel, request, allowed.reason)
    this.#pass(this.#client, channel, request, [], granted => {
      if (granted) this.#agentOffered = true
      else this.#recordTargetRefusal(channel, request)
    })
  }

  /**
   * Records, then sends on as it came, with the other end's number for the channel. Whoever must know how it went gives
   * `settled`; then the other end is asked for a reply even if the sender wants none.
   */
  #pass(
    from: Leg,
    channel: RelayChannel,
    request: ChannelRequest,
    events: readonly RecordedEvent[],
    settled?: (granted: boolean) => void,
  ): void {
    // An end that has closed still takes what comes until the other closes too: the exit status, for one.
    const [end, other] = this.#ends(from, channel)
    const wantReply = request.wantReply || settled !== undefined
    if (wantReply) end.awaitReply({ passesOn: request.wantReply, settled: settled ?? (() => {}) })
    this.#record(events)
    this.#send(
      this.#other(from),
      encodeChannelRequest(numberOf(other), request.name, wantReply, request.fields),
    )
  }

  #reply(from: Leg, channel: RelayChannel, type: 'channel-success' | 'channel-failure'): void {
    const [end, other] = this.#ends(from, channel)
    const request = other.takeReply()
    if (request.passesOn && !end.sentClose && !channel.refused) {
      this.#send(this.#other(from), encodeChannelSignal(type, numberOf(other)))
    }
    request.settled(type === 'channel-success')
    other.runOurs()
  }

  /** Once, and before anything runs, as in sshd: what was recorded as a command's input cannot turn into typing. */
  #terminal(channel: RelayChannel, request: ChannelRequest): void {
    const event = decodePtyRequest(channel.id, request.fields)
    if (!isReplayable(event)) return this.#refuse(channel, request, 'The terminal is too large.')
    if (channel.terminal !== 'none' || channel.started !== undefined || channel.startRefused) {
      return this.#refuse(channel, request, 'It is too late for a terminal on this channel.')
    }
    if (channel.target.sentClose) return
    channel.terminal = 'asked'
    this.#pass(this.#client, channel, request, [event], granted => {
      channel.settleTerminal(granted)
      if (!granted) this.#recordTargetRefusal(channel, request)
      this.#releaseInput(channel)
    })
  }

  #recordTargetRefusal(channel: RelayChannel, request: ChannelRequest): void {
    this.#recordRefusal(request.name, 'The target refused it.', channel.id)
  }

  #resize(channel: RelayChannel, request: ChannelRequest): void {
    const event = decodeWindowChange(channel.id, request.fields)
    if (!isReplayable(event)) return this.#refuse(channel, request, 'The terminal is too large.')
    this.#pass(this.#client, channel, request, [event])
  }

  #variable(channel: RelayChannel, request: ChannelRequest): void {
    const { name, value } = decodeEnvironment(request.fields)
    const passed = mayPassVariable(name)
    const event = { type: 'env', channel: channel.id, name, value: passed ? value : '', passed } as const
    if (passed) return this.#pass(this.#client, channel, request, [event])
    this.#record([event])
    this.#replyFailure(channel, request)
  }

  /** RFC 4254, section 6.5. We pass on what we can describe. */
  #subsystem(channel: RelayChannel, request: ChannelRequest): void {
    const name = decodeSingleString(request.fields).toString('utf8')
    if (name === 'sftp') return this.#start(channel, request, { kind: 'sftp' })
    if (channel.started !== undefined || channel.startRefused)
      return this.#refuseSecondStart(channel, request)
    this.#record([{ type: 'subsystem', channel: channel.id, name }])
    this.#refuseStart(channel, request, 'The gateway passes on the subsystem sftp and no other.')
  }

  #refuseSecondStart(channel: RelayChannel, request: ChannelRequest): void {
    this.#refuse(channel, request, 'This channel runs something already.')
  }

  /** A shell, a command or SFTP: once a channel, and only what the grant, decided again now, allows. */
  #start(channel: RelayChannel, request: ChannelRequest, start: Started): void {
    if (channel.started !== undefined || channel.startRefused)
      return this.#refuseSecondStart(channel, request)
    this.#session.decideAgain()
    if (this.#session.ended) return
    const allowed = allowsChannel(this.#session.grant, start)
    const event = startEvent(channel.id, start)
    if (!allowed.allowed) {
      this.#record([event])
      return this.#refuseStart(channel, request, allowed.reason)
    }
    channel.start(start, this.#fileBudget)
    this.#pass(this.#client, channel, request, [event], granted => {
      if (!granted) this.#recordTargetRefusal(channel, request)
    })
  }

  /** The policy may have changed while something runs: what it no longer allows ends, and the session with it. */
  #judgeAgain(grant: Grant): void {
    const running = Array.from(this.#channels.values(), channel => allowanceOf(channel, grant))
    for (const allowed of [...running, this.#listeners.allowedBy(grant)]) {
      if (allowed.allowed) continue
      return this.#session.end({ reason: 'policy no longer allows what runs', userText: allowed.reason })
    }
  }

  #refuse(channel: RelayChannel, request: ChannelRequest, reason: string, what = ''): void {
    this.#recordRefusal(`${request.name} ${what}`.trim(), reason, channel.id)
    this.#replyFailure(channel, request)
  }

  #replyFailure(channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply) return
    const failure = encodeChannelSignal('channel-failure', numberOf(channel.client))
    channel.client.replyOurselves(() => this.#send(this.#client, failure))
  }

  /**
   * Says on stderr why nothing runs. A bare failure would make OpenSSH exit before it printed the sentence, so the request
   * is answered, the sentence sent, and the channel ended with exit status 126.
   */
  #refuseStart(channel: RelayChannel, request: ChannelRequest, reason: string): void {
    this.#recordRefusal(request.name, reason, channel.id)
    const number = numberOf(channel.client)
    channel.startRefused = true
    channel.client.replyOurselves(() => {
      channel.refused = true
      if (request.wantReply) this.#send(this.#client, encodeChannelSignal('channel-success', number))
      this.#say(channel, reason)
      this.#send(this.#client, encodeChannelRequest(number, 'exit-status', false, uint32(refusedExitStatus)))
      this.#send(this.#client, encodeChannelSignal('close', number))
      this.#send(this.#target, encodeChannelSignal('close', numberOf(channel.target)))
    })
  }
}

function numberOf(end: ChannelEnd): number {
  if (end.number === undefined) throw new Fault('SSH_PROTOCOL', 'A channel was used before it was open.')
  return end.number
}

function allowanceOf({ started, conduit }: RelayChannel, grant: Grant): ChannelDecision {
  if (conduit !== undefined) return conduit.allowedBy(grant)
  return started === undefined ? { allowed: true } : allowsChannel(grant, started)
}

/** Only the one who asked for any free port is told which (RFC 4254, section 7.1). */
function portReply(asked: ForwardPlace, listening: ForwardPlace | undefined): Buffer {
  const isAny = 'port' in asked && asked.port === 0
  return isAny && listening !== undefined && 'port' in listening ? uint32(listening.port) : noBytes
}

function openEvent({ id, type }: RelayChannel, opening: Opening): RecordedEvent {
  if (opening.kind !== 'stream') return { type: 'channel-open', channel: id, kind: type }
  const { wish, originator } = opening
  return { type: 'forward-open', channel: id, kind: type, destination: placeText(wish.place), originator }
}

function startEvent(channel: number, start: Started): RecordedEvent {
  switch (start.kind) {
    case 'shell':
      return { type: 'shell', channel }
    case 'exec':
      return { type: 'exec', channel, command: start.command }
    case 'sftp':
      return { type: 'subsystem', channel, name: 'sftp' }
  }
}

function steer(leg: Leg, hold: boolean): void {
  leg.held = hold
  if (hold) leg.transport.pauseReading()
  else leg.transport.resumeReading()
}

function newLeg(name: Leg['name'], transport: RelayPeer): Leg {
  return { name, transport, asked: [], silentIntervals: 0, held: false, awaited: false }
}
