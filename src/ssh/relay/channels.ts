/** The channels of a connection: who may open which, and how they end (RFC 4254, sections 5.1 and 5.3). */
import { Fault } from '../../errors.ts'
import { allowsChannel, type ChannelDecision, type Grant } from '../../policy/decide.ts'
import { placeText } from '../../policy/forward.ts'
import type { RecordedEvent } from '../../recorder/event.ts'
import { type ChannelEnd, RelayChannel } from '../channel.ts'
import { AgentStream } from '../forwarding/agent.ts'
import {
  agentChannelType,
  clientChannelTypes,
  decodeOpening,
  listenerChannelTypes,
  type Opening,
} from '../forwarding/requests.ts'
import { ForwardStream } from '../forwarding/stream.ts'
import {
  type ChannelOpen,
  encodeChannelOpen,
  encodeChannelSignal,
  encodeDataHead,
  encodeExtendedDataHead,
  encodeOpenConfirmation,
  encodeOpenFailure,
  type OpenConfirmation,
  openFailureReason,
  stderrCode,
} from '../messages.ts'
import { expectNothing } from '../requests.ts'
import type { Circuit } from './circuit.ts'
import type { GlobalRequests } from './global-requests.ts'
import type { Leg } from './leg.ts'

/** Of one data message: what RFC 4253, section 6.1 asks for and OpenSSH sends. */
const maxDataBytes = 32_768

const notAskedFor = 'The gateway did not ask for this channel.'

export class Channels {
  readonly #circuit: Circuit
  readonly #globals: GlobalRequests
  readonly #open = new Map<number, RelayChannel>()
  /** The target was told that it may use the client's agent. */
  agentOffered = false

  constructor(circuit: Circuit, globals: GlobalRequests) {
    this.#circuit = circuit
    this.#globals = globals
  }

  /** Both ends know a channel by the number that we gave it. */
  get(id: number): RelayChannel {
    const channel = this.#open.get(id)
    if (channel === undefined)
      throw new Fault('SSH_PROTOCOL', 'A message arrived for a channel that is not open.')
    return channel
  }

  /** It is closed by now, or never was more than a number. */
  wasOpen(id: number): boolean {
    return !this.#open.has(id) && this.#circuit.hasNumbered(id)
  }

  /** The end that a message came from, and the one that it goes to; both must have opened the channel. */
  ends(from: Leg, channel: RelayChannel): [ChannelEnd, ChannelEnd] {
    if (channel.target.number === undefined || channel.client.number === undefined)
      throw new Fault('SSH_PROTOCOL', 'A channel was used before it was open.')
    return from === this.#circuit.client ? [channel.client, channel.target] : [channel.target, channel.client]
  }

  /** What a grant that was decided again says of what runs. */
  allowedBy(grant: Grant): readonly ChannelDecision[] {
    return Array.from(this.#open.values(), channel => allowanceOf(channel, grant))
  }

  /** The connection is over. */
  endAll(): void {
    for (const channel of this.#open.values()) {
      this.#circuit.record(channel.endFiles())
      channel.forget()
    }
    this.#open.clear()
  }

  // ── Opening ───────────────────────────────────────────────────────────────────────────────────────────────────

  open(from: Leg, open: ChannelOpen): void {
    const { session, target } = this.#circuit
    const refusal = this.#refusalToOpen(from, open.channelType)
    if (refusal !== undefined) return this.#refuse(from, open, refusal)
    session.decideAgain()
    if (session.ended) return
    const kindRefusal = this.#refusalOfKind(open.channelType)
    if (kindRefusal !== undefined) return this.#refuse(from, open, kindRefusal)
    const opening = decodeOpening(open)
    if (from === target && opening.kind === 'stream' && !this.#globals.listensAt(opening.wish.place))
      return this.#refuse(from, open, notAskedFor)
    this.#begin(from, open, opening)
  }

  #begin(from: Leg, open: ChannelOpen, opening: Opening): void {
    const { session, client } = this.#circuit
    const channel = this.#add(from, open, opening)
    const allowed = allowanceOf(channel, session.grant)
    if (!allowed.allowed) return this.#refuse(from, open, allowed.reason, channel.id)
    this.#open.set(channel.id, channel)
    this.#circuit.record([openEvent(channel, opening)])
    session.touch()
    const { maxPacketBytes } = from === client ? channel.target : channel.client
    this.#circuit.send(
      this.#circuit.other(from),
      encodeChannelOpen({ ...open, sender: channel.id, maxPacketBytes, fields: opening.fields }),
    )
  }

