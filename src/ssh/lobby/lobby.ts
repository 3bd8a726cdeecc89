/**
 * A connection that is signed in and has named no target: the gateway serves its channels itself. It connects to nothing
 * and records nothing until a jump, or a choice in the picker, goes through the one door.
 */
import type { Clock } from '../../clock.ts'
import { printable } from '../../config/printable.ts'
import type { TargetHostKeys } from '../../credentials/target-host-keys.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Principal } from '../../identity/principal.ts'
import { decide, reachable } from '../../policy/decide.ts'
import { type Ending, userTextOf, type Wish } from '../../session/session.ts'
import {
  type ChannelOpen,
  type ConnectionMessage,
  decodeConnectionMessage,
  disconnectReason,
  encodeGlobalRequest,
  encodeRequestFailure,
  encodeUnimplemented,
  messageNumber,
  openFailureReason,
} from '../messages.ts'
import { Passage, type PassageParts } from '../passage.ts'
import type { CloseReason, Transport } from '../transport.ts'
import { LobbyChannel, maxDataBytes } from './channel.ts'
import { ChannelStream } from './channel-stream.ts'
import { decodeDestination, type Destination, targetAt } from './destination.ts'
import { serveInner } from './inner-server.ts'
import { choicesOf, lastUsedFirst, missingText } from './choices.ts'
import { type AskedFor, handedChannel, Handover } from './handover.ts'
import type { Choice } from './picker.ts'
import { PickerChannel } from './picker-channel.ts'

/** What a jump may have on the way to us unread. Times the channels of a connection, this bounds its memory. */
const jumpWindowBytes = 1024 * 1024

/**
 * Enough for typing, and no more than any target takes: the chosen session goes on with what was granted here. Dropbear's
 * windows are of 24 KiB, its packets of 32,759 bytes.
 */
const sessionWindow = { windowBytes: 4096, maxPacketBytes: 16 * 1024 } as const
const jumpWindow = { windowBytes: jumpWindowBytes, maxPacketBytes: maxDataBytes } as const

/** Channels of jumps are numbered from here on, so that a chosen session may number its own from 0. */
const firstJump = 0x4000_0000

/** Channels refused on one connection, each of which may be in the audit log; then it ends. */
export const maxRefusals = 100

/** A connection on which nothing is open ends after so long; ControlMaster keeps them for later. */
const maxEmptyMs = 10 * 60_000

/** Intervals that a client may leave our keep-alives unanswered. */
const maxSilentIntervals = 3

/** The same for what is no target and for targets of others, so that nobody can list them. */
const notThere = 'There is no such target, or you have no access to it.'

const notAlone =
  'Something else runs on this connection. Use one of its own (ssh -o ControlPath=none), or name the target.'

const noBytes = Buffer.alloc(0)

export type LobbyParts = PassageParts & {
  readonly clock: Clock
  readonly gatewayName: string
  readonly targetHostKeys: TargetHostKeys
}

export type Guest = {
  readonly principal: Principal
  readonly sourceAddress: string
  readonly transport: Transport
}

/**
 * Whether somebody who may reach something left open what. Whoever may reach nothing is refused at the door instead, like
 * everybody whose wish is denied.
 */
export function namesNoTarget(
  wish: Wish,
  { session, clock }: Pick<LobbyParts, 'session' | 'clock'>,
): boolean {
  const [policy, nowMs] = [session.policy(), clock.nowMs()]
  const decision = decide(policy, wish.principal, wish, nowMs)
  if (decision.kind === 'allow' || decision.denial.code !== 'target-needed') return false
  return reachable(policy, wish.principal, wish.sourceAddress, nowMs).length > 0
}

export class Lobby {
  readonly #parts: LobbyParts
  readonly #guest: Guest
  readonly #channels = new Map<number, LobbyChannel>()
  readonly #timer: NodeJS.Timeout
  /** Each ends a session of the people who jump through here. */
  readonly #jumps = new Set<(ending: Ending) => void>()
  #nextJump = firstJump
  #refusals = 0
  #noMoreSessions = false
  #unansweredKeepAlives = 0
  #emptySinceUs: number
  #over = false
  /** Of the choice that was made last: being opened, or with the connection handed over to it. */
  #passage: Passage | undefined

  constructor(parts: LobbyParts, guest: Guest) {
    this.#parts = parts
    this.#guest = guest
    this.#emptySinceUs = parts.clock.monotonicUs()
    this.#timer = setInterval(() => this.#look(), parts.limits().keepAliveIntervalMs)
  }

