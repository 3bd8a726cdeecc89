/** The real listener before a real target, in this process; only the relay is a pair of pipes, so that what is seen is ours. */
import { generateKeyPairSync } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import pino from 'pino'
import { Grammar } from '../../src/analysis/sql/grammar.ts'
import { type AuditEvent, type AuditLog, openAuditLog } from '../../src/audit/audit-log.ts'
import { systemClock } from '../../src/clock.ts'
import type { PostgresLimits, PostgresTarget } from '../../src/config/config.ts'
import { defaultPostgresLimits } from '../../src/config/postgres-limits.ts'
import { Secret } from '../../src/config/secret.ts'
import { fileSigner } from '../../src/credentials/authority.ts'
import { Brokers } from '../../src/credentials/postgres/broker.ts'
import { mintPostgresCredential } from '../../src/credentials/postgres/certificate.ts'
import type { PostgresCredential } from '../../src/credentials/postgres/role.ts'
import { openX509Authority, type X509Authority } from '../../src/credentials/x509.ts'
import { makeServerCertificate, type ServerCertificate } from '../../src/demo/server-certificate.ts'
import { ConnectionPasswords } from '../../src/identity/connection-passwords.ts'
import { RefusalNotes } from '../../src/identity/refusal-notes.ts'
import type { Policy } from '../../src/policy/decide.ts'
import type { AuthenticationParts } from '../../src/postgres/authentication.ts'
import { CancelKeys } from '../../src/postgres/cancel-keys.ts'
import { Cleanups } from '../../src/postgres/cleanups.ts'
import { type PostgresListener, startPostgresListeners } from '../../src/postgres/listener.ts'
import type { RelayEnds, RunningRelay } from '../../src/postgres/passage.ts'
import { MaskedDatabases } from '../../src/postgres/relay/masked-databases.ts'
import { startRelay } from '../../src/postgres/relay/start.ts'
import { encodeErrorResponse } from '../../src/postgres/wire/backend.ts'
import type { SqlEvent } from '../../src/recorder/sql-event.ts'
import { openRecorder } from '../../src/recorder/recorder.ts'
import { LiveSessions } from '../../src/session/live.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import { person } from '../ssh/fakes.ts'
import { newFolder } from '../support/scratch.ts'

export type DoorOptions = {
  readonly limits?: Partial<PostgresLimits>
  /** Without TLS: only loopback may come in. */
  readonly plain?: boolean
  readonly rule?: Partial<Policy['roles'][number]['allow'][number]>
  readonly authentication?: Partial<AuthenticationParts>
  /** In place of roles on the target. */
  readonly mint?: () => Promise<PostgresCredential>
  /** Whose client certificates the target accepts. */
  readonly databases?: X509Authority
  /** The relay that the gateway has, instead of pipes. */
  readonly realRelay?: boolean
}

export class Door {
  readonly certificate: ServerCertificate
  readonly audited: AuditEvent[] = []
  readonly noted: SqlEvent[] = []
  readonly live = new LiveSessions()
  readonly principal = person({ expiresAtMs: Date.now() + 3_600_000 })
  readonly #closers: (() => Promise<unknown>)[] = []
  readonly #cleanups = new Cleanups()
  #passwords!: ConnectionPasswords
  #listener!: PostgresListener
  audit!: AuditLog

  constructor(certificate: ServerCertificate) {
    this.certificate = certificate
  }

  static async open(target: PostgresTarget, options: DoorOptions = {}): Promise<Door> {
    const door = new Door(await makeServerCertificate(['localhost', '127.0.0.1']))
    await door.#start(target, options)
    return door
  }

  get port(): number {
    return this.#listener.port
  }