  /** What can be said from the type alone. A target opens what the client wanted it to; all else is reaching out by itself. */
  #refusalToOpen(from: Leg, type: string): string | undefined {
    if (from === this.#circuit.target && !this.#isAskedFor(type)) return notAskedFor
    if (from === this.#circuit.client && !clientChannelTypes.has(type))
      return `Channels of type ${type} are not allowed here.`
    if (type === 'session' && this.#globals.noMoreSessions)
      return 'This connection asked for no more sessions.'
    if (this.#open.size >= this.#circuit.limits.maxChannels)
      return 'Too many channels are open on this connection.'
    return undefined
  }

  #isAskedFor(type: string): boolean {
    if (type === agentChannelType) return this.agentOffered
    return listenerChannelTypes.has(type) && this.#globals.isListening
  }

  /** Sessions are decided when they start something. */
  #refusalOfKind(type: string): string | undefined {
    if (type === 'session') return undefined
    const kind = type === agentChannelType ? 'agent' : 'forward'
    const decision = allowsChannel(this.#circuit.session.grant, { kind })
    return decision.allowed ? undefined : decision.reason
  }

  #add(from: Leg, open: ChannelOpen, opening: Opening): RelayChannel {
    const { client, limits } = this.#circuit
    const channel = new RelayChannel(this.#circuit.nextNumber(), from.name, open.channelType)
    const [opener, other] =
      from === client ? [channel.client, channel.target] : [channel.target, channel.client]
    opener.number = open.sender
    other.allowanceBytes = open.windowBytes
    other.maxPacketBytes = Math.min(open.maxPacketBytes, maxDataBytes)
    if (opening.kind === 'agent') channel.conduit = new AgentStream(channel.id)
    if (opening.kind === 'stream')
      channel.conduit = new ForwardStream(channel.id, opening.wish, limits.keepForwardBytes ?? 0)
    return channel
  }

  #refuse(from: Leg, open: ChannelOpen, reason: string, id = this.#circuit.nextNumber()): void {
    const { administrativelyProhibited } = openFailureReason
    this.#circuit.recordRefusal(`channel ${open.channelType}`, reason, id)
    this.#circuit.send(
      from,
      encodeOpenFailure(open.sender, administrativelyProhibited, `sallyport: ${reason}`),
    )
  }

