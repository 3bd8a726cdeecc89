/**
 * The relay alone between a real client and a real server: no listener, no sign-in of ours. What the client and the server say until
 * the first ReadyForQuery passes as it is; then the session is opened and the relay takes over, with a real recorder.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../../src/clock.ts'
import { type EventRecord, type TextEvent } from '../../../src/recorder/event.ts'
import { readRecording } from '../../../src/recorder/reader.ts'
import type { Recorder } from '../../../src/recorder/recorder.ts'
import { openSession, type Session } from '../../../src/session/session.ts'
import { allowed, type StatementGate } from '../../../src/postgres/relay/hooks.ts'
import { Relay, type RelayLimits, type RelayParts } from '../../../src/postgres/relay/relay.ts'
import { decodeParameterStatus } from '../../../src/postgres/wire/backend.ts'
import { newFolder, newSigner, quiet, startRecorder } from '../../recorder/support.ts'
import { FakeGround, person, policyOf } from '../../ssh/fakes.ts'
import { join } from 'node:path'

export const relayLimits: RelayLimits = {
  maxMessageBytes: 64 * 1024 * 1024,
  maxQueuedBytes: 1024 * 1024,
  maxOutstandingRequests: 100_000,
  maxStatements: 10_000,
  keepAliveIntervalMs: 30_000,
}

const allowAll: StatementGate = { hasRules: false, judge: () => allowed }

export type DirectOptions = Partial<Pick<RelayParts, 'mask' | 'facts' | 'maskSecrets' | 'headRows'>> & {
  readonly gate?: () => StatementGate
  readonly limits?: Partial<RelayLimits>
}

export class DirectRelay {
  readonly #server: Server
  readonly #upstreamPort: number
  readonly #folder: string
  readonly #recorder: Recorder
  readonly #ground = new FakeGround()
  readonly #options: DirectOptions
  readonly sessions: Session[] = []
  /** A session that ends resolves its promise when the recording is sealed. */
  readonly #sealed: Promise<void>[] = []

  private constructor(upstreamPort: number, options: DirectOptions) {
    this.#upstreamPort = upstreamPort
    this.#options = options
    const folder = newFolder()
    this.#folder = join(folder, 'recordings')
    this.#recorder = startRecorder({
      folder: this.#folder,
      journalFolder: join(folder, 'journal'),
      signer: newSigner(),
      clock: systemClock as never,
    })
    this.#ground.policy = policyOf()
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
      client.on('error', () => client.destroy())
      this.#serve(client).catch(() => client.destroy())
    })
  }

  static async start(upstreamPort: number, options: DirectOptions = {}): Promise<DirectRelay> {
    const relay = new DirectRelay(upstreamPort, options)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async #serve(client: Socket): Promise<void> {
    const target = connect({ port: this.#upstreamPort, host: '127.0.0.1', noDelay: true })
    target.on('error', () => target.destroy())
    await once(target, 'connect')
    const opening = await passOpening(client, target)
    if (opening === undefined) return
    const session = await this.#open()
    const limits = { ...relayLimits, ...this.#options.limits }
    const relay = new Relay({
      session,
      client,
      target,
      start: {
        type: 'sql-session',
        user: 'test',
        database: 'app',
        application: 'test',
        protocol: '3.0',
        parameters: {},
      },
      opening,
      gate: () => allowAll,
      maskSecrets: text => text,
      headRows: 0,
      log: quiet,
      ...this.#options,
      limits,
    })
    relay.start()
  }

  async #open(): Promise<Session> {
    const principal = person({ expiresAtMs: Date.now() + 86_400_000 })
    const parts = { ...this.#ground.parts, recorder: this.#recorder, clock: systemClock }
    const opening = await openSession(this.#ground.wish(principal), parts)
    if (opening.kind === 'refused') throw new Error(opening.userText)
    this.sessions.push(opening.session)
    const ended = new Promise<void>(resolve => opening.session.onEnd(() => resolve()))
    this.#sealed.push(ended.then(() => opening.session.close()))
    return opening.session
  }

  /** Events of a session's recording, once it has ended and is sealed. */
  async events(index = this.sessions.length - 1): Promise<readonly EventRecord[]> {
    await this.#sealed[index]
    const reader = readRecording(join(this.#folder, this.sessions[index]?.recording.path ?? ''))
    try {
      return [...reader.events()]
    } finally {
      reader.close()
    }
  }

  /** Where the recording of a session is. */
  file(index = this.sessions.length - 1): string {
    return join(this.#folder, this.sessions[index]?.recording.path ?? '')
  }

  /** The fields of a session's events of these types. */
  async said(types: readonly string[], index?: number): Promise<readonly Record<string, unknown>[]> {
    const events = await this.events(index)
    return events
      .map(({ event }) => event)
      .filter((event): event is TextEvent => 'fields' in event && types.includes(event.type))
      .map(({ fields }) => fields)
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.end({ reason: 'test is over', userText: '' })
    await Promise.all(this.#sealed)
    await this.#recorder.close()
    this.#server.close()
  }
}

/** Says no to TLS, and passes on what is said until the server is ready. */
async function passOpening(client: Socket, target: Socket): Promise<RelayParts['opening'] | undefined> {
  const parameters: { name: string; value: string }[] = []
  const { promise, resolve } = Promise.withResolvers<RelayParts['opening'] | undefined>()
  let started = false
  const fromClient = (chunk: Buffer): void => {
    const isRequest = !started && chunk.length === 8 && [80877103, 80877104].includes(chunk.readInt32BE(4))
    if (isRequest) return void client.write('N')
    started = true
    target.write(chunk)
  }
  let held: Buffer = Buffer.alloc(0)
  const fromTarget = (chunk: Buffer): void => {
    held = Buffer.concat([held, chunk])
    while (held.length >= 5 && held.length >= 1 + held.readInt32BE(1)) {
      const end = 1 + held.readInt32BE(1)
      const frame = held.subarray(0, end)
      held = held.subarray(end)
      client.write(frame)
      if (frame[0] === 0x53) parameters.push(decodeParameterStatus(frame.subarray(5)))
      if (frame[0] !== 0x5a) continue
      client.off('data', fromClient).pause()
      target.off('data', fromTarget).pause()
      if (held.length > 0) target.unshift(held)
      return resolve({ parameters, status: 'I' })
    }
  }
  client.on('data', fromClient)
  target.on('data', fromTarget)
  client.once('close', () => resolve(undefined))
  target.once('close', () => {
    client.destroy()
    resolve(undefined)
  })
  return await promise
}
