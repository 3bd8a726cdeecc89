/**
 * Where PostgreSQL clients come in: limits for those who have not signed in, the first packets, cancel requests, the sign-in itself,
 * and for those who have, the door.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Endpoint, PostgresLimits, TlsFiles } from '../config/config.ts'
import { isLoopback } from '../config/network.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { ConnectionPasswords } from '../identity/connection-passwords.ts'
import { plainAddress } from '../identity/source-address.ts'
import { sourceNetwork } from '../identity/source-network.ts'
import type { Session } from '../session/session.ts'
import { Strangers } from '../session/strangers.ts'
import {
  type AuthenticationParts,
  authenticate,
  type SignInAsked,
  type SignInProof,
  type SignInResult,
} from './authentication.ts'
import { CancelAttempts } from './cancel-keys.ts'
import { clientTlsOptions, type NegotiatedClient, negotiate } from './client-socket.ts'
import { type PassageParts, pass } from './passage.ts'
import { SigningIn } from './signing-in.ts'
import { encodeErrorResponse, encodeNegotiateProtocolVersion, type Report } from './wire/backend.ts'
import type { FinalPacket } from './wire/negotiation.ts'
import type { Startup } from './wire/startup.ts'

export type PostgresListenerParts = PassageParts & {
  readonly tls: TlsFiles | undefined
  readonly authentication: AuthenticationParts
  /** Tells which passwords do not count any more: the sessions that they opened end. */
  readonly passwords: Pick<ConnectionPasswords, 'onRevoked'>
  readonly clock: { readonly nowMs: () => number }
}

export type PostgresListener = { readonly port: number; readonly close: () => Promise<void> }

/** `oauth`: everybody who comes in here signs in with OAUTHBEARER. */
export type PostgresEndpoint = Endpoint & { readonly oauth?: boolean }

/** Chance begins to turn strangers away at half of the places, at 30 %, as MaxStartups of sshd does. */
const randomDropPercent = 30

/** Listens on all endpoints until closed; they share limits and cancel keys. Throws Fault PORT_IN_USE. */
export async function startPostgresListeners(
  endpoints: readonly PostgresEndpoint[],
  parts: PostgresListenerParts,
): Promise<readonly PostgresListener[]> {
  const door = new Door(parts)
  const listeners: PostgresListener[] = []
  try {
    for (const endpoint of endpoints) listeners.push(await door.listen(endpoint))
    return listeners
  } catch (cause) {
    for (const listener of listeners) await listener.close()
    throw cause
  }
}

/** What all connections share. */
class Door {
  readonly parts: PostgresListenerParts
  readonly strangers = new Strangers()
  readonly cancelAttempts = new CancelAttempts()
  readonly tls: SecureContext | undefined

  constructor(parts: PostgresListenerParts) {
    this.parts = parts
    this.tls = parts.tls === undefined ? undefined : secureContextOf(parts.tls)
  }

  async listen(endpoint: PostgresEndpoint): Promise<PostgresListener> {
    const connections = new Set<Connection>()
    const server = createServer({ noDelay: true, pauseOnConnect: true }, socket => {
      const refusal = this.strangers.refusal(networkOf(socket), strangerLimits(this.parts.limits()))
      if (refusal !== undefined) return turnAway(socket, refusal)
      const connection = new Connection(socket, endpoint, this)
      connections.add(connection)
      socket.once('close', () => connections.delete(connection))
      connection.run()
    })
    await listen(server, endpoint)
    const address = server.address()
    return {
      port: typeof address === 'object' && address !== null ? address.port : endpoint.port,
      close: async () => {
        const closed = new Promise<void>(resolve => server.close(() => resolve()))
        for (const connection of connections) connection.stop()
        await closed
      },
    }
  }
}

function secureContextOf({ certificate, key }: TlsFiles): SecureContext {
  return createSecureContext({
    cert: certificate.reveal(),
    key: key.reveal(),
    minVersion: 'TLSv1.2',
    secureOptions: clientTlsOptions,
  })
}

