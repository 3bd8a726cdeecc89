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
import { userTextOf, type Wish } from '../../session/session.ts'
import {
  type ChannelOpen,
  type ConnectionMessage,
  decodeConnectionMessage,
  disconnectReason,
  encodeGlobalRequest,
  encodeRequestFailure,
  encodeUnimplemented,
  openFailureReason,
} from '../messages.ts'
import type { PassageParts } from '../passage.ts'
import type { Transport } from '../transport.ts'
import { LobbyChannel } from './channel.ts'
import { ChannelStream } from './channel-stream.ts'
import { decodeDestination, type Destination, targetAt } from './destination.ts'
import { serveInner } from './inner-server.ts'
import { notice } from './notice.ts'

/** What a jump may have on the way to us unread. Times the channels of a connection, this bounds its memory. */
const jumpWindowBytes = 1024 * 1024

/** Enough for typing. */
const sessionWindowBytes = 4096

/** Channels refused on one connection, each of which may be in the audit log; then it ends. */
export const maxRefusals = 100

/** A connection on which nothing is open ends after so long; ControlMaster keeps them for later. */
const maxEmptyMs = 10 * 60_000

/** Intervals that a client may leave our keep-alives unanswered. */
const maxSilentIntervals = 3

/** The same for what is no target and for targets of others, so that nobody can list them. */
const notThere = 'There is no such target, or you have no access to it.'

const noBytes = Buffer.alloc(0)

export type LobbyParts = PassageParts & { readonly clock: Clock; readonly targetHostKeys: TargetHostKeys }

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
  #nextChannel = 0
  #refusals = 0
  #noMoreSessions = false
  #unansweredKeepAlives = 0
  #emptySinceUs: number
  #over = false

  constructor(parts: LobbyParts, guest: Guest) {
    this.#parts = parts
    this.#guest = guest
    this.#emptySinceUs = parts.clock.monotonicUs()
    this.#timer = setInterval(() => this.#look(), parts.limits().keepAliveIntervalMs)
  }

  fromClient(payload: Buffer, sequence: number): void {
    if (this.#over) return
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

  /** The connection is gone, and with it every jump that went through it. */
  close(): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#timer)
    for (const channel of this.#channels.values()) channel.lost()
    this.#channels.clear()
  }

  #leave(reason: number, text: string): void {
    this.#guest.transport.disconnect(reason, text)
    this.close()
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
    if (++this.#unansweredKeepAlives > maxSilentIntervals)
      return this.#leave(connectionLost, 'The client no longer answers.')
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
        this.#unansweredKeepAlives = 0
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
    const channel = this.#add(open, isJump ? jumpWindowBytes : sessionWindowBytes)
    if (this.#channels.size > this.#parts.limits().maxChannelsPerConnection)
      return this.#refuse(channel, 'Too many channels are open on this connection.')
    if (destination !== undefined) return this.#jump(channel, destination)
    if (open.channelType !== 'session')
      return this.#refuse(channel, `Channels of type ${printable(open.channelType)} are not allowed here.`)
    if (this.#noMoreSessions) return this.#refuse(channel, 'This connection asked for no more sessions.')
    channel.confirm(notice(channel))
  }

  #add(open: ChannelOpen, windowBytes: number): LobbyChannel {
    const id = this.#nextChannel++
    const channel = new LobbyChannel(id, open, {
      transport: this.#guest.transport,
      windowBytes,
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
    serveInner(this.#parts, { stream, identity, principal, sourceAddress, target })
  }
}
