/** What the gateway does for one worker: it answers its questions, and keeps what is the worker's, to let go of it when the worker goes. */
import type { RedeemResult } from '../../identity/connection-passwords.ts'
import type { ConnectionPasswords } from '../../identity/connection-passwords.ts'
import type { MachineTokens } from '../../identity/machine-token.ts'
import type { WaitingSignIn, WaitingSignIns } from '../../identity/waiting-sign-in.ts'
import type { LeaseRow, SessionRow, Signer } from '../../model.ts'
import { Fault } from '../../errors.ts'
import type { Socket } from 'node:net'
import type { LiveSessions, ReservedPlace, Watching } from '../../session/live.ts'
import type { Held, HoldResult, HoldWish } from '../../session/hold.ts'
import type { Ending } from '../../session/session.ts'
import type { SealedReading } from '../../recorder/encryption/sealed-reading.ts'
import { LiveWatch } from '../../recorder/live-watch.ts'
import type { Spool } from '../../recorder/storage/spool.ts'
import type { Store } from '../../store/store.ts'
import type { Arrival } from '../connection.ts'
import type { CancelAsked } from '../cancel-requests.ts'
import type { CallHandlers, TellHandlers } from './link.ts'
import type { gatewaySide, SigningPurpose } from './messages.ts'
import type { GatewayLink } from './ports.ts'
import type { Takeover } from './takeover.ts'

/** A worker whose event loop stood still for so long is ended, and what waits for it goes. Milliseconds. */
const arriveWithinMs = 20_000

type Handed = { readonly socket: Socket; readonly late: NodeJS.Timeout }

/** What all workers share. */
export type DeskParts = {
  readonly store: Store
  readonly live: LiveSessions
  readonly passwords: ConnectionPasswords
  readonly machines: MachineTokens
  readonly waiting: WaitingSignIns
  /** The key with this id, if it is one that workers were told of. */
  readonly signerOf: (purpose: SigningPurpose, keyId: string) => Signer | undefined
  /** Leases that the sweep leaves to sessions. */
  readonly inHand: { readonly add: (lease: string) => void; readonly delete: (lease: string) => void }
  readonly onSealed: (row: SessionRow) => void
  readonly takeCancel: (asked: CancelAsked) => Promise<void>
  readonly checkpoint: () => Promise<void>
  /** Why no session may be opened now, if so. */
  readonly refusal: () => Fault | undefined
  readonly spool: Pick<Spool, 'opened' | 'finished'>
  readonly reading: SealedReading
}

export class WorkerDesk {
  readonly #parts: DeskParts
  readonly #owner: () => string
  readonly #takeover: () => Takeover
  readonly #link: () => GatewayLink
  readonly #sessions = new Map<string, SessionRow>()
  /** Those whose encrypted recordings are read while they are written. */
  readonly #read = new Set<string>()
  readonly #ending = new Set<string>()
  /** What sessions wait for, as the worker says. */
  readonly #holds = new Map<string, Held>()
  /** Rows that are on their way into the store, and those of them that nobody wants any more. */
  readonly #inserting = new Set<string>()
  readonly #withdrawn = new Set<string>()
  readonly #places = new Map<number, ReservedPlace>()
  readonly #leases = new Set<string>()
  readonly #inHand = new Set<string>()
  readonly #signIns = new Map<number, WaitingSignIn>()
  readonly #watches = new Map<number, LiveWatch>()
  /** Sockets that were handed over and have not arrived: Node sends the next one when the worker has the one before. */
  readonly #handed = new Map<number, Handed>()
  /** What leaves the places of strangers, by connection. */
  readonly #strangers = new Map<number, () => void>()
  readonly #connections = new Set<number>()
  #lastNumber = 0

  constructor(
    parts: DeskParts,
    worker: { owner: () => string; takeover: () => Takeover; link: () => GatewayLink },
  ) {
    this.#parts = parts
    this.#owner = worker.owner
    this.#takeover = worker.takeover
    this.#link = worker.link
  }

  has(id: string): boolean {
    return this.#sessions.has(id)
  }