  /** A password of the sign-in page for this target, as a person would copy it. */
  password(place: { target: string; login: string } = { target: 'orders', login: 'app_readonly' }): string {
    const issued = this.#passwords.issue({
      principal: this.principal,
      browserSession: 'b',
      browser: '',
      ...place,
    })
    if (issued.kind === 'refused') throw new Error(issued.userText)
    return issued.password
  }

  kinds(): string[] {
    return this.audited.map(event => event.kind)
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close()
  }

  async #start(target: PostgresTarget, options: DoorOptions): Promise<void> {
    const folder = newFolder('door')
    const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' })
    const clock = systemClock
    const signer = () => fileSigner(generateKeyPairSync('ed25519').privateKey)
    const store = await openStore(folder)
    const audit = openAuditLog({ folder: join(folder, 'audit'), signer: signer(), clock, log })
    this.audit = {
      ...audit,
      append: event => (this.audited.push(event), audit.append(event)),
      probe: (...of) => audit.probe(...of),
      close: () => audit.close(),
      failure: undefined,
    }
    const folders = { folder: join(folder, 'recordings'), journalFolder: join(folder, 'journal') }
    const recorder = openRecorder({
      ...folders,
      signer: signer(),
      gateway: 'test',
      clock,
      log,
      encryptTo: () => [],
    })
    const brokers = new Brokers({ audit: this.audit, log, owner: 'owner' })
    this.#passwords = new ConnectionPasswords({ clock, audit: this.audit, reuse: () => undefined })
    const databases =
      options.databases ?? (await openX509Authority(folder, signer(), { gateway: 'test', nowMs: Date.now() }))
    const mint = {
      databases,
      store,
      audit: this.audit,
      clock,
      log,
      brokers,
      owner: 'owner',
      gateway: 'test',
      installation: 'test',
    }
    const limits: PostgresLimits = { ...defaultPostgresLimits, ...options.limits }
    const parts: Parameters<typeof startPostgresListeners>[1] = {
      limits: () => limits,
      tls:
        options.plain === true
          ? undefined
          : { certificate: new Secret(this.certificate.certificate), key: new Secret(this.certificate.key) },
      authentication: {
        passwords: this.#passwords,
        machines: { verify: () => Promise.reject(new Error('no machines')) },
        waiting: { open: () => ({ kind: 'refused', userText: 'no browsers here' }) as never },
        signInTimeoutMs: () => limits.signInTimeoutMs,
        checkCertificate: () => 'not-ours' as never,
        oauth: undefined,
        places: () => ({
          domain: 'bastion.test',
          targetNamed: name => (name === 'orders' ? 'orders' : undefined),
        }),
        refusals: { webUrl: 'https://bastion.test', browserSignIn: true },
        notes: new RefusalNotes({ audit: this.audit, clock }),
        audit: this.audit,
        clock,
        log,
        ...options.authentication,
      },
      clock,
      session: {
        store,
        audit: this.audit,
        recorder,
        live: this.live,
        clock,
        log,
        owner: 'owner',
        policy: () => policyFor(target, options.rule),
        maxSessionsPerPrincipal: () => limits.maxSessionsPerPrincipal,
        onSealed: () => {},
      },
      mint: options.mint ?? ((evidence, about) => mintPostgresCredential(evidence, about, mint)),
      passwords: this.#passwords,
      cancels: new CancelKeys(),
      cleanups: this.#cleanups,
      relay: ends => (options.realRelay === true ? this.#relay(ends, limits, log) : this.#pipes(ends)),
      audit: this.audit,
      log,
    }
    const [listener] = await startPostgresListeners([{ host: '127.0.0.1', port: 0 }], parts)
    if (listener === undefined) throw new Error('no listener')
    this.#listener = listener
    this.#closers.push(
      () => store.close(),
      () => audit.close(),
      () => recorder.close(),
      () => brokers.close(),
      () => this.#cleanups.settled(),
      () => this.live.close('the test is over'),
      () => listener.close(),
    )
  }

  #relay(ends: RelayEnds, limits: PostgresLimits, log: pino.Logger): RunningRelay {
    const grammar = new Grammar()
    ends.session.onEnd(() => void grammar.close())
    const maskSecrets = (text: string): string => text
    const brokerOf = (): never => {
      throw new Error('nothing is masked here')
    }
    const maskedDatabases = new MaskedDatabases({ brokerOf, grammar, clock: systemClock, log })
    const headRows = (): number => 2
    return startRelay(ends, { grammar, limits: () => limits, headRows, maskSecrets, maskedDatabases, log })
  }

  #pipes({ session, client, target }: RelayEnds): RunningRelay {
    client.on('error', () => {})
    target.socket.on('error', () => {})
    client.on('data', (chunk: Buffer) => target.socket.write(chunk))
    target.socket.on('data', (chunk: Buffer) => client.write(chunk))
    client.resume()
    target.socket.resume()
    client.once('close', () => session.end({ reason: 'client left', userText: '' }))
    target.socket.once('close', () => session.end({ reason: 'target left', userText: '' }))
    session.onEnd(({ userText }) => {
      client.end(encodeErrorResponse({ severity: 'FATAL', code: '57P01', message: userText }))
      target.socket.destroy()
    })
    return { note: event => this.noted.push(event) }
  }
}

