import type { Transport } from '../transport.ts'

/** What the relay needs of a connection. */
export type RelayPeer = Pick<
  Transport,
  'send' | 'sendParts' | 'congested' | 'whenWritable' | 'pauseReading' | 'resumeReading' | 'disconnect'
>

/** Hears whether a global request was granted, and what the reply carried. */
export type GlobalReply = (granted: boolean, fields: Buffer) => void

/** One of the two connections, and what the other one is to it. */
export type Leg = {
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

export function newLeg(name: Leg['name'], transport: RelayPeer): Leg {
  return { name, transport, asked: [], silentIntervals: 0, held: false, awaited: false }
}

/** Stops reading a connection, or goes on. */
export function steer(leg: Leg, hold: boolean): void {
  leg.held = hold
  if (hold) leg.transport.pauseReading()
  else leg.transport.resumeReading()
}
