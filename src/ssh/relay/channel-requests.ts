/** What is asked on channels, and the replies (RFC 4254, sections 5.4 and 6). */
import { randomBytes } from 'node:crypto'
import { Fault } from '../../errors.ts'
import { marksVariable } from '../../analysis/transcript/marks.ts'
import { allowsChannel } from '../../policy/decide.ts'
import type { RecordedEvent } from '../../recorder/event.ts'
import { string, uint32 } from '../../wire.ts'
import type { FileParts, RelayChannel, Started } from '../channel.ts'
import { type ChannelRequest, encodeChannelRequest, encodeChannelSignal } from '../messages.ts'
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
} from '../requests.ts'
import { MemoryBudget } from '../sftp/budget.ts'
import { Copies } from '../sftp/copies.ts'
import { type Channels, numberOf } from './channels.ts'
import type { Circuit } from './circuit.ts'
import type { Leg } from './leg.ts'

/** The exit status of a command that the gateway did not pass on: the shell's "cannot be executed". */
const refusedExitStatus = 126

/** What may be asked on a channel that is no session: signs of life, and what clients measure a channel with. */
const quietRequests: ReadonlySet<string> = new Set([
  'eow@openssh.com',
  'keepalive@openssh.com',
  'winadj@putty.projects.tartarus.org',
])

/**
 * What OpenSSH sends on a channel that it has closed, until the other end has closed it too: sshd its signs of life (any
 * channel will do), and ssh the size of its window. They end nothing: a reader who takes his time would lose what he has
 * not read yet.
 */
const lateRequests: ReadonlySet<string> = new Set(['keepalive@openssh.com', 'window-change'])

/** Nobody guesses it, in hexadecimal digits. */
const nonceBytes = 16

function newNonce(): string {
  return randomBytes(nonceBytes).toString('hex')
}

export class ChannelRequests {
  readonly #circuit: Circuit
  readonly #channels: Channels
  readonly #releaseInput: (channel: RelayChannel) => void
  /** Shared by all channels that move files. */
  readonly #files: FileParts
  /** With it the target's shells tell their commands themselves: one for the session, where the target is configured so. */
  readonly #nonce: string | undefined

