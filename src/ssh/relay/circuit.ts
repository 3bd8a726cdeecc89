/**
 * The two connections of a session with its recording between them: what passes is recorded, and only then sent on
 * (invariant 3). A connection is not read while the other one, or the recording, has more than it can take.
 */
import { Fault } from '../../errors.ts'
import type { RecordedEvent } from '../../recorder/event.ts'
import type { Session } from '../../session/session.ts'
import type { RelayChannel } from '../channel.ts'
import type { CopyLimits } from '../sftp/copies.ts'
import { HeldInput } from './held-input.ts'
import { type Leg, newLeg, type RelayPeer, steer } from './leg.ts'

/** Refused channels and requests of one session. Each is recorded, so that without a limit they would fill the disk. */
export const maxRefusals = 10_000

export type RelayLimits = {
  readonly maxChannels: number
  readonly keepOutputBytes: number
  /** Of each direction of a forwarded stream; past it, size and digest go on. By default nothing is kept. */
  readonly keepForwardBytes?: number
  readonly keepAliveIntervalMs: number
  /** Of files' content; left out, none is kept. */
  readonly copies?: CopyLimits
}

export class Circuit {
  readonly session: Session
  readonly client: Leg
  readonly target: Leg
  readonly limits: RelayLimits
  /** Channels whose input waits until the target has said whether it gives them a terminal. */
  readonly inputWaits: Set<RelayChannel> = new Set()
  /** What the client sent while the session was held. */
  readonly heldInput = new HeldInput()
  ended = false
  #nextNumber = 0
  #refusals = 0
  #waitsForRecording = false

  constructor(session: Session, client: RelayPeer, target: RelayPeer, limits: RelayLimits) {
    this.session = session
    this.client = newLeg('client', client)
    this.target = newLeg('target', target)
    this.limits = limits
  }

  other(leg: Leg): Leg {
    return leg === this.client ? this.target : this.client
  }

  /** Numbers channels, and all else that has a number of its own in the recording. */
  nextNumber(): number {
    return this.#nextNumber++
  }

  hasNumbered(number: number): boolean {
    return number < this.#nextNumber
  }

  record(events: readonly RecordedEvent[]): void {
    for (const event of events) this.session.recording.record(event)
  }

  /** What never became a channel has a number of its own in the recording. */
  recordRefusal(request: string, reason: string, channel: number = this.nextNumber()): void {
    if (++this.#refusals > maxRefusals)
      throw new Fault('SSH_PROTOCOL', 'Too many requests had to be refused.')
    this.record([{ type: 'request-refused', channel, request, reason }])
  }

  /** Runs after everything recorded so far has been handed to the operating system (invariant 3). */
  forward(send: () => void): void {
    this.session.recording.forward(send)
  }

  send(leg: Leg, payload: Uint8Array): void {
    this.forward(() => {
      if (this.ended) return
      leg.transport.send(payload)
      this.steerFlow()
    })
  }

  sendData(leg: Leg, head: Buffer, data: Buffer): void {
    this.forward(() => {
      if (this.ended) return
      leg.transport.sendParts(head, data)
      if (leg === this.client) this.session.sent(data.length)
      this.steerFlow()
    })
  }

  /** Holds a connection back while the other one, or the recording, has more than it can take. */
  steerFlow(): void {
    if (this.ended) return
    if (this.session.recording.isBehind) this.#waitForRecording()
    steer(this.target, this.#waitsForRecording || this.#isBehind(this.client))
    const clientWaits = this.#waitsForRecording || this.inputWaits.size > 0 || this.heldInput.isFull
    steer(this.client, clientWaits || this.#isBehind(this.target))
  }

  #isBehind(leg: Leg): boolean {
    const behind = leg.transport.congested
    if (behind && !leg.awaited) {
      leg.awaited = true
      leg.transport.whenWritable(() => {
        leg.awaited = false
        this.steerFlow()
      })
    }
    return behind
  }

  #waitForRecording(): void {
    if (this.#waitsForRecording) return
    this.#waitsForRecording = true
    this.session.recording.whenDrained().then(
      () => {
        this.#waitsForRecording = false
        this.steerFlow()
      },
      () => {}, // a recording that fails ends the session by itself
    )
  }
}
