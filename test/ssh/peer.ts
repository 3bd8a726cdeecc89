/** Peers for transport tests: well-behaved transports on both ends of a socket, and a hostile one that may send anything. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Engine } from '../../src/ssh/engine.ts'
import { loadLibrary, type ProtocolConfig, type ProtocolState } from '../../src/ssh/library.ts'
import {
  acceptTransport,
  type CloseReason,
  type ConnectOptions,
  connectTransport,
  type Transport,
  type TransportLimits,
} from '../../src/ssh/transport.ts'

export const limits: TransportLimits = {
  keyExchangeTimeoutMs: 20_000,
  rekeyAfterBytes: 1 << 30,
  rekeyAfterMs: 3_600_000,
  maxQueuedBytes: 8 << 20,
  maxPacketBytes: 35_000,
}

/** A private host key as the gateway gets it: PEM. ECDSA, since `node:crypto` writes no OpenSSH format for Ed25519. */
export function hostKeyPem(): string {
  const pair: { privateKey: KeyObject } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return pair.privateKey.export({ type: 'sec1', format: 'pem' }) as string
}

/** What a transport told its handlers. */
export class Witness {
  readonly messages: Buffer[] = []
  readonly sequences: number[] = []
  readonly closings: CloseReason[] = []
  readyCount = 0
  onMessage: (payload: Buffer, transport: Transport) => void = () => undefined
  transport!: Transport
  readonly #ready = Promise.withResolvers<Transport>()
  readonly #closed = Promise.withResolvers<CloseReason>()

  readonly handlers = {
    ready: (transport: Transport): void => {
      this.transport = transport
      this.readyCount += 1
      this.#ready.resolve(transport)
    },
    message: (payload: Buffer, sequence: number): void => {
      this.messages.push(payload)
      this.sequences.push(sequence)
      this.onMessage(payload, this.transport)
    },
    closed: (why: CloseReason): void => {
      this.closings.push(why)
      this.#closed.resolve(why)
    },
  }