  fromClient(payload: Buffer, sequence: number): void {
    if (this.#over) return
    if (this.#passage?.relaying === true && !this.#isOurs(payload))
      return this.#passage.fromClient(payload, sequence)
    try {
      const message = decodeConnectionMessage(payload)
      if (message === undefined) this.#guest.transport.send(encodeUnimplemented(sequence))
      else this.#step(message)
    } catch (cause) {
      this.#parts.log.info(
        { source: this.#guest.sourceAddress, cause: reasonOf(cause) },
        'protocol violation',
      )
      this.#leave(disconnectReason.protocolError, userTextOf(cause))
    }
  }

  /** After the connection was handed over: jumps go on, and replies to what we asked before still come. */
  #isOurs(payload: Buffer): boolean {
    const number = payload[0] ?? 0
    if (number === messageNumber.requestSuccess || number === messageNumber.requestFailure)
      return this.#unansweredKeepAlives > 0
    const isChannels = number >= messageNumber.windowAdjust && number <= messageNumber.channelFailure
    return isChannels && payload.length >= 5 && payload.readUInt32BE(1) >= firstJump
  }

  /** Ends what runs through here, and says why; the connection is the caller's to end. */
  end(ending: Ending): void {
    this.#passage?.end(ending)
    for (const end of this.#jumps) end(ending)
  }

  /** The connection is gone, and with it every jump that went through it. */
  close(why: CloseReason): void {
    if (this.#over) return
    this.#over = true
    this.#passage?.clientClosed(why)
    clearInterval(this.#timer)
    for (const channel of this.#channels.values()) channel.lost()
    this.#channels.clear()
  }

  #leave(reason: number, text: string): void {
    this.#guest.transport.disconnect(reason, text)
    this.close({ kind: 'local', reason, text })
  }

  /** Ends what is over, empty or silent. Sessions inside end by limits of their own, which are no later. */
  #look(): void {
    const { clock } = this.#parts
    const { byApplication, connectionLost } = disconnectReason
    if (clock.nowMs() >= this.#guest.principal.fields.expiresAtMs)
      return this.#leave(byApplication, 'Your sign-in has expired. Connect again.')
    if (this.#channels.size > 0) this.#emptySinceUs = clock.monotonicUs()
    if (clock.monotonicUs() - this.#emptySinceUs >= maxEmptyMs * 1000)
      return this.#leave(byApplication, 'Nothing happened for too long. Connect again.')
    if (this.#unansweredKeepAlives >= maxSilentIntervals)
      return this.#leave(connectionLost, 'The client no longer answers.')
    this.#unansweredKeepAlives++
    this.#guest.transport.send(encodeGlobalRequest('keepalive@openssh.com', true, noBytes))
  }

  #step(message: ConnectionMessage): void {
    switch (message.type) {
      case 'global-request':
        return this.#globalRequest(message.name, message.wantReply)
      case 'request-success':
      case 'request-failure':
        if (this.#unansweredKeepAlives === 0)
          throw new Fault('SSH_PROTOCOL', 'A reply arrived that nobody asked for.')
        this.#unansweredKeepAlives--
        return
      case 'channel-open':
        return this.#open(message)
      case 'window-adjust':
        return this.#channel(message.recipient).windowAdjust(message.bytes)
      case 'data':
        return this.#channel(message.recipient).data(message.data)
      case 'end-of-file':
        return this.#channel(message.recipient).endOfFile()
      case 'close':
        return this.#channel(message.recipient).closedByClient()
      case 'channel-request':
        return this.#channel(message.recipient).channelRequest(
          message.name,
          message.wantReply,
          message.fields,
        )
      case 'extended-data':
      case 'open-confirmation':
      case 'open-failure':
      case 'channel-success':
      case 'channel-failure':
        throw new Fault('SSH_PROTOCOL', 'A message arrived that nobody asked for.')
    }
  }

  #globalRequest(name: string, wantReply: boolean): void {
    if (name === 'no-more-sessions@openssh.com') this.#noMoreSessions = true
    if (wantReply) this.#guest.transport.send(encodeRequestFailure())
  }

  #channel(id: number): LobbyChannel {
    const channel = this.#channels.get(id)
    if (channel === undefined)
      throw new Fault('SSH_PROTOCOL', 'A message arrived for a channel that is not open.')
    return channel
  }

  // ── Opening ───────────────────────────────────────────────────────────────────────────────────────────────────

  #open(open: ChannelOpen): void {
    const isJump = open.channelType === 'direct-tcpip'
    const destination = isJump ? decodeDestination(open.fields) : undefined
    const channel = this.#add(open, isJump ? this.#nextJump++ : this.#freeSession())
    if (this.#channels.size > this.#parts.limits().maxChannelsPerConnection)
      return this.#refuse(channel, 'Too many channels are open on this connection.')
    if (destination !== undefined) return this.#jump(channel, destination)
    if (open.channelType !== 'session')
      return this.#refuse(channel, `Channels of type ${printable(open.channelType)} are not allowed here.`)
    if (this.#noMoreSessions) return this.#refuse(channel, 'This connection asked for no more sessions.')
    channel.confirm(
      new PickerChannel(channel, {
        list: () => this.#list(),
        open: (choice, handOver) => this.#openChoice(channel, choice, handOver),
      }),
    )
  }

  #freeSession(): number {
    let id = handedChannel
    while (this.#channels.has(id)) id++
    return id
  }

  #add(open: ChannelOpen, id: number): LobbyChannel {
    const channel = new LobbyChannel(id, open, {
      transport: this.#guest.transport,
      ...(id >= firstJump ? jumpWindow : sessionWindow),
      forget: () => this.#channels.delete(id),
    })
    this.#channels.set(id, channel)
    return channel
  }

  #refuse(channel: LobbyChannel, text: string): void {
    channel.refuse(openFailureReason.administrativelyProhibited, text)
    if (++this.#refusals <= maxRefusals) return
    this.#leave(disconnectReason.byApplication, 'Too many requests had to be refused.')
  }

  /** Answered by a server of our own, and only where the person may open a session at this instant. */
  #jump(channel: LobbyChannel, destination: Destination): void {
    const target = this.#reachableTarget(destination)
    if (target === undefined) {
      this.#auditRefusal(destination)
      return this.#refuse(channel, notThere)
    }
    this.#serve(channel, target, destination).catch((cause: unknown) => {
      this.#parts.log.error({ target, cause: reasonOf(cause) }, 'a jump could not be answered')
      if (!this.#over) channel.refuse(openFailureReason.resourceShortage, userTextOf(cause))
    })
  }

  #reachableTarget(destination: Destination): string | undefined {
    const { principal, sourceAddress } = this.#guest
    const policy = this.#parts.session.policy()
    const name = targetAt(policy.targets, destination)?.name
    const open = reachable(policy, principal, sourceAddress, this.#parts.clock.nowMs())
    return open.find(({ target }) => target === name)?.target
  }

  #auditRefusal({ host, port }: Destination): void {
    const { principal, sourceAddress } = this.#guest
    const { issuer, subject, name } = principal.fields
    this.#parts.audit.append({
      kind: 'refusal',
      issuer,
      subject,
      principal: name,
      sourceAddress,
      protocol: 'ssh',
      target: printable(`${host}:${port}`, 300),
      login: '',
      code: 'jump',
      reasons: 'no target of this name or address that they may reach now',
    })
  }

  async #serve(channel: LobbyChannel, target: string, { host }: Destination): Promise<void> {
    const identity = await this.#parts.targetHostKeys.identityOf(target, host)
    if (this.#over) return
    const stream = new ChannelStream(channel)
    const { principal, sourceAddress } = this.#guest
    channel.confirm(stream.owner)
    const end = serveInner(this.#parts, { stream, identity, principal, sourceAddress, target })
    this.#jumps.add(end)
    stream.once('close', () => this.#jumps.delete(end))
  }

  // ── Choosing ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #list() {
    const { principal, sourceAddress } = this.#guest
    const { session, clock, gatewayName } = this.#parts
    const asking = { principal, sourceAddress, nowMs: clock.nowMs() }
    const [policy, { store }] = [session.policy(), session]
    return {
      title: `${gatewayName}: where to, ${printable(principal.fields.name, 64)}?`,
      choices: await lastUsedFirst(choicesOf(policy, asking), principal, store.sessions),
      missing: missingText(policy, asking),
    }
  }

  /** The chosen session goes through the same door as any other; only its channel is here already. */
  async #openChoice(
    channel: LobbyChannel,
    { target, login }: Choice,
    handOver: () => readonly AskedFor[] | undefined,
  ): Promise<string | undefined> {
    if (!this.#isAlone(channel)) return notAlone
    const { principal, sourceAddress, transport } = this.#guest
    const handover: Handover = new Handover(transport, text =>
      passage.end({ reason: `the chosen session could not start: ${text}`, userText: text }),
    )
    const passage = new Passage(this.#parts, handover.client, () => transport.remoteIdent)
    this.#passage = passage
    const admission = await passage.open({ protocol: 'ssh', principal, sourceAddress, target, login })
    if (admission.kind === 'refused') return admission.userText
    const requests = this.#over || !this.#isAlone(channel) ? undefined : handOver()
    if (requests === undefined) {
      passage.end({ reason: 'client left during sign-in', userText: '' })
      return notAlone
    }
    clearInterval(this.#timer)
    const left = channel.handOver()
    admission.start()
    handover.start(passage, left, requests, this.#noMoreSessions)
    return undefined
  }

  /** The session that is chosen gets this connection and numbers its channels, so no other may have one here. */
  #isAlone(channel: LobbyChannel): boolean {
    const sessions = [...this.#channels.keys()].filter(id => id < firstJump)
    return channel.id === handedChannel && sessions.length === 1
  }
}
