/**
 * The connection to a target: reach it, let it prove itself, mint, sign in with the certificate. In this order, and each
 * step with the value that the step before made (invariant 1).
 */
import { connect, type Socket } from 'node:net'
import type { Probe } from '../audit/audit-log.ts'
import { certificateAlgorithm } from '../credentials/ssh-certificate.ts'
import type { HostKeyCheck, HostKeyDecision, HostProof } from '../credentials/host-key.ts'
import { proveHostKey } from '../credentials/host-key.ts'
import {
  type MintParts,
  mintProbeCredential,
  mintSshCredential,
  type SshCredential,
} from '../credentials/mint.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { SshTarget, Target } from '../config/config.ts'
import type { CredentialEvent } from '../recorder/event.ts'
import type { Store } from '../store/store.ts'
import type { Session } from '../session/session.ts'
import { boolean, byte, string } from '../wire.ts'
import { hostKeyAlgorithms } from './algorithms.ts'
import type { Engine } from './engine.ts'
import { disconnectReason, encodeServiceRequest, messageNumber } from './messages.ts'
import { type CloseReason, connectTransport, type Transport, type TransportLimits } from './transport.ts'

export type UpstreamParts = {
  readonly engine: Engine
  readonly ident: string
  readonly limits: TransportLimits
  readonly timeoutMs: number
  readonly hostKeys: HostKeyCheck
  readonly mint: MintParts
}

/** A signed-in connection to a target. The relay takes over its messages. */
export type Upstream = { readonly transport: Transport; readonly proof: HostProof }

export type UpstreamHandlers = {
  readonly message: (payload: Buffer, sequence: number) => void
  readonly closed: (why: CloseReason) => void
}

/** Messages that a target may send before it has let us in; more is an attack (banners are dropped, not shown). */
const maxMessagesBeforeSignIn = 64

/** Opens and signs in the connection of `session`, or throws Fault UPSTREAM_FAILED with a sentence for the user. */
export async function openUpstream(
  session: Session,
  parts: UpstreamParts,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const { grant, recording } = session // a reload meanwhile must not mix two decisions
  const { login } = grant.fields
  const target = requireSshTarget(grant.fields.target)
  const sign = async (proof: HostProof, socket: Socket): Promise<SshCredential> => {
    const address = target.sourceAddress ?? plainAddress(socket.localAddress)
    const credential = await mintSshCredential({ grant, recording, proof }, address, parts.mint)
    recording.record(told(credential))
    return credential
  }
  const over = new AbortController()
  session.onEnd(ending => over.abort(new Fault('UPSTREAM_FAILED', ending.userText, { log: ending.reason })))
  return signIn({ target, login, sign, over: over.signal }, parts, handlers)
}

function told({ serial, keyId, login, validFromMs, validUntilMs }: SshCredential): CredentialEvent {
  const credential = 'ssh-certificate'
  return { type: 'credential', credential, serial, keyId, user: login, validFromMs, validUntilMs }
}

/** Policy may name targets of other protocols; whoever asks for one of those over SSH is told so. */
function requireSshTarget(target: Target): SshTarget {
  if (target.protocol === 'ssh') return target
  const userText = `${target.name} is a database: connect with psql, not with ssh.`
  throw new Fault('UPSTREAM_FAILED', userText)
}

/**
 * For `sallyport check`: signs in at `target` as `login` with a credential of its own, opens nothing, and leaves.
 * Throws Fault UPSTREAM_FAILED with what the operator should know.
 */
export async function probeUpstream(
  probe: Probe,
  what: { target: SshTarget; login: string },
  parts: UpstreamParts,
) {
  const sign = (proof: HostProof, socket: Socket): Promise<SshCredential> =>
    mintProbeCredential(
      { probe, proof, login: what.login },
      what.target.sourceAddress ?? plainAddress(socket.localAddress),
      parts.mint,
    )
  const upstream = await signIn({ ...what, sign, over: new AbortController().signal }, parts, {
    message: () => {},
    closed: () => {},
  })
  upstream.transport.disconnect(disconnectReason.byApplication, '')
  return upstream.proof
}

/** IPv4 in IPv6 clothes would never match what the target sees. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/i, '')
}

type SignIn = {
  readonly target: SshTarget
  readonly login: string
  readonly sign: (proof: HostProof, socket: Socket) => Promise<SshCredential>
  /** Aborts, with a Fault, once nobody wants the connection any more: from then on nothing is opened or minted. */
  readonly over: AbortSignal
}

