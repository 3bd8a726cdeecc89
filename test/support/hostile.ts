/** Peers that speak SSH well enough to get in, and then do whatever a test wants; and what the gateway costs meanwhile. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSshPrivateKey } from '../../src/credentials/ssh-key.ts'
import { type Engine, proveEngine } from '../../src/ssh/engine.ts'
import {
  encodeAuthSuccess,
  encodeServiceAccept,
  encodeServiceRequest,
  messageNumber,
} from '../../src/ssh/messages.ts'
import { acceptTransport, type Transport } from '../../src/ssh/transport.ts'
import { byte, string, uint32 } from '../../src/wire.ts'
import { HostilePeer, limits } from '../ssh/peer.ts'
import { people, type World } from './world.ts'

const direction = () => ({
  cipher: ['aes128-gcm@openssh.com'],
  mac: ['hmac-sha2-256-etm@openssh.com'],
  compress: ['none'],
  lang: [] as [],
})

/** A client of the gateway. */
export class HostileClient extends HostilePeer {
  /** Connects and gets through the key exchange. Other loopback addresses are other sources. */
  static async connect(world: World, localAddress = '127.0.0.1'): Promise<HostileClient> {
    proveEngine()
    const client = new HostileClient(await dial(world.sshPort, localAddress), {
      server: false,
      offer: { kex: ['curve25519-sha256'], serverHostKey: ['ssh-ed25519'], cs: direction(), sc: direction() },
    })
    await client.exchanged()
    return client
  }

  /** To the prompt; returns the address to open in the browser. */
  async ask(user: string): Promise<string> {
    this.send(encodeServiceRequest('ssh-userauth'))
    await this.until(messageNumber.serviceAccept)
    this.send(
      byte(messageNumber.authRequest),
      string(user),
      string('ssh-connection'),
      string('keyboard-interactive'),
      string(''),
      string(''),
    )
    const question = await this.until(messageNumber.infoRequest)
    return /(http:\/\/\S+\/sign-in\/\S+)/.exec(question.toString())?.[1] ?? ''
  }

  answer(code: string): void {
    this.send(byte(messageNumber.infoResponse), uint32(1), string(code))
  }

  /** Signed in, as the person who is allowed to. */
  static async signedIn(world: World, user: string): Promise<HostileClient> {
    const client = await HostileClient.connect(world)
    client.answer(await world.codeFor(await client.ask(user), people.ada))
    await client.until(messageNumber.authSuccess)
    return client
  }

  /** The first message of this number; fails if the connection ends before it comes. */
  async until(number: number): Promise<Buffer> {
    for (;;) {
      const found = this.messages.find(message => message[0] === number)
      if (found !== undefined) return found
      if (this.socket.destroyed) throw new Error(`closed: ${this.goodbyes[0]?.text ?? 'without a word'}`)
      await sleep(5)
    }
  }

  /** Has a channel open, number 0 on our side; returns the gateway's number. */
  async openChannel(windowBytes = 2_000_000): Promise<number> {
    this.send(
      byte(messageNumber.channelOpen),
      string('session'),
      uint32(0),
      uint32(windowBytes),
      uint32(32_768),
    )
    return (await this.until(messageNumber.openConfirmation)).readUInt32BE(5)
  }
}

export async function dial(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  socket.on('error', () => {})
  await new Promise(resolve => socket.once('connect', resolve))
  return socket
}

/** What a hostile target does with each message; it may hang up. */
export type Behaviour = {
  /** With the raw socket, before any SSH; true if that is all. */
  readonly onSocket?: (socket: Socket) => boolean
  readonly onReady?: (transport: Transport) => void
  /** False to go on as a decent server would. */
  readonly onMessage?: (payload: Buffer, transport: Transport, socket: Socket) => boolean
}

/** A server that lets anybody in and opens every channel, but for its behaviour. */
export class HostileTarget {
  behaviour: Behaviour = {}
  hostKey = newHostKey()
  /** Messages of all connections. */
  readonly messages: Buffer[] = []
  readonly #server: Server
  readonly #engine: Engine = proveEngine()

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => this.#serve(socket))
  }

  static async start(): Promise<HostileTarget> {
    const server = createServer({ noDelay: true })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new HostileTarget(server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
  }

  #serve(socket: Socket): void {
    socket.on('error', () => {})
    const { behaviour } = this
    if (behaviour.onSocket?.(socket) === true) return
    const transport = acceptTransport(this.#engine, socket, {
      ident: 'OpenSSH_9.9 hostile',
      hostKeys: [this.hostKey],
      serverSigAlgs: ['ssh-ed25519'],
      limits: { ...limits, maxQueuedBytes: 1 << 30 },
      handlers: {
        ready: ready => behaviour.onReady?.(ready),
        message: payload => {
          this.messages.push(payload)
          if (behaviour.onMessage?.(payload, transport, socket) !== true) decent(payload, transport)
        },
        closed: () => {},
      },
    })
  }
}

function decent(payload: Buffer, transport: Transport): void {
  if (payload[0] === messageNumber.serviceRequest) transport.send(encodeServiceAccept('ssh-userauth'))
  if (payload[0] === messageNumber.authRequest) transport.send(encodeAuthSuccess())
  if (payload[0] === messageNumber.channelOpen) {
    const sender = payload.readUInt32BE(5 + payload.readUInt32BE(1))
    transport.send(
      Buffer.concat([
        byte(messageNumber.openConfirmation),
        uint32(sender),
        uint32(0),
        uint32(2_000_000),
        uint32(32_768),
      ]),
    )
  }
  if (payload[0] === messageNumber.channelRequest) {
    const name = payload.toString('latin1', 9, 9 + payload.readUInt32BE(5))
    if (payload[9 + name.length] === 1)
      transport.send(Buffer.concat([byte(messageNumber.channelSuccess), payload.subarray(1, 5)]))
  }
}

export function newHostKey(): string {
  return openSshPrivateKey(generateKeyPairSync('ed25519').privateKey)
}

/** The most memory that the gateway has held since this was made. */
export class MemoryPeak {
  readonly #pid: number
  readonly #before: number

  constructor(world: World) {
    this.#pid = world.gatewayPid
    writeFileSync(`/proc/${this.#pid}/clear_refs`, '5') // proc(5): resets the peak
    this.#before = this.#read('VmRSS')
  }

  /** Bytes above what it held before. */
  get grownBytes(): number {
    return this.#read('VmHWM') - this.#before
  }

  #read(field: string): number {
    const line = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${this.#pid}/status`, 'utf8'),
    )
    return Number(line?.[1] ?? Number.NaN) * 1024
  }
}

/** What every attack of the table may cost at most. */
export const mayGrowBytes = 64 * 1024 * 1024
