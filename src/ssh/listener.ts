/**
 * Where SSH clients come in: limits for those who have not signed in, the sign-in itself, and for those who have, the door.
 */
import { createServer, type Socket } from 'node:net'
import type { Endpoint } from '../config/config.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type ProvenKey, signatureAlgorithms } from '../identity/key-proof.ts'
import { type Principal, principalKey } from '../identity/principal.ts'
import { plainAddress } from '../identity/source-address.ts'
import { sourceNetwork } from '../identity/source-network.ts'
import type { WaitingSignIns } from '../identity/waiting-sign-in.ts'
import { parseUserName } from '../policy/address.ts'
import { listen } from '../session/listening.ts'
import { type Ending, userTextOf } from '../session/session.ts'
import { type Admission, type SignInProof, SshAuthentication } from './authentication.ts'
import { disconnectReason, encodeBanner, encodeUnimplemented, messageNumber } from './messages.ts'
import {
  describeKey,
  describeProof,
  judgeKey,
  type KeySignInParts,
  noticeOf,
  whenRevoked,
} from './key-sign-in.ts'
import { Lobby, type LobbyParts, namesNoTarget } from './lobby/lobby.ts'
import { LobbyPlaces } from './lobby/places.ts'
import { ident, Passage, transportLimits } from './passage.ts'
import { Strangers } from '../session/strangers.ts'
import { acceptTransport, type CloseReason, type Transport } from './transport.ts'

/** Messages other than sign-in that a client may send before it has signed in (they are answered, not acted on). */
const maxUnknownMessages = 32

export type SshListenerParts = LobbyParts & {
  readonly hostKeys: () => readonly string[]
  readonly signIns: WaitingSignIns
  readonly keys: KeySignInParts
}

export type SshListener = { readonly port: number; readonly close: () => Promise<void> }

/** Listens until closed. Throws Fault PORT_IN_USE. */
export async function startSshListener(endpoint: Endpoint, parts: SshListenerParts): Promise<SshListener> {
  const strangers = new Strangers()
  const places = new LobbyPlaces()
  const connections = new Set<Connection>()
  const server = createServer({ noDelay: true, keepAlive: true }, socket => {
    const refusal = strangers.refusal(networkOf(socket), parts.limits())
    if (refusal !== undefined) return turnAway(socket, refusal)
    const connection = new Connection(socket, parts, { strangers, places })
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  await listen(server, endpoint, 'SSH')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : endpoint.port
  return {
    port,
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const connection of connections) connection.stop()
      await closed
    },
  }
}

/** RFC 4253, section 4.2: lines before the identification are shown by clients that could not connect. */
function turnAway(socket: Socket, text: string): void {
  socket.on('error', () => {})
  socket.end(`${text}\r\n`)
  socket.setTimeout(1000, () => socket.destroy())
}

function networkOf(socket: Socket): string {
  return sourceNetwork(socket.remoteAddress ?? '')
}

/** One client, from its first byte to its last. */
class Connection {
  readonly #parts: SshListenerParts
  readonly #sourceAddress: string
  readonly #authentication: SshAuthentication
  readonly #leaveStrangers: () => void
  readonly #transport: Transport
  #timer: NodeJS.Timeout
  #unknownMessages = 0
  readonly #places: LobbyPlaces
  readonly #passage: Passage
  #lobby: Lobby | undefined
  #closed: CloseReason | undefined
  /** Stops waiting for the revocation of the key that signed in. */
  #forgetKey: () => void = () => {}