  /** `releaseInput` lets input go that waited for the target's word on a terminal. */
  constructor(circuit: Circuit, channels: Channels, releaseInput: (channel: RelayChannel) => void) {
    this.#circuit = circuit
    this.#channels = channels
    this.#releaseInput = releaseInput
    const { target } = circuit.session.grant.fields
    this.#nonce = target.protocol === 'ssh' && target.marks === true ? newNonce() : undefined
    this.#files = {
      budget: new MemoryBudget(),
      copies: new Copies(circuit.limits.copies),
      allowsZmodem: () => circuit.session.grant.fields.zmodem !== 'deny',
    }
  }

  request(from: Leg, request: ChannelRequest): void {
    const isLate = lateRequests.has(request.name)
    // Both ends have closed, and this one did not know yet.
    if (isLate && this.#channels.wasOpen(request.recipient)) return
    const channel = this.#channels.get(request.recipient)
    const [end] = this.#channels.ends(from, channel)
    if (end.sentClose && isLate) return this.#answerLate(from, channel, request)
    if (end.sentClose) throw new Fault('SSH_PROTOCOL', 'A request arrived on a channel after its end.')
    if (request.fields.length > maxRequestFieldBytes)
      throw new Fault('SSH_PROTOCOL', 'A channel request is too large.')
    if (channel.refused) return this.#answerRefused(from, channel, request)
    const isOut = channel.conduit !== undefined && !quietRequests.has(request.name)
    const isClients = from === this.#circuit.client
    if (isOut && isClients) return this.#refuse(channel, request, 'Only sessions take requests of this kind.')
    if (isOut) return this.#refuseTarget(channel, request)
    if (isClients) this.#fromClient(channel, request)
    else this.#fromTarget(channel, request)
  }

  reply(from: Leg, channel: RelayChannel, type: 'channel-success' | 'channel-failure'): void {
    const [end, other] = this.#channels.ends(from, channel)
    const request = other.takeReply()
    if (request.passesOn && !end.sentClose && !channel.refused) {
      this.#circuit.send(this.#circuit.other(from), encodeChannelSignal(type, numberOf(other)))
    }
    request.settled(type === 'channel-success')
    other.runOurs()
  }

  /** It goes no further: the other end has been told that nothing follows (RFC 4254, section 5.3). */
  #answerLate(from: Leg, channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply || channel.refused) return
    const [end] = this.#channels.ends(from, channel)
    const failure = encodeChannelSignal('channel-failure', numberOf(end))
    end.replyOurselves(() => this.#circuit.send(from, failure))
  }

  #answerRefused(from: Leg, channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply || from === this.#circuit.target) return
    this.#circuit.send(from, encodeChannelSignal('channel-failure', numberOf(channel.client)))
  }

  #fromClient(channel: RelayChannel, request: ChannelRequest): void {
    if (!request.name.startsWith('keepalive@')) this.#circuit.session.touch()
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
        return this.#passClients(channel, request, [decodeSignal(channel.id, request.fields)])
      case 'break':
        expectBreak(request.fields)
        return this.#passClients(channel, request, [{ type: 'signal', channel: channel.id, name: 'break' }])
      case 'eow@openssh.com':
      case 'winadj@putty.projects.tartarus.org':
      case 'keepalive@openssh.com':
        expectNothing(request.fields)
        return this.#passClients(channel, request, [])
      case 'auth-agent-req@openssh.com':
        return this.#offerAgent(channel, request)
      case 'x11-req':
        return this.#refuse(channel, request, 'X11 is not forwarded through this gateway.')
      default:
        return this.#refuse(channel, request, 'Requests of this kind are not allowed here.')
    }
  }

  #fromTarget(channel: RelayChannel, request: ChannelRequest): void {
    const { target } = this.#circuit
    switch (request.name) {
      case 'exit-status':
        return this.#pass(target, channel, request, [decodeExitStatus(channel.id, request.fields)])
      case 'exit-signal':
        return this.#pass(target, channel, request, [decodeExitSignal(channel.id, request.fields)])
      case 'xon-xoff':
        expectFlowControl(request.fields)
        return this.#pass(target, channel, request, [])
      case 'eow@openssh.com':
      case 'keepalive@openssh.com':
        expectNothing(request.fields)
        return this.#pass(target, channel, request, [])
      default:
        return this.#refuseTarget(channel, request)
    }
  }

  // ── Passing on ────────────────────────────────────────────────────────────────────────────────────────────────

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
    const [end, other] = this.#channels.ends(from, channel)
    const wantReply = request.wantReply || settled !== undefined
    if (wantReply) end.awaitReply({ passesOn: request.wantReply, settled: settled ?? (() => {}) })
    this.#circuit.record(events)
    this.#circuit.send(
      this.#circuit.other(from),
      encodeChannelRequest(numberOf(other), request.name, wantReply, request.fields),
    )
  }

  #passClients(
    channel: RelayChannel,
    request: ChannelRequest,
    events: readonly RecordedEvent[],
    settled?: (granted: boolean) => void,
  ): void {
    this.#pass(this.#circuit.client, channel, request, events, settled)
  }

  /** From the target's yes on, it may open channels to the client's agent, until the connection ends. */
  #offerAgent(channel: RelayChannel, request: ChannelRequest): void {
    const { session } = this.#circuit
    expectNothing(request.fields)
    session.decideAgain()
    if (session.ended) return
    const allowed = allowsChannel(session.grant, { kind: 'agent' })
    if (!allowed.allowed) return this.#refuse(channel, request, allowed.reason)
    this.#passClients(channel, request, [], granted => {
      if (granted) this.#channels.agentOffered = true
      else this.#recordTargetRefusal(channel, request)
    })
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
    this.#passClients(channel, request, [event], granted => {
      channel.settleTerminal(granted)
      if (!granted) this.#recordTargetRefusal(channel, request)
      this.#releaseInput(channel)
    })
  }

  #resize(channel: RelayChannel, request: ChannelRequest): void {
    const event = decodeWindowChange(channel.id, request.fields)
    if (!isReplayable(event)) return this.#refuse(channel, request, 'The terminal is too large.')
    this.#passClients(channel, request, [event])
  }

  #variable(channel: RelayChannel, request: ChannelRequest): void {
    const { name, value } = decodeEnvironment(request.fields)
    const passed = mayPassVariable(name)
    const event = { type: 'env', channel: channel.id, name, value: passed ? value : '', passed } as const
    if (passed) return this.#passClients(channel, request, [event])
    this.#circuit.record([event])
    this.#replyFailure(channel, request)
  }

  // ── Starting ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** RFC 4254, section 6.5. We pass on what we can describe. */
  #subsystem(channel: RelayChannel, request: ChannelRequest): void {
    const name = decodeSingleString(request.fields).toString('utf8')
    if (name === 'sftp') return this.#start(channel, request, { kind: 'sftp' })
    if (channel.started !== undefined || channel.startRefused)
      return this.#refuseSecondStart(channel, request)
    this.#circuit.record([{ type: 'subsystem', channel: channel.id, name }])
    this.#refuseStart(channel, request, 'The gateway passes on the subsystem sftp and no other.')
  }

  #refuseSecondStart(channel: RelayChannel, request: ChannelRequest): void {
    this.#refuse(channel, request, 'This channel runs something already.')
  }

  /** A shell, a command or SFTP: once a channel, and only what the grant, decided again now, allows. */
  #start(channel: RelayChannel, request: ChannelRequest, start: Started): void {
    const { session } = this.#circuit
    if (channel.started !== undefined || channel.startRefused)
      return this.#refuseSecondStart(channel, request)
    session.decideAgain()
    if (session.ended) return
    const allowed = allowsChannel(session.grant, start)
    const event = startEvent(channel.id, start)
    if (!allowed.allowed) {
      this.#circuit.record([event])
      return this.#refuseStart(channel, request, allowed.reason)
    }
    channel.start(start, this.#files)
    if (start.kind !== 'sftp' && channel.terminal !== 'none') this.#offerMarks(channel)
    this.#passClients(channel, request, [event], granted => {
      if (!granted) this.#recordTargetRefusal(channel, request)
    })
  }

  /** Our own word to the shell, recorded like the person's: with the nonce the transcript believes what the shell tells. */
  #offerMarks(channel: RelayChannel): void {
    if (this.#nonce === undefined || channel.target.sentClose) return
    const fields = Buffer.concat([string(marksVariable), string(this.#nonce)])
    this.#circuit.record([
      { type: 'env', channel: channel.id, name: marksVariable, value: this.#nonce, passed: true },
    ])
    this.#circuit.send(
      this.#circuit.target,
      encodeChannelRequest(numberOf(channel.target), 'env', false, fields),
    )
  }

  // ── Refusing ──────────────────────────────────────────────────────────────────────────────────────────────────

  #recordTargetRefusal(channel: RelayChannel, request: ChannelRequest): void {
    this.#circuit.recordRefusal(request.name, 'The target refused it.', channel.id)
  }

  #refuse(channel: RelayChannel, request: ChannelRequest, reason: string): void {
    this.#circuit.recordRefusal(request.name, reason, channel.id)
    this.#replyFailure(channel, request)
  }

  #replyFailure(channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply) return
    const failure = encodeChannelSignal('channel-failure', numberOf(channel.client))
    channel.client.replyOurselves(() => this.#circuit.send(this.#circuit.client, failure))
  }

  #refuseTarget(channel: RelayChannel, request: ChannelRequest): void {
    if (!request.wantReply) return
    channel.target.replyOurselves(() =>
      this.#circuit.send(
        this.#circuit.target,
        encodeChannelSignal('channel-failure', numberOf(channel.target)),
      ),
    )
  }

  /**
   * Says on stderr why nothing runs. A bare failure would make OpenSSH exit before it printed the sentence, so the request
   * is answered, the sentence sent, and the channel ended with exit status 126.
   */
  #refuseStart(channel: RelayChannel, request: ChannelRequest, reason: string): void {
    this.#circuit.recordRefusal(request.name, reason, channel.id)
    channel.startRefused = true
    channel.client.replyOurselves(() => this.#endRefused(channel, request, reason))
  }

  #endRefused(channel: RelayChannel, request: ChannelRequest, reason: string): void {
    const { client, target } = this.#circuit
    const number = numberOf(channel.client)
    channel.refused = true
    if (request.wantReply) this.#circuit.send(client, encodeChannelSignal('channel-success', number))
    this.#channels.say(channel, reason)
    this.#circuit.send(client, encodeChannelRequest(number, 'exit-status', false, uint32(refusedExitStatus)))
    this.#circuit.send(client, encodeChannelSignal('close', number))
    this.#circuit.send(target, encodeChannelSignal('close', numberOf(channel.target)))
  }
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