function strangerLimits(limits: PostgresLimits) {
  return { ...limits, randomDropFrom: Math.ceil(limits.maxUnauthenticatedConnections / 2), randomDropPercent }
}

function listen(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE'
      const why = taken
        ? 'is in use by another program'
        : `cannot be listened on (${cause.code ?? cause.message})`
      const text = `The PostgreSQL address ${endpoint.host}:${endpoint.port} ${why}. Choose another.`
      reject(new Fault('PORT_IN_USE', text, { cause }))
    })
    server.listen({ host: endpoint.host, port: endpoint.port, backlog: 511 }, resolve)
  })
}

function networkOf(socket: Socket): string {
  return sourceNetwork(socket.remoteAddress ?? '')
}

/** As a server that is full: an error where the client expects an answer. */
function turnAway(socket: Socket, text: string): void {
  socket.on('error', () => {})
  say(socket, { severity: 'FATAL', code: '53300', message: text })
}

/** So long a client may take to read why its connection ends. */
const lastWordsMs = 1000

function say(socket: Socket, report: Report): void {
  if (socket.destroyed) return
  socket.end(encodeErrorResponse(report), () => socket.resume())
  setTimeout(() => socket.destroy(), lastWordsMs).unref()
}

/** One client, from its first byte until its session is relayed. */
class Connection {
  readonly #raw: Socket
  readonly #endpoint: PostgresEndpoint
  readonly #door: Door
  readonly #sourceAddress: string
  readonly #leaveStrangers: () => void
  readonly #gone = new AbortController()
  #timer: NodeJS.Timeout
  /** Where errors are said: the TLS socket, if there is TLS. Undefined before the client can read them, and once it is relayed. */
  #speaking: Socket | undefined

  constructor(socket: Socket, endpoint: PostgresEndpoint, door: Door) {
    this.#raw = socket
    this.#endpoint = endpoint
    this.#door = door
    this.#sourceAddress = plainAddress(socket.remoteAddress ?? '')
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#left())
    this.#leaveStrangers = door.strangers.enter(networkOf(socket), () => this.#makeRoom())
    this.#timer = this.#startTimer(this.#limits.startupTimeoutMs)
  }

