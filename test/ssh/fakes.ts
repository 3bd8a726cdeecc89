/** Stand-ins at the seams of the relay: two transports and a recording that show in which order things happened. */
import { pino } from 'pino'
import { afterEach, beforeEach, vi } from 'vitest'
import type { AuditEvent, AuditLog } from '../../src/audit/audit-log.ts'
import { Fault } from '../../src/errors.ts'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import type { PrincipalFields, SessionRow } from '../../src/model.ts'
import type { Policy } from '../../src/policy/decide.ts'
import type { DataEvent, DataType, RecordedEvent } from '../../src/recorder/event.ts'
import type { Recorder, Recording } from '../../src/recorder/recorder.ts'
import { LiveSessions } from '../../src/session/live.ts'
import { openSession, type Session, type SessionParts } from '../../src/session/session.ts'
import { type ConnectionMessage, decodeConnectionMessage } from '../../src/ssh/messages.ts'
import type { RelayLimits } from '../../src/ssh/relay/circuit.ts'
import { Relay } from '../../src/ssh/relay/relay.ts'
import type { Transport } from '../../src/ssh/transport.ts'
import type { Store } from '../../src/store/store.ts'
import { FakeClock } from '../support/fake-clock.ts'

export const quiet = pino({ level: 'silent' })

/** Keeps what was sent, decoded. */
export class FakeTransport {
  readonly sent: ConnectionMessage[] = []
  readonly raw: Buffer[] = []
  readonly goodbyes: { reason: number; text: string }[] = []
  paused = false
  pauses = 0
  congested = false
  onSend: (payload: Buffer) => void = () => {}
  #listeners: (() => void)[] = []

  get asTransport(): Transport {
    return this as unknown as Transport
  }

  send(payload: Uint8Array): void {
    if (this.goodbyes.length > 0) return
    const bytes = Buffer.from(payload)
    this.onSend(bytes)
    this.raw.push(bytes)
    const message = decodeConnectionMessage(bytes)
    if (message !== undefined) this.sent.push(message)
  }

  sendParts(head: Uint8Array, data: Uint8Array): void {
    this.send(Buffer.concat([head, data]))
  }

  pauseReading(): void {
    if (!this.paused) this.pauses++
    this.paused = true
  }

  resumeReading(): void {
    this.paused = false
  }