  confirmed(from: Leg, confirmation: OpenConfirmation): void {
    const channel = this.get(confirmation.recipient)
    const [confirming, opener] = openingEnds(from, channel, 'confirmed')
    expectNothing(confirmation.fields)
    confirming.number = confirmation.sender
    opener.allowanceBytes = confirmation.windowBytes
    opener.maxPacketBytes = Math.min(confirmation.maxPacketBytes, maxDataBytes)
    this.#circuit.send(
      this.#circuit.other(from),
      encodeOpenConfirmation({
        ...confirmation,
        recipient: numberOf(opener),
        sender: channel.id,
        maxPacketBytes: opener.maxPacketBytes,
      }),
    )
  }

  failed(from: Leg, id: number, reason: number, description: string): void {
    const channel = this.get(id)
    const [, opener] = openingEnds(from, channel, 'refused')
    this.#open.delete(id)
    this.#circuit.recordRefusal(`channel ${channel.type}`, description, id)
    this.#circuit.send(this.#circuit.other(from), encodeOpenFailure(numberOf(opener), reason, description))
  }

  // ── Ending ────────────────────────────────────────────────────────────────────────────────────────────────────

  endOfFile(from: Leg, channel: RelayChannel): void {
    const [end, other] = this.ends(from, channel)
    if (end.sentEndOfFile || end.sentClose) throw new Fault('SSH_PROTOCOL', 'A channel ended twice.')
    end.sentEndOfFile = true
    if (channel.refused) return
    const type = from === this.#circuit.client ? 'end-of-input' : 'end-of-output'
    this.#circuit.record([{ type, channel: channel.id }])
    this.#circuit.send(this.#circuit.other(from), encodeChannelSignal('end-of-file', numberOf(other)))
  }

  /** `releaseInput` gives up what waited for the target's word on a terminal. */
  close(from: Leg, channel: RelayChannel, releaseInput: (channel: RelayChannel) => void): void {
    const [end, other] = this.ends(from, channel)
    if (end.sentClose) throw new Fault('SSH_PROTOCOL', 'A channel closed twice.')
    end.sentClose = true
    if (from === this.#circuit.target) channel.settleTerminal(channel.terminal === 'given')
    releaseInput(channel)
    if (!channel.refused)
      this.#circuit.send(this.#circuit.other(from), encodeChannelSignal('close', numberOf(other)))
    if (!channel.finished) return
    this.#open.delete(channel.id)
    const unshown = channel.endTyping()
    channel.forget()
    this.#circuit.record([...unshown, ...channel.endFiles(), { type: 'channel-close', channel: channel.id }])
  }

  /** Ends a channel between two ends that both did not ask for it. Sessions have a stderr, which says why. */
  breakOff(channel: RelayChannel, reason?: string): void {
    const { client, target } = this.#circuit
    channel.refused = true
    const number = numberOf(channel.client)
    if (reason !== undefined && !channel.target.sentEndOfFile && !channel.target.sentClose)
      this.say(channel, reason)
    if (!channel.target.sentClose) this.#circuit.send(client, encodeChannelSignal('close', number))
    if (!channel.client.sentClose)
      this.#circuit.send(target, encodeChannelSignal('close', numberOf(channel.target)))
  }

  /**
   * A sentence for whoever sits at what runs: on the screen of a terminal, else on stderr. It is ours and no output of the target, so it
   * is not recorded. Said where there is room for it, and never within a file.
   */
  announce(sentence: string): void {
    const text = Buffer.from(`\r\nsallyport: ${sentence}\r\n`)
    for (const channel of this.#open.values()) {
      if (!channel.takesWords || text.length > channel.target.maxPacketBytes) continue
      if (!channel.target.addOurs(text.length)) continue
      const number = numberOf(channel.client)
      const head =
        channel.terminal === 'given'
          ? encodeDataHead(number, text.length)
          : encodeExtendedDataHead(number, stderrCode, text.length)
      this.#circuit.sendData(this.#circuit.client, head, text)
    }
  }

  /** A sentence on the client's stderr, or as much of it as the client's window has room for. */
  say(channel: RelayChannel, sentence: string): void {
    const room = Math.min(channel.target.allowanceBytes, channel.target.maxPacketBytes)
    const text = Buffer.from(`sallyport: ${sentence}\r\n`).subarray(0, room)
    this.#circuit.sendData(
      this.#circuit.client,
      encodeExtendedDataHead(numberOf(channel.client), stderrCode, text.length),
      text,
    )
  }
}

/** The number that an end gave a channel. */
export function numberOf(end: ChannelEnd): number {
  if (end.number === undefined) throw new Fault('SSH_PROTOCOL', 'A channel was used before it was open.')
  return end.number
}

/** Of a channel that is being opened: the end that answers, and the one that asked. */
function openingEnds(from: Leg, channel: RelayChannel, how: string): [ChannelEnd, ChannelEnd] {
  const ends: [ChannelEnd, ChannelEnd] =
    channel.openedBy === 'client' ? [channel.target, channel.client] : [channel.client, channel.target]
  if (from.name === channel.openedBy || ends[0].number !== undefined)
    throw new Fault('SSH_PROTOCOL', `A channel was ${how} that nobody opened.`)
  return ends
}

function allowanceOf({ started, conduit }: RelayChannel, grant: Grant): ChannelDecision {
  if (conduit !== undefined) return conduit.allowedBy(grant)
  return started === undefined ? { allowed: true } : allowsChannel(grant, started)
}

function openEvent({ id, type }: RelayChannel, opening: Opening): RecordedEvent {
  if (opening.kind !== 'stream') return { type: 'channel-open', channel: id, kind: type }
  const { wish, originator } = opening
  return { type: 'forward-open', channel: id, kind: type, destination: placeText(wish.place), originator }
}