  constructor(socket: Socket, parts: SshListenerParts, among: { strangers: Strangers; places: LobbyPlaces }) {
    this.#parts = parts
    this.#places = among.places
    this.#sourceAddress = plainAddress(socket.remoteAddress ?? '')
    this.#leaveStrangers = among.strangers.enter(networkOf(socket), () => this.#makeRoom())
    const limits = parts.limits()
    this.#authentication = new SshAuthentication({
      send: payload => this.#transport.send(payload),
      disconnect: (reason, text) => this.#transport.disconnect(reason, text),
      sessionId: () => this.#transport.sessionId,
      judgeKey: key => judgeKey(key, this.#sourceAddress, parts.keys),
      openSignIn: (userName, key) => this.#openSignIn(userName, key),
      admit: (principal, userName, proof) => this.#admit(principal, userName, proof),
      banner: bannerText(parts.gatewayName, parts.keys.webUrl),
      maxAttempts: limits.maxAuthenticationAttempts,
    })
    this.#timer = setTimeout(() => this.#tooSlow(), limits.firstRequestTimeoutMs)
    this.#transport = acceptTransport(parts.engine, socket, {
      ident,
      hostKeys: parts.hostKeys(),
      serverSigAlgs: [...signatureAlgorithms],
      limits: transportLimits(limits),
      handlers: {
        ready: () => {},
        message: (payload, sequence) => this.#message(payload, sequence),
        closed: why => this.#onClosed(why),
      },
    })
    this.#passage = new Passage(parts, this.#transport, () => this.#transport.remoteIdent)
  }

  /** The gateway stops, and tells whoever is here. */
  stop(): void {
    this.#end({ reason: 'the gateway stops', userText: 'The gateway is stopping. Connect again later.' })
  }

  /** Everything on this connection, jumps too. */
  #end(ending: Ending): void {
    this.#passage.end(ending)
    this.#lobby?.end(ending)
    this.#transport.disconnect(disconnectReason.byApplication, ending.userText)
  }

  /** Somebody from elsewhere wants in, and all places are taken. */
  #makeRoom(): void {
    this.#transport.disconnect(disconnectReason.tooManyConnections, 'The gateway is busy. Try again later.')
  }

  #tooSlow(): void {
    this.#transport.disconnect(disconnectReason.byApplication, 'The time to sign in is over. Connect again.')
  }

  #message(payload: Buffer, sequence: number): void {
    if (this.#lobby !== undefined) return this.#lobby.fromClient(payload, sequence)
    if (this.#passage.relaying) return this.#passage.fromClient(payload, sequence)
    const number = payload[0] ?? 0
    try {
      if (number === messageNumber.authRequest) this.#allowSignInTime()
      if (number < messageNumber.serviceRequest || (number > 6 && number < messageNumber.authRequest)) {
        return this.#unknown(sequence)
      }
      this.#authentication.message(payload)
    } catch (cause) {
      this.#parts.log.info(
        { source: this.#sourceAddress, cause: reasonOf(cause) },
        'connection ended before sign-in',
      )
      this.#transport.disconnect(disconnectReason.protocolError, userTextOf(cause))
    }
  }

  #unknown(sequence: number): void {
    if (++this.#unknownMessages > maxUnknownMessages) {
      throw new Fault('SSH_PROTOCOL', 'Too many messages that mean nothing here.')
    }
    this.#transport.send(encodeUnimplemented(sequence))
  }

  /** Whoever has started to sign in gets the time that a browser and a second factor take, counted from now once. */
  #allowSignInTime(): void {
    if (this.#signingIn) return
    this.#signingIn = true
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#tooSlow(), this.#parts.limits().loginGraceMs)
  }
  #signingIn = false

  #openSignIn(userName: string, key: ProvenKey | undefined) {
    const { login, target } = parseUserName(userName)
    return this.#parts.signIns.open({
      protocol: 'ssh',
      userName,
      target,
      login,
      sourceAddress: this.#sourceAddress,
      ...(key === undefined ? {} : describeKey(key, this.#parts.keys)),
    })
  }

  /** The one door, then the target. The client hears of success only when both are open. */
  async #admit(principal: Principal, userName: string, proof: SignInProof): Promise<Admission> {
    clearTimeout(this.#timer)
    this.#parts.audit.append({
      kind: 'sign-in',
      issuer: principal.fields.issuer,
      subject: principal.fields.subject,
      principal: principal.fields.name,
      sourceAddress: this.#sourceAddress,
      protocol: 'ssh',
      method: proof.method,
      ...describeProof(proof),
    })
    this.#forgetKey = whenRevoked(proof, this.#parts.keys, ending => this.#end(ending))
    await this.#tellAboutKeys(principal, proof)
    const wish = this.#wish(principal, userName)
    const admission = namesNoTarget(wish, this.#parts)
      ? this.#admitToLobby(principal)
      : await this.#passage.open(wish)
    if (admission.kind === 'refused') return admission
    return { kind: 'admitted', start: () => (this.#leaveStrangers(), admission.start()) }
  }

  /** No session yet: where to is said by a jump. */
  #admitToLobby(principal: Principal): Admission {
    const { transport, sourceAddress } = { transport: this.#transport, sourceAddress: this.#sourceAddress }
    const leave = this.#places.take(principalKey(principal), this.#parts.limits().maxSessionsPerPrincipal)
    if (leave === undefined)
      return { kind: 'refused', userText: 'You have too many open connections. Close one and connect again.' }
    this.#leaveLobby = leave
    const start = (): void => {
      this.#lobby = new Lobby(this.#parts, { principal, sourceAddress, transport })
    }
    if (this.#closed !== undefined) leave()
    return { kind: 'admitted', start }
  }
  #leaveLobby: (() => void) | undefined

  /** A key that signs in without a prompt never does so unseen; what came of the tick is said too. */
  async #tellAboutKeys(principal: Principal, proof: SignInProof): Promise<void> {
    const notice = await noticeOf(proof, principal, this.#sourceAddress, this.#parts.keys)
    if (notice !== '' && this.#closed === undefined) this.#transport.send(encodeBanner(`${notice}\r\n`))
  }

  #wish(principal: Principal, userName: string) {
    const address = parseUserName(userName)
    return { protocol: 'ssh', principal, ...address, sourceAddress: this.#sourceAddress } as const
  }

  #onClosed(why: CloseReason): void {
    this.#closed = why
    clearTimeout(this.#timer)
    this.#leaveStrangers()
    this.#authentication.close()
    this.#passage.clientClosed(why)
    this.#lobby?.close(why)
    this.#leaveLobby?.()
    this.#forgetKey()
  }
}

/** Shown before sign-in. Fair to the people who are watched: it says so. */
function bannerText(gatewayName: string, webUrl: string): string {
  return (
    `You are at ${gatewayName}. Sessions through this gateway are recorded and may be reviewed.\r\n` +
    'Sign in with your browser: the address follows. With BatchMode or -q there is no prompt: sign in once without,\r\n' +
    `and tick on that page that your SSH key signs you in. Your keys: ${webUrl}/keys\r\n`
  )
}
