/** One PostgreSQL client, from its first byte until its session is relayed. */
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Endpoint, PostgresLimits } from '../config/config.ts'
import { isLoopback } from '../config/network.ts'
import { reasonOf } from '../errors.ts'
import type { ConnectionPasswords } from '../identity/connection-passwords.ts'
import type { Session } from '../session/session.ts'
import {
  type AuthenticationParts,
  authenticate,
  type SignInAsked,
  type SignInProof,
  type SignInResult,
} from './authentication.ts'
import type { CancelAsked } from './cancel-requests.ts'
import { type NegotiatedClient, negotiate } from './client-socket.ts'
import { type PassageParts, pass } from './passage.ts'
import { SigningIn } from './signing-in.ts'
import { encodeErrorResponse, encodeNegotiateProtocolVersion, type Report } from './wire/backend.ts'
import type { FinalPacket } from './wire/negotiation.ts'
import type { Startup } from './wire/startup.ts'

/** `oauth`: everybody who comes in here signs in with OAUTHBEARER. */
export type PostgresEndpoint = Endpoint & { readonly oauth?: boolean }

export type ConnectionParts = PassageParts & {
  readonly authentication: AuthenticationParts
  /** Tells which passwords do not count any more: the sessions that they opened end. */
  readonly passwords: Pick<ConnectionPasswords, 'onRevoked'>
}

/** What all connections share. */
export type Door = {
  readonly parts: ConnectionParts
  readonly tls: SecureContext | undefined
  /** Resolves when it was delivered, or came to nothing. */
  readonly takeCancel: (asked: CancelAsked) => Promise<void>
}

/** Counts a connection in among those who have not signed in; what it gives counts it out, once. `makeRoom` must close it. */
export type Enter = (makeRoom: () => void) => () => void

/** A client that has just come in. */
export type Arrival = {
  /** Nothing was read from it yet. */
  readonly socket: Socket
  readonly endpoint: PostgresEndpoint
  readonly sourceAddress: string
  readonly enter: Enter
}

/** So long a client may take to read why its connection ends. */
const lastWordsMs = 1000

export class Connection {
  readonly #raw: Socket
  readonly #endpoint: PostgresEndpoint
  readonly #door: Door
  readonly #sourceAddress: string
  readonly #leaveStrangers: () => void
  readonly #gone = new AbortController()
  #timer: NodeJS.Timeout
  /** Where errors are said: the TLS socket, if there is TLS. Undefined before the client can read them, and once it is relayed. */
  #speaking: Socket | undefined

  constructor({ socket, endpoint, sourceAddress, enter }: Arrival, door: Door) {
    this.#raw = socket
    this.#endpoint = endpoint
    this.#door = door
    this.#sourceAddress = sourceAddress
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#left())
    this.#leaveStrangers = enter(() => this.#makeRoom())
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
    await this.#door.takeCancel({ pid, key, sourceAddress: this.#sourceAddress })
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

/** An error where the client expects an answer; then the end. */
export function say(socket: Socket, report: Report): void {
  if (socket.destroyed) return
  socket.end(encodeErrorResponse(report), () => socket.resume())
  setTimeout(() => socket.destroy(), lastWordsMs).unref()
}

function fatal(code: string, message: string): Report {
  return { severity: 'FATAL', code, message }
}
