/**
 * The SSH server at the end of a jump. Who is there was proven on the connection around it and cannot change; the user name
 * is the login, the target is the one that was jumped to. From there on it is a connection like any other: one door.
 */
import type { HostIdentity } from '../../credentials/target-host-keys.ts'
import { Fault, reasonOf } from '../../errors.ts'
import { isAcceptableOffer, proveKey, signatureAlgorithms } from '../../identity/key-proof.ts'
import type { Principal } from '../../identity/principal.ts'
import { type Ending, userTextOf } from '../../session/session.ts'
import type { Admission } from '../authentication.ts'
import { decodeKeyRequest, encodeKeyOk, type KeyRequest } from '../key-request.ts'
import {
  type AuthRequest,
  decodeAuthRequest,
  decodeServiceRequest,
  disconnectReason,
  encodeAuthFailure,
  encodeAuthSuccess,
  encodeServiceAccept,
  encodeUnimplemented,
  messageNumber,
} from '../messages.ts'
import { ident, Passage, type PassageParts, transportLimits } from '../passage.ts'
import { acceptTransport, type CloseReason, type Transport } from '../transport.ts'
import type { ChannelStream } from './channel-stream.ts'

/** Messages other than the two of sign-in that a client may send before it is in. */
const maxUnknownMessages = 32

/** Tries that do not sign in, keys that are offered among them. */
const maxAttempts = 100

/**
 * What a client may try. Nothing has to be proven again, so "none" is all it takes; libraries whose callers hand them a key
 * (paramiko, libssh) never try it, and any key that signs is as good.
 */
const methods = ['none', 'publickey'] as const

export type InnerConnection = {
  readonly stream: ChannelStream
  readonly identity: HostIdentity
  /** Proven on the connection around this one. */
  readonly principal: Principal
  readonly sourceAddress: string
  readonly target: string
}

type Phase = 'service' | 'method' | 'deciding' | 'over'

/** Serves until the stream closes. The returned function ends the session and says why. */
export function serveInner(parts: PassageParts, inner: InnerConnection): (ending: Ending) => void {
  const server = new InnerServer(parts, inner)
  return ending => server.end(ending)
}

class InnerServer {
  readonly #parts: PassageParts
  readonly #inner: InnerConnection
  readonly #transport: Transport
  readonly #passage: Passage
  readonly #timer: NodeJS.Timeout
  #phase: Phase = 'service'
  #unknownMessages = 0
  #attempts = 0

  constructor(parts: PassageParts, inner: InnerConnection) {
    this.#parts = parts
    this.#inner = inner
    const limits = parts.limits()
    this.#timer = setTimeout(() => this.#tooSlow(), limits.firstRequestTimeoutMs)
    this.#transport = acceptTransport(parts.engine, inner.stream, {
      ident,
      hostKeys: inner.identity.hostKeys,
      hostCertificate: inner.identity.certificate,
      serverSigAlgs: signatureAlgorithms,
      limits: transportLimits(limits),
      handlers: {
        ready: () => {},
        message: (payload, sequence) => this.#message(payload, sequence),
        closed: why => this.#closed(why),
      },
    })
    this.#passage = new Passage(parts, this.#transport, () => this.#transport.remoteIdent)
  }

  end(ending: Ending): void {
    this.#passage.end(ending)
    this.#transport.disconnect(disconnectReason.byApplication, ending.userText)
  }

  #tooSlow(): void {
    this.#transport.disconnect(disconnectReason.byApplication, 'The time to sign in is over. Connect again.')
  }

  #closed(why: CloseReason): void {
    clearTimeout(this.#timer)
    this.#phase = 'over'
    this.#passage.clientClosed(why)
    this.#inner.stream.destroy()
  }

  #message(payload: Buffer, sequence: number): void {
    if (this.#passage.relaying) return this.#passage.fromClient(payload, sequence)
    try {
      this.#signIn(payload, sequence)
    } catch (cause) {
      this.#transport.disconnect(disconnectReason.protocolError, userTextOf(cause))
    }
  }

  #signIn(payload: Buffer, sequence: number): void {
    switch (payload[0]) {
      case messageNumber.serviceRequest:
        return this.#service(decodeServiceRequest(payload))
      case messageNumber.authRequest:
        return this.#request(payload)
      default:
        if (++this.#unknownMessages > maxUnknownMessages)
          throw new Fault('SSH_PROTOCOL', 'Too many messages that mean nothing here.')
        this.#transport.send(encodeUnimplemented(sequence))
    }
  }

  #service(name: string): void {
    if (this.#phase !== 'service' || name !== 'ssh-userauth')
      throw new Fault('SSH_PROTOCOL', 'This service is not available now.')
    this.#phase = 'method'
    this.#transport.send(encodeServiceAccept(name))
  }

  #request(payload: Buffer): void {
    if (this.#phase !== 'method') throw new Fault('SSH_PROTOCOL', 'Not the time to sign in.')
    const request = decodeAuthRequest(payload)
    if (request.service !== 'ssh-connection')
      throw new Fault('SSH_PROTOCOL', 'This service is not available.')
    if (request.method === 'none') return this.#admit(request.userName)
    if (request.method === 'publickey') return this.#key(request, decodeKeyRequest(request.fields))
    this.#tryAgain(encodeAuthFailure(methods))
  }

  /** The key says nothing about who it is: that was proven on the connection around this one. */
  #key({ userName, service }: AuthRequest, key: KeyRequest): void {
    const { signature } = key
    if (signature === undefined)
      return this.#tryAgain(isAcceptableOffer(key) ? encodeKeyOk(key) : encodeAuthFailure(methods))
    const { sessionId } = this.#transport
    if (proveKey({ ...key, signature, sessionId, userName, service }) === undefined)
      return this.#tryAgain(encodeAuthFailure(methods))
    this.#admit(userName)
  }

  #admit(userName: string): void {
    this.#phase = 'deciding'
    this.#open(userName).then(
      admission => this.#conclude(admission),
      (cause: unknown) => {
        this.#parts.log.error({ cause: reasonOf(cause) }, 'a jump could not be opened')
        this.#transport.disconnect(disconnectReason.byApplication, userTextOf(cause))
      },
    )
  }

  #tryAgain(answer: Buffer): void {
    if (++this.#attempts > maxAttempts)
      return this.#transport.disconnect(
        disconnectReason.noMoreAuthMethods,
        'Too many sign-in attempts. Connect again.',
      )
    this.#transport.send(answer)
  }

  #open(userName: string): Promise<Admission> {
    clearTimeout(this.#timer)
    const { principal, sourceAddress, target } = this.#inner
    const login = userName === '' ? undefined : userName
    return this.#passage.open({ protocol: 'ssh', principal, sourceAddress, target, login })
  }

  #conclude(admission: Admission): void {
    if (this.#phase !== 'deciding') return
    this.#phase = 'over'
    if (admission.kind === 'refused')
      return this.#transport.disconnect(disconnectReason.noMoreAuthMethods, admission.userText)
    this.#transport.send(encodeAuthSuccess())
    admission.start()
  }
}