  get rows(): readonly SessionRow[] {
    return [...this.#sessions.values()]
  }

  /** Connections that it has now. */
  get connections(): number {
    return this.#connections.size
  }

  countOf(principal: string): number {
    return this.rows.filter(({ issuer, subject }) => `${issuer}\n${subject}` === principal).length
  }

  /** False if it is not the worker's, or was asked for before. */
  end(id: string, { reason, userText }: Ending): boolean {
    if (!this.#sessions.has(id) || this.#ending.has(id)) return false
    this.#ending.add(id)
    return this.#link().tell('endSession', { id, reason, userText })
  }

  /** A session that its worker does not say is held must not be taken for one that waits: it is told to end. */
  async hold(id: string, wish: HoldWish): Promise<HoldResult> {
    if (!this.#sessions.has(id) || this.#ending.has(id)) return 'not-open'
    try {
      const { isHeld } = await this.#link().ask('hold', { id, ...wish })
      return isHeld ? 'held' : 'not-open'
    } catch {
      this.end(id, notHeld)
      return 'ended'
    }
  }

  /** False if it is not held, or its worker does not say that it goes on: then it waits until it ends. */
  async release(id: string): Promise<boolean> {
    if (!this.#holds.has(id) || this.#ending.has(id)) return false
    const asked = this.#link().ask('goOn', { id })
    return await asked.then(
      ({ goesOn }) => goesOn,
      () => false,
    )
  }

  heldOf(id: string): Held | undefined {
    return this.#holds.get(id)
  }

  watch(id: string): Watching {
    const row = this.#sessions.get(id)
    if (row === undefined || this.#ending.has(id)) return { kind: 'not-open' }
    const number = ++this.#lastNumber
    const watch = new LiveWatch(() => {
      this.#watches.delete(number)
      this.#link().tell('unwatch', { watch: number })
    })
    this.#watches.set(number, watch)
    this.#link().tell('watch', { session: id, watch: number })
    return { kind: 'watching', watch, row }
  }

  /** Counts a connection in that is about to be handed over; its number. */
  enter({ socket, enter }: Arrival): number {
    const id = ++this.#lastNumber
    this.#connections.add(id)
    const late = setTimeout(() => this.#closeHanded(id), arriveWithinMs).unref()
    this.#handed.set(id, { socket, late })
    this.#strangers.set(
      id,
      enter(() => this.#makeRoom(id)),
    )
    return id
  }

  /** The worker is gone: nothing is its own any more. What it had of leases is the sweep's. */
  letGo(): void {
    for (const connection of this.#handed.keys()) this.#closeHanded(connection)
    for (const leave of this.#strangers.values()) leave()
    for (const place of this.#places.values()) place.release()
    for (const signIn of this.#signIns.values()) signIn.cancel()
    for (const watch of this.#watches.values()) watch.end(sessionGone)
    for (const lease of this.#inHand) this.#parts.inHand.delete(lease)
    for (const session of this.#read) void this.#parts.reading.ended(session)
    const held = [
      this.#handed,
      this.#strangers,
      this.#places,
      this.#signIns,
      this.#inHand,
      this.#connections,
      this.#sessions,
      this.#read,
      this.#holds,
    ]
    for (const of of held) of.clear()
  }

  readonly calls: CallHandlers<typeof gatewaySide.answer> = {
    reserve: ({ principal, max }) => this.#reserve(principal, max),
    insertSession: row => this.#insertSession(row),
    endSession: async ({ id, end }) => {
      if (!this.#sessions.has(id)) throw notIts('session')
      const ended = await this.#parts.store.sessions.end(id, end)
      this.#takeover().forget(id)
      return ended
    },
    insertLease: async row => {
      if (!this.#isItsLease(row)) throw notIts('lease')
      this.#leases.add(row.id)
      await this.#parts.store.leases.insert(row)
    },
    advanceLease: ({ id, state }) => this.#withLease(id, leases => leases.advance(id, state)),
    removeLease: async ({ id }) => {
      await this.#withLease(id, leases => leases.remove(id))
      this.#leases.delete(id)
    },
    redeem: ({ password, use }) => answerOf(this.#parts.passwords.redeem(password, use)),
    verifyToken: async ({ jwt, fingerprint }) => (await this.#parts.machines.verify(jwt, fingerprint)).fields,
    openSignIn: question => {
      const opened = this.#parts.waiting.open(question)
      return opened.kind === 'refused' ? opened : this.#wait(opened.signIn)
    },
    sign: async ({ purpose, keyId, data }) => {
      const signer = this.#parts.signerOf(purpose, keyId)
      if (signer === undefined)
        throw new Fault('KEY_UNUSABLE', 'A key of the gateway was replaced. Connect again.')
      return await signer.sign(data)
    },
    proofOf: ({ entry }) => this.#takeover().proofOf(entry),
    checkpoint: () => this.#parts.checkpoint(),
    recordingEnds: async ({ session }) => {
      if (this.#read.delete(session)) await this.#parts.reading.ended(session)
    },
    watched: ({ watch, lines }) => {
      for (const line of lines) this.#watches.get(watch)?.push(line)
    },
    cancel: ({ pid, key, sourceAddress }) =>
      this.#parts.takeCancel({ pid, key: Buffer.from(key), sourceAddress }),
  }

  readonly tells: TellHandlers<typeof gatewaySide.hear> = {
    said: () => {}, // whatever comes from a worker is taken over before
    arrived: ({ connection }) => this.#closeHanded(connection),
    signedIn: ({ connection }) => this.#leaveStrangers(connection),
    gone: ({ connection }) => {
      this.#leaveStrangers(connection)
      this.#connections.delete(connection)
    },
    release: ({ place }) => {
      this.#places.get(place)?.release()
      this.#places.delete(place)
    },
    sealed: ({ id }) => {
      const row = this.#sessions.get(id)
      if (row !== undefined) this.#parts.onSealed(row)
    },
    withdrawSession: ({ id }) => {
      if (this.#inserting.has(id)) this.#withdrawn.add(id)
      else if (this.#sessions.delete(id)) void this.#endWithdrawn(id).catch(() => {}) // its worker's end closes it
    },
    holdChanged: ({ id, held }) => {
      if (held === undefined) this.#holds.delete(id)
      else if (this.#sessions.has(id)) this.#holds.set(id, held)
    },
    sessionOver: ({ id }) => {
      this.#sessions.delete(id)
      this.#holds.delete(id)
      this.#ending.delete(id)
    },
    inHand: ({ lease }) => {
      this.#inHand.add(lease)
      this.#parts.inHand.add(lease)
    },
    outOfHand: ({ lease }) => {
      if (this.#inHand.delete(lease)) this.#parts.inHand.delete(lease)
    },
    cancelSignIn: ({ id }) => this.#signIns.get(id)?.cancel(),
    watchOver: ({ watch, end }) => this.#watches.get(watch)?.end(end),
    recordingOpened: ({ recording }) => this.#parts.spool.opened(recording),
    recordingFinished: ({ recording }) => this.#parts.spool.finished(recording),
    recordingKeys: ({ session, keys }) => {
      this.#read.add(session)
      this.#parts.reading.opened(session, keys)
    },
  }

  #reserve(principal: string, max: number): number | undefined {
    const refusal = this.#parts.refusal()
    if (refusal !== undefined) throw refusal
    const place = this.#parts.live.reserve(principal, max)
    if (place === undefined) return undefined
    const number = ++this.#lastNumber
    this.#places.set(number, place)
    return number
  }

  async #insertSession(row: SessionRow): Promise<void> {
    if (row.owner !== this.#owner() || this.#sessions.has(row.id) || this.#inserting.has(row.id))
      throw notIts('session')
    this.#inserting.add(row.id)
    try {
      await this.#parts.store.sessions.insert(row)
      if (this.#withdrawn.has(row.id)) await this.#endWithdrawn(row.id)
      else this.#sessions.set(row.id, row)
    } finally {
      this.#inserting.delete(row.id)
      this.#withdrawn.delete(row.id)
    }
  }

  async #endWithdrawn(id: string): Promise<void> {
    const endReason = 'the session could not be opened'
    await this.#parts.store.sessions.end(id, { endedAtMs: Date.now(), state: 'interrupted', endReason })
  }

  #isItsLease({ owner, session }: LeaseRow): boolean {
    return owner === this.#owner() && this.#sessions.has(session)
  }

  async #withLease(id: string, work: (leases: Store['leases']) => Promise<void>): Promise<void> {
    if (!this.#leases.has(id)) throw notIts('lease')
    await work(this.#parts.store.leases)
  }

  #wait(signIn: WaitingSignIn): { kind: 'waiting'; id: number; url: string } {
    const id = ++this.#lastNumber
    this.#signIns.set(id, signIn)
    void signIn.ended.then(how => {
      this.#signIns.delete(id)
      const said = how.kind === 'proven' ? { kind: 'proven' as const, principal: how.principal.fields } : how
      this.#link().tell('signInEnded', { id, how: said })
    })
    return { kind: 'waiting', id, url: signIn.url }
  }

  /** The worker closes it; one that it does not have yet is closed here. */
  #makeRoom(connection: number): void {
    this.#closeHanded(connection)
    this.#link().tell('makeRoom', { connection })
  }

  #leaveStrangers(connection: number): void {
    this.#strangers.get(connection)?.()
    this.#strangers.delete(connection)
    this.#closeHanded(connection)
  }

  /** Of a socket that has arrived, this closes our end of it and no more. */
  #closeHanded(connection: number): void {
    const handed = this.#handed.get(connection)
    if (handed === undefined) return
    clearTimeout(handed.late)
    handed.socket.destroy()
    this.#handed.delete(connection)
  }
}

const notHeld: Ending = {
  reason: 'was to be held, and its process did not say that it is',
  userText: 'This session was to be held, which could not be made sure of, so it ends. Connect again.',
}

const sessionGone = { reason: 'ended', text: 'The session ended with the process that relayed it.' } as const

function answerOf(result: RedeemResult) {
  if (result.kind === 'proven') return { ...result, principal: result.principal.fields }
  const { owner, ...rest } = result
  return { ...rest, ...(owner === undefined ? {} : { owner: owner.fields }) }
}

/** Processes of ours do not ask for what is not theirs: one that does is not as it should be. */
function notIts(what: string): Fault {
  return new Fault('STORE_UNAVAILABLE', 'The gateway is busy or starts again. Try again in a moment.', {
    log: `a worker process asked for a ${what} that is not its own`,
  })
}
