/**
 * Whether a PostgreSQL server is the target that the configuration names. It is asked before anybody signs in there, and
 * only a connection that passed here can be signed in on (invariant 1).
 */
import { timingSafeEqual } from 'node:crypto'
import { connect, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { isProbe, type Probe } from '../../audit/audit-log.ts'
import type { PostgresTarget } from '../../config/config.ts'
import { isLoopback } from '../../config/network.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Grant } from '../../policy/decide.ts'
import type { Recording } from '../../recorder/recorder.ts'

/** How it proved itself; `loopback`: by being on this machine, where the configuration turns TLS off. */
export type ProvenBy = 'verify-full' | 'verify-ca' | 'pinned' | 'loopback'

/** Evidence that a connection ends at the target that the configuration names. */
class TargetProof {
  readonly #issued = true
  readonly target: PostgresTarget
  readonly by: ProvenBy
  /** SHA-256 of its certificate, 64 hexadecimal digits; undefined on loopback without TLS. */
  readonly fingerprint: string | undefined

  constructor(target: PostgresTarget, by: ProvenBy, fingerprint: string | undefined) {
    this.target = target
    this.by = by
    this.fingerprint = fingerprint
  }

  static is(value: object): value is TargetProof {
    return #issued in value
  }
}
export type { TargetProof }

/** Whether the value is a TargetProof that this module made; for checks where types do not reach. */
export function isTargetProof(value: object): value is TargetProof {
  return TargetProof.is(value)
}

/** Nothing is connected to without a recorded session, or a note in the audit log that says why. */
export type Reason = { readonly grant: Grant; readonly recording: Recording } | Probe

export type ReachOptions = {
  /** For all of it: connection and TLS. */
  readonly timeoutMs: number
  /** Aborts with a Fault once nobody wants the connection any more. */
  readonly over?: AbortSignal
}

/** Paused, with nothing read past the handshake. It is a TLSSocket unless the proof is `loopback`. */
export type ProvenConnection = { readonly socket: Socket; readonly proof: TargetProof }

/** A client certificate and its key in PEM. */
export type ClientCertificate = { readonly certificate: string; readonly key: string }

/** Connects to a target and makes it prove itself. Throws Fault UPSTREAM_FAILED. */
export function reachPostgres(
  reason: Reason,
  target: PostgresTarget,
  options: ReachOptions,
): Promise<ProvenConnection> {
  const allowed = isProbe(reason) ? reason.target === target.name : reason.grant.fields.target === target
  if (!allowed) throw new TypeError('the evidence is for another target')
  return reach(target, options)
}

/**
 * Connects again with a client certificate, which TLS shows before we could look at the server's: so only to whom has proven to be
 * the target, and it must show the same certificate. Throws Fault UPSTREAM_FAILED.
 */
export async function reachAgain(
  proof: TargetProof,
  client: ClientCertificate,
  options: ReachOptions,
): Promise<ProvenConnection> {
  const connection = await reach(proof.target, options, client)
  if (connection.proof.fingerprint === proof.fingerprint) return connection
  connection.socket.destroy()
  throw failed(proof.target, 'shows another certificate than a moment ago.')
}

/** As reachPostgres, for a broker that signs in with a certificate of its own. */
export function reachWithCertificate(
  probe: Probe,
  target: PostgresTarget,
  client: ClientCertificate,
  options: ReachOptions,
): Promise<ProvenConnection> {
  if (probe.target !== target.name) throw new TypeError('the evidence is for another target')
  return reach(target, options, client)
}

async function reach(
  target: PostgresTarget,
  options: ReachOptions,
  client?: ClientCertificate,
): Promise<ProvenConnection> {
  const attempt = new Attempt(target, options)
  try {
    const socket = await attempt.connect()
    if (target.tls.mode === 'off') return { socket, proof: provenByPlace(target, socket) }
    await attempt.askForTls(socket)
    return await attempt.handshake(socket, client)
  } catch (cause) {
    attempt.giveUp()
    throw cause instanceof Fault ? cause : failed(target, 'cannot be reached.', cause)
  } finally {
    attempt.done()
  }
}

/** What its user reads, and for the operator where and why. */
function failed(target: PostgresTarget, why: string, cause?: unknown): Fault {
  const reason = cause === undefined ? '' : ` (${reasonOf(cause)})`
  const log = `target ${target.name} at ${target.host}:${target.port} ${why}${reason}`
  return new Fault(
    'UPSTREAM_FAILED',
    `The target ${target.name} ${why} Try again later or tell the operator.`,
    {
      log,
      cause,
    },
  )
}

function provenByPlace(target: PostgresTarget, socket: Socket): TargetProof {
  if (!isLoopback(socket.remoteAddress ?? ''))
    throw failed(target, 'is not on this machine, but its TLS is off.')
  return new TargetProof(target, 'loopback', undefined)
}

/** PostgreSQL protocol, "SSLRequest": length 8, then this code. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const yes = 0x53 // S

/** One connection; all its waits end with the time limit or the abort. */
class Attempt {
  readonly #target: PostgresTarget
  readonly #over: AbortSignal
  #socket: Socket | undefined

  constructor(target: PostgresTarget, { timeoutMs, over }: ReachOptions) {
    this.#target = target
    const late = AbortSignal.timeout(timeoutMs)
    this.#over = over === undefined ? late : AbortSignal.any([late, over])
  }

  connect(): Promise<Socket> {
    const { host, port } = this.#target
    const socket = connect({ host, port, noDelay: true })
    return this.#until(socket, 'connect', () => socket)
  }

  /** Exactly one byte may come back: whatever else did was not encrypted, and must not pass for what is (CVE-2021-23222). */
  async askForTls(socket: Socket): Promise<void> {
    socket.write(sslRequest)
    const answer = await this.#until(socket, 'readable', () => socket.read() as Buffer | null)
    if (answer?.length === 1 && answer[0] === yes && socket.readableLength === 0) return
    const refused = answer?.length === 1 && answer[0] !== yes
    throw failed(this.#target, refused ? 'does not speak TLS.' : 'answered out of turn.')
  }

  async handshake(plain: Socket, client: ClientCertificate | undefined): Promise<ProvenConnection> {
    const socket = connectTls({ socket: plain, ...this.#tlsOptions(client) })
    await this.#until(socket, 'secureConnect', () => undefined).catch((cause: unknown) => {
      throw cause instanceof Fault ? cause : failed(this.#target, 'did not prove who it is.', cause)
    })
    return { socket, proof: this.#prove(socket) }
  }

  #tlsOptions(client: ClientCertificate | undefined): ConnectionOptions {
    const { mode, authority, serverName = this.#target.host } = this.#target.tls
    return {
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['postgresql'],
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      ...(authority === undefined ? {} : { ca: authority }),
      ...(client === undefined ? {} : { cert: client.certificate, key: client.key }),
      rejectUnauthorized: mode !== 'pinned', // then `#prove` compares the certificate itself
      checkServerIdentity: (_, certificate) =>
        mode === 'verify-full' ? checkServerIdentity(serverName, certificate) : undefined,
    }
  }

  #prove(socket: TLSSocket): TargetProof {
    const { mode, fingerprints = [] } = this.#target.tls
    const shown = socket.getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase() ?? ''
    if (mode === 'off') throw new TypeError('without TLS there is no certificate')
    const isProven = mode === 'pinned' ? fingerprints.some(pin => sameText(pin, shown)) : socket.authorized
    if (isProven && shown !== '') return new TargetProof(this.#target, mode, shown)
    throw failed(this.#target, `shows a certificate that is not the pinned one (SHA-256 ${shown}).`)
  }

  giveUp(): void {
    this.#socket?.on('error', () => {}).destroy()
  }

  /** Whoever has the socket now listens for its errors. */
  done(): void {
    this.#socket = undefined
  }

  #until<T>(socket: Socket, event: 'connect' | 'readable' | 'secureConnect', value: () => T): Promise<T> {
    this.#socket = socket
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const over = this.#over
    const abandon = (): void => reject(over.reason as Error)
    const closed = (): void => reject(new Error('closed by the target'))
    const happened = (): void => {
      try {
        resolve(value())
      } catch (cause) {
        reject(cause)
      }
    }
    over.addEventListener('abort', abandon)
    socket.once('error', reject).once('close', closed).once(event, happened)
    if (over.aborted) abandon()
    return promise.finally(() => {
      over.removeEventListener('abort', abandon)
      socket.off('error', reject).off('close', closed).off(event, happened)
    })
  }
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