  get ready(): Promise<Transport> {
    return Promise.race([
      this.#ready.promise,
      this.#closed.promise.then(why =>
        Promise.reject(new Error(`closed before ready: ${why.kind} ${why.text}`)),
      ),
    ])
  }

  get closed(): Promise<CloseReason> {
    return this.#closed.promise
  }

  /** Resolves when so many messages arrived. */
  async received(count: number): Promise<void> {
    while (this.messages.length < count) {
      if (this.closings.length > 0)
        throw new Error(
          `closed after ${this.messages.length} of ${count} messages: ${this.closings[0]?.text}`,
        )
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

/** Two ends of one TCP connection on loopback. */
export async function socketPair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const accepted = new Promise<Socket>(resolve => server.once('connection', resolve))
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const far = await accepted
  server.close()
  return { near, far }
}

/** A server transport on one end; the other end is the test's to write to. */
export async function acceptOne(
  engine: Engine,
  o: { limits?: Partial<TransportLimits>; hostKeys?: readonly string[] } = {},
): Promise<{ witness: Witness; transport: Transport; socket: Socket }> {
  const { near, far } = await socketPair()
  const witness = new Witness()
  const transport = acceptTransport(engine, far, {
    ident: 'OpenSSH_9.9 test',
    hostKeys: o.hostKeys ?? [hostKeyPem()],
    serverSigAlgs: ['ssh-ed25519', 'rsa-sha2-512'],
    limits: { ...limits, ...o.limits },
    handlers: witness.handlers,
  })
  near.on('error', () => undefined)
  return { witness, transport, socket: near }
}

/** Transports on both ends, before either is ready. */
export async function transportPair(
  engine: Engine,
  o: {
    server?: Partial<TransportLimits>
    client?: Partial<TransportLimits>
    hostKeys?: readonly string[]
    verifyHostKey?: ConnectOptions['verifyHostKey']
  } = {},
): Promise<{
  server: Witness
  client: Witness
  clientTransport: Transport
  serverTransport: Transport
  sockets: { near: Socket; far: Socket }
}> {
  const sockets = await socketPair()
  const server = new Witness()
  const client = new Witness()
  const serverTransport = acceptTransport(engine, sockets.far, {
    ident: 'OpenSSH_9.9 server',
    hostKeys: o.hostKeys ?? [hostKeyPem()],
    serverSigAlgs: ['ssh-ed25519'],
    limits: { ...limits, ...o.server },
    handlers: server.handlers,
  })
  const clientTransport = connectTransport(engine, sockets.near, {
    ident: 'OpenSSH_9.9 client',
    verifyHostKey: o.verifyHostKey ?? (() => true),
    limits: { ...limits, ...o.client },
    handlers: client.handlers,
  })
  return { server, client, serverTransport, clientTransport, sockets }
}

/**
 * An end that speaks SSH well enough to get through a key exchange, and then sends whatever the test wants: any message
 * at any time, any bytes on the wire.
 */
export class HostilePeer {
  readonly protocol: ProtocolState
  readonly socket: Socket
  readonly messages: Buffer[] = []
  readonly goodbyes: { reason: number; text: string }[] = []
  signatureAlgorithms: readonly string[] | undefined
  /** While false, nothing that arrives is looked at. */
  listening = true
  /** Changes what goes over the wire. */
  tamper: (data: Buffer) => Buffer = data => data
  readonly #keys: (() => void)[] = []
  #exchanges = 0

  constructor(socket: Socket, config: Partial<ProtocolConfig> & Pick<ProtocolConfig, 'server'>) {
    this.socket = socket
    const direction = () => ({
      cipher: ['aes128-gcm@openssh.com'],
      mac: ['hmac-sha2-256-etm@openssh.com'],
      compress: ['none'],
      lang: [] as [],
    })
    this.protocol = new (loadLibrary().Protocol)({
      ident: 'hostile',
      offer: {
        kex: ['curve25519-sha256'],
        serverHostKey: ['ecdsa-sha2-nistp256'],
        cs: direction(),
        sc: direction(),
      },
      hostVerifier: () => true,
      onWrite: data => this.write(this.tamper(Buffer.from(data))),
      onError: () => undefined,
      onHandshakeComplete: () => {
        this.#exchanges += 1
        for (const resolve of this.#keys.splice(0)) resolve()
      },
      onMessage: payload => void this.messages.push(payload),
      messageHandlers: {
        DISCONNECT: (_, reason, text) => void this.goodbyes.push({ reason, text }),
        EXT_INFO: (_, extensions) => {
          this.signatureAlgorithms = extensions.find(e => e.name === 'server-sig-algs')?.algs
        },
      },
      ...config,
    })
    socket.on('data', (chunk: Buffer) => {
      if (!this.listening) return
      try {
        this.protocol.parse(chunk, 0, chunk.length)
      } catch {
        this.listening = false
      }
    })
    this.protocol.start()
  }

  write(data: Uint8Array): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(data)
  }

  /** After the next key exchange, or at once if `count` were finished already. */
  async exchanged(count = 1): Promise<void> {
    while (this.#exchanges < count) await new Promise<void>(resolve => this.#keys.push(resolve))
  }

  send(...bytes: (number | string | Uint8Array)[]): void {
    this.protocol.sendPayload(
      Buffer.concat(
        bytes.map(b =>
          typeof b === 'number' ? Buffer.from([b]) : typeof b === 'string' ? Buffer.from(b) : b,
        ),
      ),
    )
  }

  /** Sends at once what a decent peer would keep back until its key exchange is done. */
  sendDuringExchange(...bytes: (number | string | Uint8Array)[]): void {
    const own = this.protocol as unknown as {
      _kexinit: unknown
      _packetRW: { write: { allocStart: number } }
    }
    const { _kexinit } = own
    Object.assign(own, { _kexinit: undefined })
    Object.assign(own._packetRW.write, { allocStart: 5 })
    this.send(...bytes)
    Object.assign(own._packetRW.write, { allocStart: 0 })
    Object.assign(own, { _kexinit })
  }

  /** Everything until the connection is gone. */
  async gone(): Promise<void> {
    if (this.socket.destroyed) return
    this.socket.resume()
    await new Promise(resolve => this.socket.once('close', resolve))
  }
}

/** One unencrypted packet (RFC 4253, section 6), as before the first key exchange. */
export function plainPacket(payload: Uint8Array): Buffer {
  const padding = 8 - ((5 + payload.length) % 8) + 8
  const packet = Buffer.alloc(5 + payload.length + padding)
  packet.writeUInt32BE(1 + payload.length + padding)
  packet[4] = padding
  packet.set(payload, 5)
  return packet
}

/** KEXINIT with the given name-lists (RFC 4253, section 7.1). */
export function keyExchangeInit(
  lists: Partial<Record<'kex' | 'hostKey' | 'cipher' | 'mac' | 'compression', string>>,
  firstFollows = false,
): Buffer {
  const string = (text: string) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    return Buffer.concat([length, Buffer.from(text)])
  }
  const cipher = string(lists.cipher ?? 'aes128-gcm@openssh.com')
  const mac = string(lists.mac ?? 'hmac-sha2-256-etm@openssh.com')
  const compression = string(lists.compression ?? 'none')
  return Buffer.concat([
    Buffer.from([20]),
    Buffer.alloc(16, 7),
    string(lists.kex ?? 'curve25519-sha256'),
    string(lists.hostKey ?? 'ecdsa-sha2-nistp256'),
    cipher,
    cipher,
    mac,
    mac,
    compression,
    compression,
    string(''),
    string(''),
    Buffer.from([firstFollows ? 1 : 0, 0, 0, 0, 0]),
  ])
}