  whenWritable(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** The peer reads again. */
  drain(): void {
    this.congested = false
    for (const listener of this.#listeners.splice(0)) listener()
  }

  get waiting(): number {
    return this.#listeners.length
  }

  disconnect(reason: number, text: string): void {
    this.goodbyes.push({ reason, text })
  }

  close(): void {
    this.disconnect(0, '')
  }

  /** What was sent since the last call. */
  take(): ConnectionMessage[] {
    return this.sent.splice(0)
  }
}

type EventOf<T> = T extends DataType ? DataEvent : Extract<RecordedEvent, { type: T }>

/** Collects a turn; `commit` ends it. */
export class FakeRecording {
  readonly session = 's1'
  readonly path = 's1.sallyport'
  /** With the operating system. */
  readonly committed: RecordedEvent[] = []
  #turn: RecordedEvent[] = []
  #sends: (() => void)[] = []
  #failed = false
  readonly sealed: string[] = []
  sealing: Promise<void> = Promise.resolve()
  backlogBytes = 0
  get isBehind(): boolean {
    return this.backlogBytes > 0
  }
  #listeners: ((fault: Fault) => void)[] = []
  #drained: (() => void)[] = []

  record(event: RecordedEvent): void {
    if (this.#over) return
    const copy = 'data' in event ? { ...event, data: Buffer.from(event.data) } : event
    this.#turn.push(copy)
  }

  forward(send: () => void): void {
    if (!this.#over) this.#sends.push(send)
  }

  onFailure(listener: (fault: Fault) => void): void {
    this.#listeners.push(listener)
  }

  whenDrained(): Promise<void> {
    return new Promise(resolve => this.#drained.push(resolve))
  }

  async seal(reason: string): Promise<void> {
    this.sealed.push(reason)
    await this.sealing
  }

  get #over(): boolean {
    return this.#failed || this.sealed.length > 0
  }

  /** The end of a turn, and of those that the sends begin. */
  commit(): void {
    while (this.#sends.length > 0 || this.#turn.length > 0) {
      this.committed.push(...this.#turn.splice(0))
      for (const send of this.#sends.splice(0)) send()
    }
  }

  /** The append of this turn throws. */
  fail(): void {
    this.#failed = true
    this.#turn = []
    this.#sends = []
    const fault = new Fault('RECORDING_APPEND_FAILED', 'The recording cannot be written.')
    for (const listener of this.#listeners.splice(0)) listener(fault)
  }

  async drained(): Promise<void> {
    this.backlogBytes = 0
    for (const resolve of this.#drained.splice(0)) resolve()
    await settled()
  }

  events<T extends RecordedEvent['type']>(type: T): EventOf<T>[] {
    return this.committed.filter(event => event.type === type) as EventOf<T>[]
  }
}

/** Lets promises that are settled run. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

export const nowMs = new FakeClock().nowMs()

export function person(fields: Partial<PrincipalFields> = {}): Principal {
  const principal: PrincipalFields = {
    issuer: 'https://login.example.com',
    subject: 'ada-1',
    name: 'ada@example.com',
    email: 'ada@example.com',
    emailVerified: true,
    groups: ['admins'],
    authenticatedAtMs: nowMs,
    expiresAtMs: nowMs + 86_400_000,
    ...fields,
  }
  return restorePrincipal({ tokenHash: 'x', principal, createdAtMs: 0, expiresAtMs: principal.expiresAtMs })
}

type Rule = Policy['roles'][number]['allow'][number]
type FakeTarget = Extract<Policy['targets'][number], { protocol: 'ssh' }>

export function policyOf(rule: Partial<Rule> = {}, target: Partial<FakeTarget> = {}): Policy {
  return {
    targets: [
      {
        name: 'web1',
        protocol: 'ssh',
        host: '10.0.0.1',
        port: 22,
        labels: {},
        hostKeys: 'first-use',
        hostAuthorities: [],
        ...target,
      },
    ],
    roles: [
      {
        name: 'admin',
        members: { groups: ['admins'], emails: [] },
        allow: [
          {
            targets: { name: 'web1' },
            logins: ['root'],
            sessions: { maxMs: 3_600_000, idleMs: 600_000 },
            when: {},
            channels: ['shell', 'exec'],
            line: 1,
            ...rule,
          },
        ],
        review: [],
      },
    ],
  }
}

/** Everything that a session is opened with; tests change what they are about. */
export class FakeGround {
  readonly clock = new FakeClock()
  readonly audited: AuditEvent[] = []
  readonly rows: SessionRow[] = []
  readonly ends: { id: string; endReason: string }[] = []
  readonly recordings: FakeRecording[] = []
  readonly live = new LiveSessions()
  policy: Policy = policyOf()
  maxSessions = 100
  auditFails = false
  recorderFails = false
  insert: (row: SessionRow) => Promise<void> = async row => void this.rows.push(row)

  readonly audit = {
    append: (event: AuditEvent): void => {
      if (this.auditFails) throw new Fault('AUDIT_APPEND_FAILED', 'The audit log cannot be written.')
      this.audited.push(event)
    },
  } as unknown as AuditLog

  readonly recorder = {
    newKey: async () => undefined,
    open: (): Recording => {
      if (this.recorderFails) throw new Fault('RECORDING_APPEND_FAILED', 'The recording cannot be written.')
      const recording = new FakeRecording()
      this.recordings.push(recording)
      return recording as unknown as Recording
    },
  } as unknown as Recorder

  get parts(): SessionParts {
    const sessions = {
      insert: (row: SessionRow) => this.insert(row),
      end: async (id: string, end: { endReason: string }) => {
        this.ends.push({ id, endReason: end.endReason })
        return true
      },
    }
    return {
      store: { sessions } as unknown as Store,
      audit: this.audit,
      recorder: this.recorder,
      live: this.live,
      clock: this.clock,
      log: quiet,
      owner: 'o1',
      policy: () => this.policy,
      maxSessionsPerPrincipal: () => this.maxSessions,
      onSealed: () => {},
    }
  }

  wish(principal = person()): Parameters<typeof openSession>[0] {
    return { protocol: 'ssh', principal, target: 'web1', login: 'root', sourceAddress: '192.0.2.1' }
  }

  async open(): Promise<{ session: Session; recording: FakeRecording }> {
    const opening = await openSession(this.wish(), this.parts)
    if (opening.kind === 'refused') throw new Error(opening.userText)
    return { session: opening.session, recording: this.recordings.at(-1) as FakeRecording }
  }
}

export const relayLimits: RelayLimits = { maxChannels: 4, keepOutputBytes: 1000, keepAliveIntervalMs: 30_000 }

/** A relay between two fake transports. */
export class RelayWorld {
  /** Of the test that runs, where somebody ends them behind it. */
  static #started: RelayWorld[] | undefined
  readonly ground: FakeGround
  readonly session: Session
  readonly recording: FakeRecording
  readonly client = new FakeTransport()
  readonly target = new FakeTransport()
  readonly relay: Relay
  #sequence = 0

  constructor(
    ground: FakeGround,
    opened: { session: Session; recording: FakeRecording },
    limits = relayLimits,
  ) {
    this.ground = ground
    this.session = opened.session
    this.recording = opened.recording
    this.relay = new Relay({
      session: this.session,
      client: this.client.asTransport,
      target: this.target.asTransport,
      limits,
      log: quiet,
    })
  }

  static async start(limits: Partial<RelayLimits> = {}, ground = new FakeGround()): Promise<RelayWorld> {
    const world = new RelayWorld(ground, await ground.open(), { ...relayLimits, ...limits })
    RelayWorld.#started?.push(world)
    return world
  }

  /** From now on worlds are remembered; those that were so far are ended. */
  static endAll(): void {
    for (const { session } of RelayWorld.#started ?? [])
      session.end({ reason: 'the test is over', userText: '' })
    RelayWorld.#started = []
  }

  /** Messages of the client, and the end of the turn. */
  fromClient(...payloads: Uint8Array[]): void {
    for (const payload of payloads) this.relay.fromClient(Buffer.from(payload), this.#sequence++)
    this.recording.commit()
  }

  fromTarget(...payloads: Uint8Array[]): void {
    for (const payload of payloads) this.relay.fromTarget(Buffer.from(payload), this.#sequence++)
    this.recording.commit()
  }

  /** What was sent so far is looked at no more. */
  forgetSent(): void {
    this.client.take()
    this.target.take()
  }

  /** Why the session ended, or undefined while it lives. */
  get endReason(): string | undefined {
    return this.recording.sealed[0]
  }
}

/** Each test gets a world of its own, in which timers that repeat are advanced by hand. */
export function inEachWorld(take: (world: RelayWorld) => void, groundOf = () => new FakeGround()): void {
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    RelayWorld.endAll()
    take(await RelayWorld.start({}, groundOf()))
  })
  afterEach(() => {
    RelayWorld.endAll()
    vi.useRealTimers()
  })
}
