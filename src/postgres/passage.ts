/**
 * From a proven principal to a relayed session: the one door, then the target proves itself, then a credential is made for this
 * session and used, then the client may speak. In this order, each step with what the step before gave.
 */
import type { PostgresLimits, PostgresTarget } from '../config/config.ts'
import type { About, PostgresCredential, PostgresEvidence } from '../credentials/postgres/role.ts'
import { reachAgain, reachPostgres, type ProvenConnection } from '../credentials/postgres/target-proof.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import type { Log } from '../log.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { SqlEvent } from '../recorder/sql-event.ts'
import { type Ending, openSession, type Session, type SessionParts, userTextOf } from '../session/session.ts'
import type { NamedPlace } from './authentication-address.ts'
import type { CancelKeys } from './cancel-keys.ts'
import { SessionCancel } from './cancel.ts'
import type { Cleanups } from './cleanups.ts'
import { applicationName, type PlaceAsked, type PlaceInTarget, placeInTarget } from './session-place.ts'
import { type PostgresConnection, signInAtTarget, TargetRefused } from './upstream.ts'
import { authenticationOk, encodeBackendKeyData, encodeReadyForQuery, type Report } from './wire/backend.ts'
import type { Socket } from 'node:net'

/** A client that has proven who it is, and waits. */
export type WaitingClient = {
  readonly socket: Socket
  readonly principal: Principal
  readonly place: NamedPlace
  readonly sourceAddress: string
  readonly asked: PlaceAsked
  readonly version: number
  readonly authenticationOkSent: boolean
  /** Aborts when it has gone. */
  readonly gone: AbortSignal
  /** Gives the socket to the relay: nobody else reads it, or ends it, from then on. */
  readonly release: (session: Session) => void
}

/** What the relay is given: both sockets paused, both sides between frames and ready for a query. */
export type RelayEnds = {
  readonly session: Session
  readonly client: Socket
  readonly target: PostgresConnection
  readonly start: Extract<SqlEvent, { type: 'sql-session' }>
}

/** A running relay, as far as others need it. From its start on it tells the client why the session ends, and closes both sockets. */
export type RunningRelay = { readonly note: (event: SqlEvent) => void }

export type PassageParts = {
  readonly limits: () => PostgresLimits
  readonly session: SessionParts
  readonly mint: (evidence: PostgresEvidence, about: About) => Promise<PostgresCredential>
  readonly cancels: CancelKeys
  readonly cleanups: Cleanups
  readonly relay: (ends: RelayEnds) => RunningRelay
  readonly audit: AuditLog
  readonly log: Log
}

/** `relaying`: the socket is the relay's. `refused`: for the client, whose socket is still the listener's. */
export type Passed =
  | { readonly kind: 'relaying' }
  | { readonly kind: 'refused'; readonly report: Report }
  | { readonly kind: 'gone' }

const done = Promise.resolve()
const leftEarly: Ending = { reason: 'client left during sign-in', userText: '' }

/** Opens the session of one client and relays it. Never throws. */
export async function pass(client: WaitingClient, parts: PassageParts): Promise<Passed> {
  const { principal, place, sourceAddress } = client
  const wish = { protocol: 'postgres', principal, sourceAddress, ...place } as const
  const opening = await openSession(wish, parts.session)
  if (opening.kind === 'refused') return { kind: 'refused', report: fatal('28000', opening.userText) }
  const { session } = opening
  const leave = (): void => session.end(leftEarly)
  if (client.gone.aborted) leave()
  else client.gone.addEventListener('abort', leave)
  try {
    return await new Passage(session, client, parts).run()
  } catch (cause) {
    return noSession(session, client, parts, cause)
  } finally {
    client.gone.removeEventListener('abort', leave)
  }
}

function noSession(session: Session, client: WaitingClient, parts: PassageParts, cause: unknown): Passed {
  const reason = reasonOf(cause)
  parts.log.warn({ session: session.id, cause: reason }, 'no session at the target')
  const report = reportOf(cause)
  session.end({ reason: `no session at the target: ${reason}`, userText: report.message })
  parts.audit.append({ kind: 'refusal', session: session.id, code: 'upstream', reasons: reason })
  return client.gone.aborted ? { kind: 'gone' } : { kind: 'refused', report }
}

/** A target's own words are for its user; of ours, only those that are meant for users. */
function reportOf(cause: unknown): Report {
  if (cause instanceof TargetRefused || cause instanceof PlaceRefused) return cause.report
  return fatal('08006', userTextOf(cause))
}

function fatal(code: string, message: string): Report {
  return { severity: 'FATAL', code, message }
}

/** The grant does not cover what the client asked for besides target and login. */
class PlaceRefused extends Fault {
  readonly report: Report

  constructor(report: Report) {
    super('UPSTREAM_FAILED', report.message)
    this.report = report
  }
}

/** One session until it is relayed. Whoever ends the session before, ends what is being waited for. */
class Passage {
  readonly #session: Session
  readonly #client: WaitingClient
  readonly #parts: PassageParts
  readonly #over = new AbortController()