/** What went wrong with a target: what its user reads, and for the operator where, why and what to look at. */
function failed(target: SshTarget, why: string, more: { cause?: unknown; forOperator?: string } = {}): Fault {
  const { cause, forOperator } = more
  const reason = cause === undefined ? '' : ` (${reasonOf(cause)})`
  const advice = forOperator === undefined ? '' : ` ${forOperator}`
  return new Fault(
    'UPSTREAM_FAILED',
    `The target ${target.name} ${why} Try again later or tell the operator.`,
    {
      log: `target ${target.name} at ${target.host}:${target.port} ${why}${reason}${advice}`,
      cause,
    },
  )
}

async function signIn(what: SignIn, parts: UpstreamParts, handlers: UpstreamHandlers): Promise<Upstream> {
  const expected = await expectedHostKeyAlgorithms(what.target, parts.hostKeys.store)
  const socket = await reach(what, parts.timeoutMs)
  return new Promise<Upstream>((resolve, reject) => {
    const attempt = new UpstreamSignIn(what, socket, parts, handlers, { resolve, reject })
    attempt.start(expected)
  })
}

/**
 * What to ask for in the key exchange: a server with several keys must show the one that we can check. With nothing known
 * yet, whatever the engine offers.
 */
async function expectedHostKeyAlgorithms(target: SshTarget, store: Store): Promise<readonly string[]> {
  const certificates = target.hostAuthorities.length > 0 ? [certificateAlgorithm] : []
  const pinned =
    target.hostKeys === 'first-use'
      ? await learnedAlgorithms(target, store)
      : target.hostKeys.map(algorithmOf)
  const expected = [...certificates, ...pinned.flatMap(signatureAlgorithms)]
  if (pinned.length === 0 && target.hostKeys === 'first-use') expected.push(...hostKeyAlgorithms)
  return [...new Set(expected)]
}

async function learnedAlgorithms(target: SshTarget, store: Store): Promise<readonly string[]> {
  return (await store.hostKeys.of(target.name)).map(row => row.algorithm)
}

function algorithmOf(line: string): string {
  return line.trim().split(/\s+/)[0] ?? ''
}

/** RFC 8332: one kind of RSA key, two signatures that are still good. */
function signatureAlgorithms(keyAlgorithm: string): readonly string[] {
  return keyAlgorithm === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [keyAlgorithm]
}

