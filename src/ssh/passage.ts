/**
 * From a proven principal and an address to a relayed session: the one door, then the target, then the relay. Direct
 * connections, jumps and the picker all come this way.
 */
import type { AuditLog } from '../audit/audit-log.ts'
import type { KeptFiles, SshLimits } from '../config/config.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import {
  type Ending,
  openSession,
  type Session,
  type SessionParts,
  userTextOf,
  type Wish,
} from '../session/session.ts'
import type { Admission } from './authentication.ts'
import type { Engine } from './engine.ts'
import type { RelayPeer } from './relay/leg.ts'
import { type CopyLimits, noCopies } from './sftp/copies.ts'
import { Relay } from './relay/relay.ts'
import type { CloseReason, Transport, TransportLimits } from './transport.ts'
import { openUpstream, type UpstreamParts } from './upstream.ts'

/** OpenSSH sends `eow@openssh.com` and `no-more-sessions@openssh.com` only to peers that call themselves OpenSSH. */
export const ident = 'OpenSSH_9.9 Sallyport'

/** The largest message that is taken: channel data of 32 KiB and its head, or a long command; sshd takes as much. */
const maxPacketBytes = 256 * 1024

/** What the connections of clients and targets have in common. */
export function transportLimits(limits: SshLimits): TransportLimits {
  return {
    keyExchangeTimeoutMs: limits.keyExchangeTimeoutMs,
    rekeyAfterBytes: limits.rekeyAfterBytes,
    rekeyAfterMs: limits.rekeyAfterMs,
    maxQueuedBytes: limits.maxQueuedBytes,
    maxPacketBytes,
  }
}

export type PassageParts = {
  readonly engine: Engine
  readonly limits: () => SshLimits
  readonly keepOutputBytes: () => number
  /** Of each direction of a forwarded stream. */
  readonly keepForwardBytes: () => number
  /** How much of files' content is kept where a rule, or the configuration, wants it. */
  readonly copies?: (wanted: KeptFiles | undefined) => CopyLimits
  readonly session: SessionParts
  readonly upstream: Omit<UpstreamParts, 'ident' | 'limits' | 'timeoutMs'>
  readonly audit: AuditLog
  readonly log: Log
}

const leftEarly: Ending = { reason: 'client left during sign-in', userText: '' }

/** One attempt to open a session for one client, and the session that came of it. */
export class Passage {
  readonly #parts: PassageParts
  readonly #client: RelayPeer
  readonly #software: () => string
  #session: Session | undefined
  #relay: Relay | undefined
  #targetClosed: CloseReason | undefined
  #left = false

  /** `software`: what the client calls itself, asked when the session opens. */
  constructor(parts: PassageParts, client: RelayPeer, software: () => string = () => '') {
    this.#parts = parts
    this.#client = client
    this.#software = software
  }

  /** Decides, records, connects. Whoever is admitted calls `start` once the client may speak to the target. Never throws. */
  async open(wish: Wish): Promise<Admission> {
    const opening = await openSession(wish, this.#parts.session)
    if (opening.kind === 'refused') return opening
    const { session } = opening
    this.#session = session
    const software = this.#software()
    if (software !== '') session.recording.record({ type: 'client', software })
    if (this.#left) {
      session.end(leftEarly)
      return { kind: 'refused', userText: '' }
    }
    return this.#connect(session)
  }

  /** True from `start` on: then the client's messages are for `fromClient`. */
  get relaying(): boolean {
    return this.#relay !== undefined
  }

  fromClient(payload: Buffer, sequence: number): void {
    this.#relay?.fromClient(payload, sequence)
  }

  clientClosed(why: CloseReason): void {
    this.#left = true
    if (this.#relay !== undefined) this.#relay.clientClosed(why)
    else this.#session?.end(leftEarly)
  }

  end(ending: Ending): void {
    this.#session?.end(ending)
  }

  async #connect(session: Session): Promise<Admission> {
    const limits = this.#parts.limits()
    const ended = new Promise<never>((_, reject) => {
      session.onEnd(ending => reject(new Fault('UPSTREAM_FAILED', ending.userText, { log: ending.reason })))
    })
    const opening = openUpstream(
      session,
      {
        ...this.#parts.upstream,
        ident,
        limits: transportLimits(limits),
        timeoutMs: limits.upstreamTimeoutMs,
      },
      {
        message: (payload, sequence) => this.#relay?.fromTarget(payload, sequence),
        closed: why => this.#onTargetClosed(why),
      },
    )
    opening.then(
      upstream => session.onEnd(() => upstream.transport.close()), // whoever ends the session, this connection goes too
      () => {},
    )
    try {
      const upstream = await Promise.race([opening, ended])
      return { kind: 'admitted', start: () => this.#startRelay(session, upstream.transport) }
    } catch (cause) {
      return this.#noConnection(session, cause)
    }
  }

  #noConnection(session: Session, cause: unknown): Admission {
    this.#parts.log.warn({ session: session.id, cause: reasonOf(cause) }, 'no connection to the target')
    const userText = userTextOf(cause)
    session.end({ reason: `no connection to the target: ${reasonOf(cause)}`, userText })
    this.#parts.audit.append({
      kind: 'refusal',
      session: session.id,
      code: 'upstream',
      reasons: reasonOf(cause),
    })
    return { kind: 'refused', userText }
  }

  #startRelay(session: Session, target: Transport): void {
    const limits = this.#parts.limits()
    this.#relay = new Relay({
      session,
      client: this.#client,
      target,
      limits: {
        maxChannels: limits.maxChannelsPerConnection,
        keepOutputBytes: this.#parts.keepOutputBytes(),
        keepForwardBytes: this.#parts.keepForwardBytes(),
        keepAliveIntervalMs: limits.keepAliveIntervalMs,
        copies: this.#parts.copies?.(session.grant.fields.files) ?? noCopies,
      },
      log: this.#parts.log,
    })
    if (this.#targetClosed !== undefined) this.#relay.targetClosed(this.#targetClosed)
    target.resumeReading()
  }

  /** Before the relay runs there is nobody to tell yet. */
  #onTargetClosed(why: CloseReason): void {
    this.#targetClosed = why
    this.#relay?.targetClosed(why)
  }
}