  constructor(session: Session, client: WaitingClient, parts: PassageParts) {
    this.#session = session
    this.#client = client
    this.#parts = parts
  }

  async run(): Promise<Passed> {
    const session = this.#session
    const abandon = ({ userText, reason }: Ending): void =>
      this.#over.abort(new Fault('UPSTREAM_FAILED', userText, { log: reason }))
    session.onEnd(abandon)
    const target = this.#target()
    const inTarget = placeInTarget(session.grant, target, this.#client.asked)
    if (inTarget.kind === 'refused') throw new PlaceRefused(inTarget.error)
    const connection = await this.#connect(target, inTarget)
    if (session.ended) {
      connection.socket.destroy()
      throw this.#over.signal.reason
    }
    this.#relay(connection, inTarget.database)
    return { kind: 'relaying' }
  }

  #target(): PostgresTarget {
    const { target } = this.#session.grant.fields
    if (target.protocol === 'postgres') return target
    throw new PlaceRefused(fatal('28000', `The target ${target.name} does not speak PostgreSQL.`))
  }

  async #connect(
    target: PostgresTarget,
    { database, settings }: Extract<PlaceInTarget, { kind: 'place' }>,
  ): Promise<PostgresConnection> {
    const { grant, recording } = this.#session // a reload meanwhile must not mix two decisions
    const reach = { timeoutMs: this.#parts.limits().upstreamTimeoutMs, over: this.#over.signal }
    const late = AbortSignal.any([this.#over.signal, AbortSignal.timeout(reach.timeoutMs)])
    const connection = await reachPostgres({ grant, recording }, target, reach)
    const credential = await this.#mint(connection, database)
    const { signedInOn, secret } = await this.#present(connection, credential, reach)
    const application = applicationName(credential.applicationName, this.#client.asked)
    const named = [...settings, { name: 'application_name', value: application }]
    const { version } = this.#client
    const wish = { user: credential.user, database, settings: named, version, secret }
    const upstream = await signInAtTarget(signedInOn, wish, late)
    await credential.signedIn().catch((cause: unknown) => {
      upstream.socket.destroy()
      throw cause
    })
    return upstream
  }

  /** Whatever happens next, this credential is removed when the session ends. */
  async #mint(connection: ProvenConnection, database: string): Promise<PostgresCredential> {
    const { socket, proof } = connection
    try {
      const { grant, recording } = this.#session
      const clientAddress = this.#client.sourceAddress
      const credential = await this.#parts.mint({ grant, recording, proof }, { database, clientAddress })
      recording.record(credential.told)
      this.#session.onEnd(() => this.#parts.cleanups.add(credential.remove()))
      return credential
    } catch (cause) {
      socket.on('error', () => {}).destroy()
      throw cause
    }
  }

  /** The secret for SCRAM, or a connection of its own where TLS shows the client certificate. */
  async #present(
    connection: ProvenConnection,
    credential: PostgresCredential,
    reach: { timeoutMs: number; over: AbortSignal },
  ): Promise<{ signedInOn: ProvenConnection; secret: (() => string) | undefined }> {
    const secret = credential.useSecretOnce()
    if (secret.kind === 'password') return { signedInOn: connection, secret: () => secret.password }
    connection.socket.on('error', () => {}).destroy()
    return { signedInOn: await reachAgain(connection.proof, secret, reach), secret: undefined }
  }

  /** Synchronous from here: the client is told that it may speak when everything is ready to hear it. */
  #relay(target: PostgresConnection, database: string): void {
    const { socket, version, asked } = this.#client
    const session = this.#session
    let relay: RunningRelay | undefined
    const cancel = this.#cancel(target, event => relay?.note(event))
    const key = this.#parts.cancels.issue(version, from => cancel?.request(from) ?? Promise.resolve())
    session.onEnd(() => {
      key.forget()
      if (target.proof.target.connector === 'certificate') this.#parts.cleanups.add(cancel?.leave() ?? done)
    })
    this.#client.release(session)
    socket.write(
      Buffer.concat([
        ...(this.#client.authenticationOkSent ? [] : [authenticationOk]),
        ...target.opening,
        ...(target.key === undefined ? [] : [encodeBackendKeyData(key)]),
        encodeReadyForQuery(target.status),
      ]),
    )
    relay = this.#parts.relay({
      session,
      client: socket,
      target,
      start: {
        type: 'sql-session',
        user: session.grant.fields.login,
        database,
        application: asked.settings.findLast(({ name }) => name === 'application_name')?.value ?? '',
        protocol: `3.${version & 0xffff}`,
        parameters: Object.fromEntries(asked.settings.map(({ name, value }) => [name, value])),
      },
    })
  }

  #cancel(target: PostgresConnection, note: (event: SqlEvent) => void): SessionCancel | undefined {
    if (target.key === undefined) return undefined
    const { audit, log, limits } = this.#parts
    const noteRequest = (from: string): void => note({ type: 'cancel-request', from })
    return new SessionCancel(this.#session, target.key, noteRequest, {
      audit,
      log,
      timeoutMs: () => limits().upstreamTimeoutMs,
    })
  }
}