/** Connects within the time limit or throws. */
function reach({ target, over }: SignIn, timeoutMs: number): Promise<Socket> {
  if (over.aborted) return Promise.reject(over.reason as Fault)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.host, port: target.port, noDelay: true })
    const give = (fault: Fault): void => {
      over.removeEventListener('abort', abandon)
      socket.on('error', () => {})
      socket.destroy()
      reject(fault)
    }
    const abandon = (): void => give(over.reason as Fault)
    const fail = (cause: unknown): void => give(failed(target, 'cannot be reached.', { cause }))
    over.addEventListener('abort', abandon)
    socket.setTimeout(timeoutMs, () => fail(new Error('timed out')))
    socket.once('error', fail)
    socket.once('connect', () => {
      over.removeEventListener('abort', abandon)
      socket.setTimeout(0)
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

type Settle = { resolve: (upstream: Upstream) => void; reject: (fault: Fault) => void }

/** One sign-in at a target. Every path settles the promise once and, unless it was won, closes the connection. */
class UpstreamSignIn {
  readonly #what: SignIn
  readonly #socket: Socket
  readonly #parts: UpstreamParts
  readonly #handlers: UpstreamHandlers
  readonly #settle: Settle
  #transport: Transport | undefined
  #proof: HostProof | undefined
  #credential: SshCredential | undefined
  #refusal: Fault | undefined
  #timer: NodeJS.Timeout | undefined
  #messages = 0
  #settled = false
  #signedIn = false
  #asked = false

  constructor(
    what: SignIn,
    socket: Socket,
    parts: UpstreamParts,
    handlers: UpstreamHandlers,
    settle: Settle,
  ) {
    this.#what = what
    this.#socket = socket
    this.#parts = parts
    this.#handlers = handlers
    this.#settle = settle
  }

  start(expectedHostKeys: readonly string[]): void {
    this.#timer = setTimeout(
      () => this.#fail(failed(this.#what.target, 'did not let us in in time.')),
      this.#parts.timeoutMs,
    )
    this.#transport = connectTransport(this.#parts.engine, this.#socket, {
      ident: this.#parts.ident,
      limits: this.#parts.limits,
      hostKeyAlgorithms: expectedHostKeys,
      verifyHostKey: key => this.#verify(key.blob),
      handlers: {
        ready: transport => transport.send(encodeServiceRequest('ssh-userauth')),
        message: (payload, sequence) => this.#message(payload, sequence),
        closed: why => this.#closed(why),
      },
    })
    const { over } = this.#what
    if (over.aborted) this.#fail(over.reason as Fault)
    else over.addEventListener('abort', () => this.#fail(over.reason as Fault))
  }

  async #verify(blob: Buffer): Promise<boolean> {
    const decision = await proveHostKey(this.#what.target, blob, this.#parts.hostKeys).catch(
      (cause: unknown): HostKeyDecision => ({
        kind: 'refused',
        userText: 'The gateway could not check the host key of this target. Tell the operator.',
        logText: reasonOf(cause),
      }),
    )
    if (decision.kind === 'proven') this.#proof = decision.proof
    else this.#fail(new Fault('UPSTREAM_FAILED', decision.userText, { log: decision.logText }))
    return decision.kind === 'proven' && !this.#settled
  }

  #message(payload: Buffer, sequence: number): void {
    if (this.#signedIn) return this.#handlers.message(payload, sequence)
    this.#messages++
    if (this.#messages > maxMessagesBeforeSignIn)
      return this.#fail(failed(this.#what.target, 'sent nonsense during sign-in.'))
    switch (payload[0]) {
      case messageNumber.serviceAccept:
        return this.#authenticate()
      case messageNumber.authSuccess:
        return this.#succeed()
      case messageNumber.authFailure:
        return this.#fail(refusedCertificate(this.#what.target, this.#what.login))
      case messageNumber.authBanner:
        return
      default:
        return this.#fail(failed(this.#what.target, `sent message ${payload[0]} during sign-in.`))
    }
  }

  /** Once: a target that accepts the service twice would get two credentials. */
  #authenticate(): void {
    const [transport, proof] = [this.#transport, this.#proof]
    if (transport === undefined || proof === undefined || this.#asked) {
      return this.#fail(failed(this.#what.target, 'asked for sign-in out of turn.'))
    }
    this.#asked = true
    this.#present(transport, proof).catch((cause: unknown) =>
      this.#fail(failed(this.#what.target, 'got no credential: the gateway could not make one.', { cause })),
    )
  }

  async #present(transport: Transport, proof: HostProof): Promise<void> {
    this.#credential = await this.#what.sign(proof, this.#socket)
    // Whatever settled this meanwhile could not remove what was not there yet.
    if (this.#settled) await this.#removeCredential()
    else transport.send(encodeCertificateRequest(transport.sessionId, this.#credential))
  }

  /** A success that we did not ask for proves nothing: without a credential it is refused. */
  #succeed(): void {
    const [transport, proof] = [this.#transport, this.#proof]
    if (transport === undefined || proof === undefined || this.#credential === undefined) {
      return this.#fail(failed(this.#what.target, 'let us in before we asked.'))
    }
    this.#signedIn = true
    transport.pauseReading()
    this.#removeCredential().then(
      () => {
        if (this.#settled) return
        this.#finish()
        this.#settle.resolve({ transport, proof })
      },
      (cause: unknown) =>
        this.#fail(failed(this.#what.target, 'could not be used: the lease could not be closed.', { cause })),
    )
  }

  async #removeCredential(): Promise<void> {
    await this.#credential?.remove()
  }

  #closed(why: CloseReason): void {
    if (this.#settled) {
      if (this.#signedIn) this.#handlers.closed(why)
      return
    }
    this.#fail(
      this.#refusal ??
        failed(this.#what.target, `closed the connection during sign-in: ${printable(why.text)}.`),
    )
  }

  #fail(fault: Fault): void {
    if (this.#settled) return
    this.#refusal = fault
    this.#finish()
    this.#signedIn = false
    this.#settle.reject(fault)
    this.#transport?.disconnect(disconnectReason.byApplication, '')
    this.#removeCredential().catch(() => {}) // the lease stays and the sweep takes it
  }

  #finish(): void {
    this.#settled = true
    clearTimeout(this.#timer)
  }
}

function refusedCertificate(target: SshTarget, login: string): Fault {
  return failed(target, `does not accept the gateway's certificate for ${login}.`, {
    forOperator:
      'Does its sshd_config name the "targets" line of "sallyport keys show" under TrustedUserCAKeys, is there an account ' +
      `${login} that is not locked, do AllowUsers and PermitRootLogin let it in, and are both clocks right? Its log says which.`,
  })
}

/** A target's words go to a user's terminal only without what could act on it. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

/**
 * RFC 4252, section 7, with an OpenSSH certificate: the request names the certificate algorithm and carries the
 * certificate, the signature names the plain algorithm.
 */
function encodeCertificateRequest(sessionId: Uint8Array, credential: SshCredential): Buffer {
  const request = Buffer.concat([
    byte(messageNumber.authRequest),
    string(credential.login),
    string('ssh-connection'),
    string('publickey'),
    boolean(true),
    string(credential.algorithm),
    string(credential.certificate),
  ])
  const signature = credential.signOnce(Buffer.concat([string(sessionId), request]))
  return Buffer.concat([
    request,
    string(Buffer.concat([string(credential.signatureAlgorithm), string(signature)])),
  ])
}