  get #limits(): PostgresLimits {
    return this.#door.parts.limits()
  }

  get #startupDeadline(): Report {
    return fatal('57P05', 'The time to sign in is over. Connect again.')
  }

  run(): void {
    this.#serve().catch((cause: unknown) => {
      const { log } = this.#door.parts
      log.error({ source: this.#sourceAddress, cause: reasonOf(cause) }, 'a PostgreSQL connection failed')
      this.#raw.destroy()
    })
  }

  /** The gateway stops, and tells whoever is here. */
  stop(): void {
    const userText = 'The gateway is stopping. Connect again later.'
    if (this.#session === undefined) this.#end(fatal('57P01', userText))
    else this.#session.end({ reason: 'the gateway stops', userText })
  }

  #makeRoom(): void {
    this.#end(fatal('53300', 'The gateway is busy. Try again later.'))
  }

  #left(): void {
    clearTimeout(this.#timer)
    this.#leaveStrangers()
    this.#gone.abort()
  }

  #startTimer(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#end(this.#startupDeadline), ms)
  }

  /** Says why, where it can be said, and closes. Nothing if the session has the socket. */
  #end(report: Report): void {
    if (this.#session !== undefined) return
    this.#gone.abort()
    if (this.#speaking === undefined) this.#raw.destroy()
    else say(this.#speaking, report)
  }
  /** From its relaying on, the socket is the session's. */
  #session: Session | undefined

  async #serve(): Promise<void> {
    const client = await negotiate(this.#raw, this.#door.tls)
    if (client === undefined) {
      this.#door.parts.log.debug({ source: this.#sourceAddress }, 'not a PostgreSQL client, or it left')
      return
    }
    client.socket.on('error', () => client.socket.destroy())
    const { packet } = client
    if (packet.kind === 'cancel') return this.#cancel(packet)
    this.#speaking = client.socket
    if (packet.kind === 'refused') return this.#end(packet.error)
    await this.#signIn(client, packet.startup)
  }

  /** No answer, ever: whoever asks learns nothing about keys. Closing means that it was delivered, or came to nothing. */
  async #cancel({ pid, key }: Extract<FinalPacket, { kind: 'cancel' }>): Promise<void> {
    const { parts, cancelAttempts } = this.#door
    const { cancelsPerMinutePerSource } = this.#limits
    const source = sourceNetwork(this.#sourceAddress)
    if (cancelAttempts.allow(source, cancelsPerMinutePerSource, parts.clock.nowMs())) {
      const cancel = parts.cancels.find(pid, key)
      if (cancel === undefined) parts.log.info({ source }, 'a cancel request with a key that is none')
      await cancel?.(this.#sourceAddress)
    }
    this.#raw.destroy()
  }

  async #signIn(client: NegotiatedClient, startup: Startup): Promise<void> {
    const signingIn = new SigningIn(client, {
      gone: this.#gone,
      allowTime: ms => {
        clearTimeout(this.#timer)
        this.#timer = this.#startTimer(ms)
      },
    })
    if (startup.negotiate) {
      signingIn.send(encodeNegotiateProtocolVersion(startup.version, startup.unknownOptions))
    }
    const result = await authenticate(
      signingIn,
      this.#asked(client, startup),
      this.#door.parts.authentication,
    )
    if (this.#gone.signal.aborted || result.kind === 'gone') {
      if (signingIn.violation !== undefined) this.#end(signingIn.violation)
      else this.#raw.destroy()
      return
    }
    if (result.kind === 'refused') return this.#end(result.report)
    clearTimeout(this.#timer)
    this.#leaveStrangers()
    this.#endWhenRevoked(result.proof)
    await this.#pass(client, startup, result)
  }

  #endWhenRevoked(proof: SignInProof): void {
    if (proof.method !== 'password') return
    const forget = this.#door.parts.passwords.onRevoked(id => {
      if (id === proof.id) this.#revoked()
    })
    this.#raw.once('close', forget)
  }

  #revoked(): void {
    const userText = 'The password that opened this session was revoked, so the session ends.'
    if (this.#session === undefined) this.#end(fatal('57P01', userText))
    else this.#session.end({ reason: 'the password that opened it was revoked', userText })
  }

  #asked(client: NegotiatedClient, startup: Startup): SignInAsked {
    const onLoopback = isLoopback(this.#endpoint.host) && isLoopback(this.#sourceAddress)
    return {
      user: startup.user,
      sourceAddress: this.#sourceAddress,
      transport: client.encrypted ? 'tls' : onLoopback ? 'loopback' : 'open',
      tlsServerName: client.tlsServerName,
      clientCertificate: client.clientCertificate,
      oauthListener: this.#endpoint.oauth === true,
    }
  }

  async #pass(
    client: NegotiatedClient,
    startup: Startup,
    proven: Extract<SignInResult, { kind: 'proven' }>,
  ): Promise<void> {
    const passed = await pass(
      {
        socket: client.socket,
        principal: proven.principal,
        place: proven.place,
        sourceAddress: this.#sourceAddress,
        asked: startup,
        version: startup.version,
        authenticationOkSent: proven.authenticationOkSent,
        gone: this.#gone.signal,
        release: session => {
          this.#session = session
          client.source.release()
        },
      },
      this.#door.parts,
    )
    if (passed.kind === 'refused') this.#end(passed.report)
    else if (passed.kind === 'gone') this.#raw.destroy()
  }
}

function fatal(code: string, message: string): Report {
  return { severity: 'FATAL', code, message }
}
