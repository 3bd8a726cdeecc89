/**
 * Carries the connection protocol (RFC 4254) between a client and a target, message by message: decoded, recorded, and
 * only then sent on. Windows pass through, so that each end is held back by the other and nothing piles up here.
 */
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { allowsChannel } from '../policy/decide.ts'
import type { RecordedEvent } from '../recorder/event.ts'
import { maxBacklogBytes } from '../recorder/recorder.ts'
import type { Ending, Session } from '../session/session.ts'
import { uint32 } from '../wire.ts'
import { type ChannelEnd, RelayChannel } from './channel.ts'
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
  encodeUnimplemented,
  encodeWindowAdjust,
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
  isReplayable,
  maxRequestFieldBytes,
  mayPassVariable,
} from './requests.ts'
import type { CloseReason, Transport } from './transport.ts'

/** Of one data message. RFC 4253, section 6.1 asks for 32,768 bytes; larger ones would only cost memory. */
const maxDataBytes = 65_536

/** The exit status of a command that the gateway did not pass on: the shell's "cannot be executed". */
const refusedExitStatus = 126

/** Keep-alives that a peer may leave unanswered; then it is gone. */
const maxUnansweredKeepAlives = 3

export type RelayLimits = {
  readonly maxChannels: number
  readonly keepOutputBytes: number
  readonly keepAliveIntervalMs: number
}

export type RelayParts = {
  readonly session: Session
  readonly client: Transport
  readonly target: Transport
  readonly limits: RelayLimits
  readonly log: Log
}