function policyFor(target: PostgresTarget, rule: DoorOptions['rule']): Policy {
  return {
    targets: [target],
    roles: [
      {
        name: 'reader',
        members: { groups: ['admins'], emails: [] },
        allow: [
          {
            targets: { name: target.name },
            logins: ['app_readonly', 'app_owner'],
            sessions: { maxMs: 3_600_000, idleMs: 600_000 },
            when: {},
            channels: [],
            line: 1,
            ...rule,
          },
        ],
        review: [],
      },
    ],
  }
}

/** A client that says bytes and shows what comes back, for whatever no driver would do. */
export class RawClient {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #wake: (() => void) | undefined
  closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake?.()
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      this.closed = true
      this.#wake?.()
    })
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true }, () =>
        resolve(new RawClient(socket)),
      )
      socket.once('error', reject)
    })
  }

  /** TLS on this connection, from the next byte on. */
  async tls(options: ConnectionOptions): Promise<RawClient> {
    this.#socket.removeAllListeners('data')
    const secure = connectTls({ socket: this.#socket, rejectUnauthorized: false, ...options })
    return new Promise((resolve, reject) => {
      secure.once('secureConnect', () => resolve(new RawClient(secure)))
      secure.once('error', reject)
      secure.once('close', () => reject(new Error('closed during the handshake')))
    })
  }

  get socket(): Socket {
    return this.#socket
  }

  send(...parts: readonly (string | Uint8Array)[]): void {
    this.#socket.write(
      Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : part))),
    )
  }

  /** So many bytes, or what came before the end. */
  async take(count: number): Promise<Buffer> {
    while (this.#received.length < count && !this.closed) await this.#more()
    const taken = this.#received.subarray(0, count)
    this.#received = this.#received.subarray(taken.length)
    return taken
  }

  /** The next frame; undefined once the connection is closed. */
  async frame(): Promise<{ type: string; body: Buffer } | undefined> {
    const head = await this.take(5)
    if (head.length < 5) return undefined
    return { type: String.fromCharCode(head[0] ?? 0), body: await this.take(head.readInt32BE(1) - 4) }
  }

  /** All frames up to and with one of this type, or up to the end. */
  async until(type: string): Promise<{ type: string; body: Buffer }[]> {
    const frames: { type: string; body: Buffer }[] = []
    for (;;) {
      const next = await this.frame()
      if (next === undefined) return frames
      frames.push(next)
      if (next.type === type) return frames
    }
  }

  /** Everything until the other side closes. */
  async rest(): Promise<Buffer> {
    while (!this.closed) await this.#more()
    return this.#received
  }

  close(): void {
    this.#socket.destroy()
  }

  #more(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}
