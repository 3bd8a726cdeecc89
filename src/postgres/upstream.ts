/**
 * Signing in at a target that has proven who it is, with the credential of one session. What it says until it is ready for a
 * query is kept as it came, for the client. A target may be hostile: sizes, counts and time are bounded.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ProvenConnection, TargetProof } from '../credentials/postgres/target-proof.ts'
import { Fault } from '../errors.ts'
import { ByteSource } from './byte-source.ts'
import { ScramClient, serverEndPoint } from './scram.ts'
import {
  type Authentication,
  authenticationCode,
  type BackendKeyData,
  decodeAuthentication,
  decodeBackendKeyData,
  decodeNegotiateProtocolVersion,
  decodeParameterStatus,
  decodeReadyForQuery,
  decodeReport,
  decodeSaslMechanisms,
  type ParameterStatus,
  type Report,
  type TransactionStatus,
} from './wire/backend.ts'
import { encodeSaslInitialResponse, encodeSaslResponse } from './wire/frontend.ts'
import { backend } from './wire/message-types.ts'
import { MalformedMessage } from './wire/protocol-violation.ts'
import type { Setting } from './wire/settings.ts'
import { encodeStartup, protocol } from './wire/startup.ts'

/** A signed-in connection, ready for a query, paused. What the target says next is in the socket. */
export type PostgresConnection = {
  readonly socket: Socket
  readonly proof: TargetProof
  readonly version: number
  /** Everything between AuthenticationOk and ReadyForQuery as it came, without BackendKeyData. */
  readonly opening: readonly Buffer[]
  readonly parameters: readonly ParameterStatus[]
  /** For CancelRequests; PostgreSQL always gives one. */
  readonly key: BackendKeyData | undefined
  readonly status: TransactionStatus
}

export type UpstreamWish = {
  readonly user: string
  readonly database: string
  readonly settings: readonly Setting[]
  /** What the client's side speaks: the target is asked for no more. */
  readonly version: number
  /** Gives the secret, once, when the target asks for SCRAM; undefined if a client certificate signs in. */
  readonly secret: (() => string) | undefined
}

/** The target's own refusal, in its words: a database that is not there, too many connections. */
export class TargetRefused extends Fault {
  readonly report: Report

  constructor(target: string, report: Report) {
    super('UPSTREAM_FAILED', report.message, {
      log: `target ${target} refused the session: ${report.code} ${report.message}`,
    })
    this.name = 'TargetRefused'
    this.report = report
  }
}

/** libpq takes no longer message of these types, and PostgreSQL has none. */
const maxFrameBytes = 30_000
/** Parameters are 15; the rest is room for notices of login triggers. */
const maxFrames = 500
const maxOpeningBytes = 1024 * 1024

/** Signs in or throws Fault UPSTREAM_FAILED; then the connection is closed. `over` aborts with a Fault, or because it took too long. */
export async function signInAtTarget(
  connection: ProvenConnection,
  wish: UpstreamWish,
  over: AbortSignal,
): Promise<PostgresConnection> {
  const { socket, proof } = connection
  const onError = (): void => void socket.destroy()
  const abandon = (): void => void socket.destroy()
  socket.on('error', onError)
  over.addEventListener('abort', abandon)
  try {
    if (over.aborted) throw over.reason
    return await new TargetSignIn(connection, wish).run()
  } catch (cause) {
    socket.destroy()
    throw over.aborted ? asFault(proof, over.reason) : asFault(proof, cause)
  } finally {
    over.removeEventListener('abort', abandon)
  }
}

function asFault({ target }: TargetProof, cause: unknown): Fault {
  if (cause instanceof Fault && !(cause instanceof MalformedMessage)) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  return new Fault(
    'UPSTREAM_FAILED',
    `The target ${target.name} did not let us in. Try again later or tell the operator.`,
    { log: `target ${target.name} at ${target.host}:${target.port} did not let us in: ${text}`, cause },
  )
}

type Frame = { readonly type: number; readonly body: Buffer; readonly bytes: Buffer }

/** One conversation, in turns. Every wait ends when the socket is destroyed. */
class TargetSignIn {
  readonly #socket: Socket
  readonly #source: ByteSource
  readonly #proof: TargetProof
  readonly #wish: UpstreamWish
  #version: number
  #frames = 0
  #bytes = 0

  constructor({ socket, proof }: ProvenConnection, wish: UpstreamWish) {
    this.#socket = socket
    this.#source = new ByteSource(socket)
    this.#proof = proof
    this.#wish = wish
    this.#version = Math.min(wish.version, protocol.v3_2)
  }

  async run(): Promise<PostgresConnection> {
    const { user, database, settings } = this.#wish
    const named = [
      { name: 'user', value: user },
      { name: 'database', value: database },
    ]
    this.#socket.write(encodeStartup(this.#version, [...named, ...settings]))
    await this.#authenticate()
    const connection = await this.#open()
    this.#source.release()
    return connection
  }