/** One of the two connections, and what the other one is to it. */
type Leg = {
  readonly name: 'client' | 'target'
  readonly transport: Transport
  unansweredKeepAlives: number
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
  #nextChannel = 0
  #noMoreSessions = false
  #ended = false
  #waitsForRecording = false
  readonly #keepAliveTimer: NodeJS.Timeout

  constructor(parts: RelayParts) {
    this.#session = parts.session
    this.#client = { name: 'client', transport: parts.client, unansweredKeepAlives: 0, awaited: false }
    this.#target = { name: 'target', transport: parts.target, unansweredKeepAlives: 0, awaited: false }
    this.#limits = parts.limits
    this.#log = parts.log
    this.#keepAliveTimer = setInterval(() => this.#keepAlive(), parts.limits.keepAliveIntervalMs)
    this.#session.onEnd(ending => this.#end(ending))
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
      if (!this.#ended) leg.transport.send(payload)
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
    if (this.#session.recording.backlogBytes > maxBacklogBytes) this.#waitForRecording()
    steer(this.#target.transport, this.#waitsForRecording || this.#isBehind(this.#client))
    steer(this.#client.transport, this.#waitsForRecording || this.#isBehind(this.#target))
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
    for (const leg of [this.#client, this.#target]) {
      leg.unansweredKeepAlives++
      if (leg.unansweredKeepAlives > maxUnansweredKeepAlives) {
        return this.#session.end({
          reason: `the ${leg.name} no longer answers`,
          userText: `The ${leg.name} no longer answers.`,
        })
      }
      leg.transport.send(encodeGlobalRequest('keepalive@openssh.com', true, Buffer.alloc(0)))
    }
  }

  #keepAliveAnswered(from: Leg): void {
    if (from.unansweredKeepAlives === 0)
      throw new Fault('SSH_PROTOCOL', 'A reply arrived that nobody asked for.')
    from.unansweredKeepAlives--
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
        return this.#globalRequest(from, message.name, message.wantReply)
      case 'request-success':
      case 'request-failure':
        return this.#keepAliveAnswered(from)
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
  #globalRequest(from: Leg, name: string, wantReply: boolean): void {
    if (from === this.#client && name === 'no-more-sessions@openssh.com') this.#noMoreSessions = true
    if (wantReply) this.#send(from, encodeRequestFailure())
  }

  // ── Opening and closing ───────────────────────────────────────────────────────────────────────────────────────

  #channelOpen(from: Leg, open: ChannelOpen): void {
    if (from === this.#target)
      return this.#refuseOpen(from, open, 'The gateway did not ask for this channel.')
    const refusal = this.#refusalToOpen(open)
    if (refusal !== undefined) return this.#refuseOpen(from, open, refusal)
    this.#session.decideAgain()
    if (this.#session.ended) return
    const channel = this.#addChannel(open)
    this.#record([{ type: 'channel-open', channel: channel.id, kind: open.channelType }])
    this.#session.touch()
    this.#send(
      this.#target,
      encodeChannelOpen({ ...open, sender: channel.id, maxPacketBytes: channel.target.maxPacketBytes }),
    )
  }

  #refusalToOpen(open: ChannelOpen): string | undefined {
    if (open.channelType !== 'session') return `Channels of type ${open.channelType} are not allowed here.`
    if (this.#noMoreSessions) return 'This connection asked for no more sessions.'
    if (this.#channels.size >= this.#limits.maxChannels)
      return 'Too many channels are open on this connection.'
    return undefined
  }

  #addChannel(open: ChannelOpen): RelayChannel {
    const channel = new RelayChannel(this.#nextChannel++)
    channel.client.number = open.sender
    channel.target.allowanceBytes = open.windowBytes
    channel.target.maxPacketBytes = Math.min(open.maxPacketBytes, maxDataBytes)
    this.#channels.set(channel.id, channel)
    return channel
  }

  #refuseOpen(from: Leg, open: ChannelOpen, reason: string): void {
    const { administrativelyProhibited } = openFailureReason
    this.#record([
      {
        type: 'request-refused',
        channel: this.#nextChannel++,
        request: `channel ${open.channelType}`,
        reason,
      },
    ])
    this.#send(from, encodeOpenFailure(open.sender, administrativelyProhibited, `sallyport: ${reason}`))
  }

  #openConfirmed(from: Leg, confirmation: OpenConfirmation): void {
    const channel = this.#channel(confirmation.recipient)
    if (from !== this.#target || channel.target.number !== undefined || channel.client.number === undefined) {
      throw new Fault('SSH_PROTOCOL', 'A channel was confirmed that nobody opened.')
    }
    channel.target.number = confirmation.sender
    channel.client.allowanceBytes = confirmation.windowBytes
    channel.client.maxPacketBytes = Math.min(confirmation.maxPacketBytes, maxDataBytes)
    this.#send(
      this.#client,
      encodeOpenConfirmation({
        ...confirmation,
        recipient: channel.client.number,
        sender: channel.id,
        maxPacketBytes: channel.client.maxPacketBytes,
      }),
    )
  }

  #openFailed(from: Leg, id: number, reason: number, description: string): void {
    const channel = this.#channel(id)
    if (from !== this.#target || channel.target.number !== undefined || channel.client.number === undefined) {
      throw new Fault('SSH_PROTOCOL', 'A channel was refused that nobody opened.')
    }
    this.#channels.delete(id)
    this.#record([{ type: 'request-refused', channel: id, request: 'channel session', reason: description }])
    this.#send(this.#client, encodeOpenFailure(channel.client.number, reason, description))
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
    if (!channel.refused) this.#send(this.#other(from), encodeChannelSignal('close', numberOf(other)))
    if (!channel.finished) return
    this.#channels.delete(channel.id)
    this.#record([{ type: 'channel-close', channel: channel.id }])
  }

  /** The end that a message came from, and the one that it goes to; both must have opened the channel. */
  #ends(from: Leg, channel: RelayChannel): [ChannelEnd, ChannelEnd] {
    if (channel.target.number === undefined)
      throw new Fault('SSH_PROTOCOL', 'A channel was used before it was open.')
    return from === this.#client ? [channel.client, channel.target] : [channel.target, channel.client]
  }

  // ── Data ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #windowAdjust(from: Leg, channel: RelayChannel, bytes: number): void {
    const [, other] = this.#ends(from, channel)
    other.grant(bytes)
    if (!other.sentClose && !channel.refused) {
      this.#send(this.#other(from), encodeWindowAdjust(numberOf(other), bytes))
    }
  }

  #data(from: Leg, channel: RelayChannel, data: Buffer): void {
    const [end, other] = this.#ends(from, channel)
    end.spend(data.length)
    if (channel.refused) return
    const keep = this.#limits.keepOutputBytes
    if (from === this.#client) this.#record(channel.recordInput(data, keep))
    else this.#record(channel.recordOutput('output', data, keep))
    if (from === this.#client || !channel.hasTerminal) this.#session.touch()
    this.#sendData(this.#other(from), encodeDataHead(numberOf(other), data.length), data)
  }

  /** Only targets have a second stream, and only one (RFC 4254, section 5.2). */
  #extendedData(from: Leg, channel: RelayChannel, code: number, data: Buffer): void {
    const [end, other] = this.#ends(from, channel)
    if (from === this.#client || code !== stderrCode)
      throw new Fault('SSH_PROTOCOL', 'Unknown kind of data on a channel.')
    end.spend(data.length)
    if (channel.refused) return
    this.#record(channel.recordOutput('error-output', data, this.#limits.keepOutputBytes))
    this.#session.touch()
    this.#sendData(this.#client, encodeExtendedDataHead(numberOf(other), code, data.length), data)
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  #channelRequest(from: Leg, channel: RelayChannel, request: ChannelRequest): void {
    const [end] = this.#ends(from, channel)
    if (end.sentClose) throw new Fault('SSH_PROTOCOL', 'A request arrived on a channel after its end.')
    if (request.fields.length > maxRequestFieldBytes)
      throw new Fault('SSH_PROTOCOL', 'A channel request is too large.')
    if (channel.refused) return this.#answerRefused(from, channel, request)
    if (from === this.#client) this.#clientRequest(channel, request)
    else this.#targetRequest(channel, request)
  }

  #answerRefused(from: Leg, channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply || from === this.#target) return
    this.#send(from, encodeChannelSignal('channel-failure', numberOf(channel.client)))
  }

  #clientRequest(channel: RelayChannel, request: ChannelRequest): void {
    this.#session.touch()
    switch (request.name) {
      case 'pty-req':
        return this.#terminal(channel, request)
      case 'env':
        return this.#variable(channel, request)
      case 'shell':
        return this.#start(channel, request, { kind: 'shell' })
      case 'exec':
        return this.#start(channel, request, { kind: 'exec', command: decodeSingleString(request.fields) })
      case 'window-change':
        return this.#resize(channel, request)
      case 'signal':
        return this.#pass(this.#client, channel, request, [decodeSignal(channel.id, request.fields)])
      case 'break':
        return this.#pass(this.#client, channel, request, [
          { type: 'signal', channel: channel.id, name: 'break' },
        ])
      case 'eow@openssh.com':
      case 'winadj@putty.projects.tartarus.org':
      case 'keepalive@openssh.com':
        return this.#pass(this.#client, channel, request, [])
      case 'subsystem': {
        const name = decodeSingleString(request.fields).toString('utf8')
        return this.#refuse(
          channel,
          request,
          'This gateway does not pass file transfer subsystems (sftp) yet.',
          name,
        )
      }
      default:
        return this.#refuse(channel, request, 'Requests of this kind are not allowed here.', request.name)
    }
  }

  #targetRequest(channel: RelayChannel, request: ChannelRequest): void {
    switch (request.name) {
      case 'exit-status':
        return this.#pass(this.#target, channel, request, [decodeExitStatus(channel.id, request.fields)])
      case 'exit-signal':
        return this.#pass(this.#target, channel, request, [decodeExitSignal(channel.id, request.fields)])
      case 'eow@openssh.com':
      case 'xon-xoff':
      case 'keepalive@openssh.com':
        return this.#pass(this.#target, channel, request, [])
      default:
        if (!request.wantReply) return
        return channel.target.replyOurselves(() =>
          this.#send(this.#target, encodeChannelSignal('channel-failure', numberOf(channel.target))),
        )
    }
  }

  /** Records, then sends on as it came, with the other end's number for the channel. */
  #pass(from: Leg, channel: RelayChannel, request: ChannelRequest, events: readonly RecordedEvent[]): void {
    const [end, other] = this.#ends(from, channel)
    if (other.sentClose) return
    if (request.wantReply) end.awaitReply()
    this.#record(events)
    this.#send(
      this.#other(from),
      encodeChannelRequest(numberOf(other), request.name, request.wantReply, request.fields),
    )
  }

  #reply(from: Leg, channel: RelayChannel, type: 'channel-success' | 'channel-failure'): void {
    const [, other] = this.#ends(from, channel)
    other.takeReply()
    if (!channel.refused) this.#send(this.#other(from), encodeChannelSignal(type, numberOf(other)))
    other.runOurs()
  }

  #terminal(channel: RelayChannel, request: ChannelRequest): void {
    const event = decodePtyRequest(channel.id, request.fields)
    if (!isReplayable(event))
      return this.#refuse(channel, request, 'The terminal is too large.', request.name)
    channel.giveTerminal()
    this.#pass(this.#client, channel, request, [event])
  }

  #resize(channel: RelayChannel, request: ChannelRequest): void {
    const event = decodeWindowChange(channel.id, request.fields)
    if (!isReplayable(event))
      return this.#refuse(channel, request, 'The terminal is too large.', request.name)
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

  /** A shell or a command: once a channel, and only what the grant, decided again now, allows. */
  #start(channel: RelayChannel, request: ChannelRequest, start: NonNullable<RelayChannel['started']>): void {
    if (channel.started !== undefined) {
      return this.#refuse(channel, request, 'This channel runs something already.', request.name)
    }
    this.#session.decideAgain()
    if (this.#session.ended) return
    const allowed = allowsChannel(this.#session.grant, start)
    const event: RecordedEvent =
      start.kind === 'exec'
        ? { type: 'exec', channel: channel.id, command: start.command }
        : { type: 'shell', channel: channel.id }
    if (!allowed.allowed) {
      this.#record([event])
      return this.#refuseStart(channel, request, allowed.reason)
    }
    channel.started = start
    this.#pass(this.#client, channel, request, [event])
  }

  #refuse(channel: RelayChannel, request: ChannelRequest, reason: string, what: string): void {
    this.#record([
      { type: 'request-refused', channel: channel.id, request: `${request.name} ${what}`.trim(), reason },
    ])
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
    this.#record([{ type: 'request-refused', channel: channel.id, request: request.name, reason }])
    const number = numberOf(channel.client)
    channel.client.replyOurselves(() => {
      channel.refused = true
      const text = Buffer.from(`sallyport: ${reason}\r\n`).subarray(0, channel.target.allowanceBytes)
      if (request.wantReply) this.#send(this.#client, encodeChannelSignal('channel-success', number))
      this.#sendData(this.#client, encodeExtendedDataHead(number, stderrCode, text.length), text)
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

function steer(transport: Transport, hold: boolean): void {
  if (hold) transport.pauseReading()
  else transport.resumeReading()
}
