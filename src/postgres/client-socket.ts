/** From an accepted socket to a StartupMessage or a CancelRequest, encrypted where the client asks for it. */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { ByteSource } from './byte-source.ts'
import { type FinalPacket, firstPhase, type Phase, step, tlsFirstByte } from './wire/negotiation.ts'
import { packetLength, readPacket } from './wire/startup.ts'

/** The name that both sides must mean (RFC 7301); direct TLS is refused without it, so that no HTTPS ends up here. */
const alpnProtocol = 'postgresql'

/** With tickets a client could come back without showing its certificate. PostgreSQL's own server gives none either. */
export const clientTlsOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

export type NegotiatedClient = {
  /** The socket that frames go through: the TLS one if there is TLS. */
  readonly socket: Socket
  readonly source: ByteSource
  readonly packet: FinalPacket
  readonly encrypted: boolean
  readonly tlsServerName: string | undefined
  /** DER. TLS proved that the client holds the key; nothing else was checked. */
  readonly clientCertificate: Buffer | undefined
}

/**
 * Negotiates. Undefined if the client left, spoke something else, or broke a rule of the protocol: then the socket is
 * destroyed without a word, since whoever sent that would not understand one.
 */
export async function negotiate(
  socket: Socket,
  tls: SecureContext | undefined,
): Promise<NegotiatedClient | undefined> {
  const client = await new Negotiation(socket, tls).run()
  if (client === undefined) socket.destroy()
  return client
}

class Negotiation {
  #socket: Socket
  #source: ByteSource
  #phase: Phase = firstPhase
  readonly #tls: SecureContext | undefined

  constructor(socket: Socket, tls: SecureContext | undefined) {
    this.#socket = socket
    this.#source = new ByteSource(socket)
    this.#tls = tls
  }

  async run(): Promise<NegotiatedClient | undefined> {
    if ((await this.#source.peek()) === tlsFirstByte && !(await this.#begin('direct'))) return undefined
    for (;;) {
      const packet = await this.#packet()
      if (packet === undefined) return undefined
      const next = step(this.#phase, packet, { tlsOffered: this.#tls !== undefined })
      if (next.do === 'close') return undefined
      if (next.do === 'finish') return this.#finish(next.packet)
      if (next.do === 'say-no') this.#socket.write('N')
      else if (!(await this.#begin('asked'))) return undefined
      this.#phase = next.next
    }
  }

  async #packet() {
    const first4 = await this.#source.take(4)
    const length = first4 === undefined ? undefined : packetLength(first4)
    if (first4 === undefined || length === undefined) return undefined
    const rest = await this.#source.take(length - 4)
    return rest === undefined ? undefined : readPacket(Buffer.concat([first4, rest]))
  }

  /** False if there can be no TLS. CVE-2021-23214: bytes that came in clear before it must not count as said inside it. */
  async #begin(how: 'asked' | 'direct'): Promise<boolean> {
    if (this.#tls === undefined) return false
    if (how === 'asked' && this.#source.waitingBytes > 0) return false
    this.#source.release()
    if (how === 'asked') this.#socket.write('S')
    const secure = wrap(this.#socket, this.#tls)
    if (!(await handshake(secure))) return false
    if (how === 'direct' && secure.alpnProtocol !== alpnProtocol) return false
    this.#socket = secure
    this.#source = new ByteSource(secure)
    this.#phase = { ...this.#phase, tls: how }
    return true
  }

  #finish(packet: FinalPacket): NegotiatedClient {
    const secure = this.#socket instanceof TLSSocket ? this.#socket : undefined
    return {
      socket: this.#socket,
      source: this.#source,
      packet,
      encrypted: secure !== undefined,
      tlsServerName: serverNameOf(secure),
      clientCertificate: secure?.getPeerX509Certificate()?.raw,
    }
  }
}

function wrap(socket: Socket, secureContext: SecureContext): TLSSocket {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    requestCert: true, // a certificate of ours signs in; whoever has none says so and is asked for a password
    rejectUnauthorized: false,
    ALPNProtocols: [alpnProtocol],
  })
  secure.on('error', () => secure.destroy())
  return secure
}

function handshake(secure: TLSSocket): Promise<boolean> {
  return new Promise(resolve => {
    secure.once('secure', () => resolve(true))
    secure.once('close', () => resolve(false))
  })
}

/** Undefined or `false` if the client named none. */
function serverNameOf(secure: TLSSocket | undefined): string | undefined {
  const name: unknown = secure === undefined ? undefined : Reflect.get(secure, 'servername')
  return typeof name === 'string' && name !== '' ? name.toLowerCase() : undefined
}