  async #authenticate(): Promise<void> {
    const first = await this.#request()
    if (first.code === authenticationCode.ok) {
      if (this.#wish.secret === undefined) return
      throw new MalformedMessage(
        'it lets in anybody (`trust` in pg_hba.conf?), so it proves nothing. Use scram-sha-256',
      )
    }
    if (first.code !== authenticationCode.sasl || this.#wish.secret === undefined) {
      const wants = this.#wish.secret === undefined ? 'cert' : 'scram-sha-256'
      throw new MalformedMessage(
        `it asked to authenticate by method ${first.code}; pg_hba.conf must say ${wants}`,
      )
    }
    await this.#scram(decodeSaslMechanisms(first.data), this.#wish.secret)
  }

  async #scram(mechanisms: readonly string[], secret: () => string): Promise<void> {
    const client = new ScramClient(secret(), endPointOf(this.#socket))
    const start = client.start(mechanisms)
    if (start === undefined) throw new MalformedMessage('it offers no SCRAM-SHA-256')
    this.#socket.write(encodeSaslInitialResponse(start.mechanism, start.message))
    const first = await this.#request(authenticationCode.saslContinue)
    this.#socket.write(encodeSaslResponse(await client.answer(first.data)))
    const last = await this.#request(authenticationCode.saslFinal)
    if (!client.finish(last.data))
      throw new MalformedMessage('it does not know the secret that we made with it')
    await this.#request(authenticationCode.ok)
  }

  /** The next authentication request, past negotiation of the version. */
  async #request(expected?: number): Promise<Authentication> {
    for (;;) {
      const { type, body } = await this.#next()
      if (type === backend.negotiateProtocolVersion) this.#negotiated(body)
      else if (type === backend.errorResponse) this.#refused(body)
      else if (type !== backend.authentication) throw new MalformedMessage(`message ${type} before its time`)
      else {
        const request = decodeAuthentication(body)
        if (expected === undefined || request.code === expected) return request
        throw new MalformedMessage(`authentication step ${request.code} instead of ${expected}`)
      }
    }
  }

  /** A server before 18 goes down to 3.0. */
  #negotiated(body: Buffer): void {
    const { version, options } = decodeNegotiateProtocolVersion(body)
    const isLower = version === protocol.v3_0 && this.#version > version
    if (!isLower || options.length > 0) throw new MalformedMessage(`it wants to speak version ${version}`)
    this.#version = version
  }

  async #open(): Promise<PostgresConnection> {
    const opening: Buffer[] = []
    const parameters: ParameterStatus[] = []
    let key: BackendKeyData | undefined
    for (;;) {
      const { type, body, bytes } = await this.#next()
      if (type === backend.readyForQuery) {
        const status = decodeReadyForQuery(body)
        const [socket, proof, version] = [this.#socket, this.#proof, this.#version]
        return { socket, proof, version, opening, parameters, key, status }
      }
      if (type === backend.errorResponse) this.#refused(body)
      if (type === backend.backendKeyData) key = copyOfKey(decodeBackendKeyData(body))
      else if (type === backend.parameterStatus) parameters.push(decodeParameterStatus(body))
      else if (type === backend.noticeResponse) decodeReport(body)
      else throw new MalformedMessage(`message ${type} before its time`)
      if (type !== backend.backendKeyData) opening.push(bytes)
    }
  }

  async #next(): Promise<Frame> {
    const head = await this.#source.take(5)
    if (head === undefined) throw new Error('it closed the connection')
    const length = head.readInt32BE(1)
    if (length < 4 || length > maxFrameBytes) throw new MalformedMessage(`a message of ${length} bytes`)
    this.#bytes += length + 1
    if (++this.#frames > maxFrames || this.#bytes > maxOpeningBytes) {
      throw new MalformedMessage('it says too much before it is ready')
    }
    const body = await this.#source.take(length - 4)
    if (body === undefined) throw new Error('it closed the connection')
    return { type: head[0] ?? 0, body, bytes: Buffer.concat([head, body]) }
  }

  #refused(body: Buffer): never {
    const fields = decodeReport(body)
    const text = (letter: string): string => fields.get(letter) ?? ''
    const optional = (letter: string): string | undefined => fields.get(letter)
    const [detail, hint] = [optional('D'), optional('H')]
    throw new TargetRefused(this.#proof.target.name, {
      severity: 'FATAL',
      code: /^[0-9A-Z]{5}$/.test(text('C')) ? text('C') : '08006',
      message: text('M'),
      ...(detail === undefined ? {} : { detail }),
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

function copyOfKey({ pid, key }: BackendKeyData): BackendKeyData {
  return { pid, key: Buffer.from(key) }
}

function endPointOf(socket: Socket): Buffer | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? undefined : serverEndPoint(certificate)
}
