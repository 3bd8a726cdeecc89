/**
 * One SSH transport over a socket, as server (`acceptTransport`) or client (`connectTransport`): packets in, packets
 * out. Key exchanges, timers and limits are kept here; user authentication and channels are the caller's messages.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { reasonOf } from '../errors.ts'
import {
  cipherAlgorithms,
  clientKeyExchangeAlgorithms,
  hostKeyAlgorithms,
  macAlgorithms,
  needsStrictKeyExchange,
  serverKeyExchangeAlgorithms,
} from './algorithms.ts'
import type { Engine } from './engine.ts'
import { type Held, HeldMessages } from './held-messages.ts'
import { IdentReader } from './ident.ts'
import { KeyLife } from './key-life.ts'
import type { Negotiated, Offer, ProtocolConfig, ProtocolState } from './library.ts'
import { ownHostKeys } from './own-host-keys.ts'
import { PacketBuffers } from './packet-buffers.ts'

export type TransportLimits = {
  /** For the first key exchange (from the first byte on) and for each later one. */
  readonly keyExchangeTimeoutMs: number
  /** New keys after so many bytes in either direction; RFC 4253, section 9 says at most 1 GiB. */
  readonly rekeyAfterBytes: number
  readonly rekeyAfterMs: number
  /** What may wait for a peer that does not read, or that does not finish a key exchange; beyond it the connection ends. */
  readonly maxQueuedBytes: number
  /** The largest message that is accepted. The engine itself refuses packets over 256 KiB, as OpenSSH does. */
  readonly maxPacketBytes: number
}

export type OfferedHostKey = {
  /** The type that the blob names: `ssh-ed25519`, `ssh-rsa`, `ssh-ed25519-cert-v01@openssh.com`, … */
  readonly algorithm: string
  readonly blob: Buffer
}

export type CloseReason = {
  /** peer: the connection went away; disconnect: the peer said so; local: we ended it. */
  readonly kind: 'peer' | 'disconnect' | 'protocol' | 'timeout' | 'local'
  /** The reason code of RFC 4253, section 11.1, where a DISCONNECT was sent or received. */
  readonly reason: number | undefined
  /** Where kind is 'disconnect' this is the peer's own text: hostile, to be escaped when shown. */
  readonly text: string
  /** What one of the handlers threw, if that is why. */
  readonly error?: unknown
}

export type TransportHandlers = {
  /** The first key exchange is done and, on a client, the host key was accepted. Called at most once. */
  readonly ready: (transport: Transport) => void
  /** One message of type 5, 6, 8–19 or 50 and up, raw. The buffer may be kept; it pins the chunk that it came in. */
  readonly message: (payload: Buffer, sequence: number) => void
  /** The end, exactly once, never from inside a call of ours; nothing is sent or received afterwards. */
  readonly closed: (why: CloseReason) => void
}

export type AcceptOptions = {
  /** The software version that we show, without `SSH-2.0-`. */
  readonly ident: string
  /** Private host keys, PEM. */
  readonly hostKeys: readonly string[]
  /** An OpenSSH host certificate for the Ed25519 key among them, shown to clients that ask for one. */
  readonly hostCertificate?: Buffer
  /** What EXT_INFO lists (RFC 8308): the algorithms that we take user signatures in. */
  readonly serverSigAlgs: readonly string[]
  readonly limits: TransportLimits
  readonly handlers: TransportHandlers
}

export type ConnectOptions = {
  readonly ident: string
  /** Called once, after the server proved that it holds the key. Anything but true, and any exception, refuses. */
  readonly verifyHostKey: (key: OfferedHostKey) => Promise<boolean> | boolean
  /** In our order; default all plain ones. Put first what is pinned, or a server with several keys shows another. */
  readonly hostKeyAlgorithms?: readonly string[]
  readonly limits: TransportLimits
  readonly handlers: TransportHandlers
}

/** RFC 4253, section 11.1. */
const reasonCode = {
  protocolError: 2,
  keyExchangeFailed: 3,
  macError: 5,
  hostKeyNotVerifiable: 9,
  byApplication: 11,
} as const

/** RFC 4253, section 10, and RFC 4252, section 5.1: a sign-in is under way from the one to the other. */
const signInMessage = { begins: 6, ends: 52 } as const

/** Unsent bytes in the socket at which we ask the caller to pause: a few round trips of a fast network. */
const congestedAtBytes = 512 * 1024

/**
 * Unsent bytes at which we read no more of the peer until it has read them: what we answer its requests with is small, and a
 * message that waits costs ten times its own bytes. More than the caller lets pile up when it is told of congestion.
 */
const cloggedAtBytes = 1024 * 1024

/** A server may send EXT_INFO and little else while we judge its host key. */
const maxHeldBeforeReadyBytes = 64 * 1024

/** How long a peer may take to read our DISCONNECT before the socket is destroyed ... */
const disconnectGraceMs = 2_000
/** ... and where data was sent before it that the peer has not taken yet (at most `maxQueuedBytes`). */
const drainGraceMs = 10_000
/** A DISCONNECT alone is smaller: strangers, who are sent nothing else, get only the short grace. */
const maxLastWordsBytes = 4096

/** Longer texts are cut; terminals show one line. */
const maxDisconnectTextBytes = 1_000

/** Of all connections. */
const packetBuffers = new PacketBuffers()

/** Ends the engine's loop over a chunk once the transport has closed. */
const stopped = Symbol('transport closed')

type Role = { peer: 'client' | 'server'; handlers: TransportHandlers; limits: TransportLimits }

/** 'ending': nothing is sent or received any more, but messages from before are still to be delivered. */
type State = 'opening' | 'ready' | 'ending' | 'closed'

class Transport {
  readonly #issued = true
  readonly #socket: Duplex
  readonly #handlers: TransportHandlers
  readonly #limits: TransportLimits
  readonly #exclusiveChunks: boolean
  readonly #isServer: boolean
  #protocol!: ProtocolState
  #ident: IdentReader | undefined
  #remoteIdent = ''
  #negotiated: Negotiated | undefined
  #state: State = 'opening'
  readonly #judge: (() => Promise<boolean>) | undefined
  #judging = false
  /** OpenSSH, at both ends, takes a key exchange during a sign-in for an error. */
  #signIn: 'before' | 'under way' | 'over' = 'before'
  #rekeyIsDue = false
  #parsing = false
  #paused = false
  /** The peer does not read, so neither do we. */
  #clogged = false
  #delivering = false
  readonly #held = new HeldMessages()
  #lateClose: CloseReason | undefined
  #drainListeners: (() => void)[] = []
  #exchangeTimer: NodeJS.Timeout | undefined
  #rekeyTimer: NodeJS.Timeout | undefined
  #corked = false
  /** Where the packet is that is being built. */
  #building: Buffer | undefined
  #bytesIn = 0
  #bytesOut = 0
  readonly #keys: KeyLife

  /** `serverSignatureAlgorithms` of the peer's EXT_INFO (RFC 8308), once it came. */
  peerSignatureAlgorithms: readonly string[] | undefined

  constructor(
    engine: Engine,
    socket: Duplex,
    role: Role,
    config: Partial<ProtocolConfig>,
    judge?: () => Promise<boolean>,
  ) {
    this.#socket = socket
    this.#handlers = role.handlers
    this.#limits = role.limits
    this.#judge = judge
    this.#isServer = role.peer === 'client'
    // Node gives each chunk of a TCP socket its own memory, so deciphering in place harms nobody, and has done with what
    // it was given when it says so. Other streams may not.
    this.#exclusiveChunks = socket instanceof Socket
    this.#ident = new IdentReader(role.peer)
    this.#keys = new KeyLife(role.limits.rekeyAfterBytes)
    this.#protocol = engine.newProtocol({
      ...(config as ProtocolConfig),
      server: this.#isServer,
      maxQueuedBytes: role.limits.maxQueuedBytes,
      ...(this.#exclusiveChunks ? { allocPacket: bytes => this.#allocate(bytes) } : {}),
      onWrite: data => this.#write(data),
      onError: error => this.#fail('protocol', reasonCode.protocolError, error.message, { sent: true }),
      onHandshakeComplete: negotiated => this.#onKeys(negotiated),
      onMessage: (payload, sequence) => this.#onMessage(payload, sequence),
      messageHandlers: {
        DISCONNECT: (_, reason, text) => this.#onDisconnect(reason, text),
        EXT_INFO: (_, extensions) => {
          this.peerSignatureAlgorithms ??= extensions.find(e => e.name === 'server-sig-algs')?.algs
        },
      },
    })
    this.#listen()
    this.#startExchangeTimer()
    this.#protocol.start()
    if (socket.destroyed) this.#fail('peer', undefined, 'the connection closed')
  }

  static is(x: object): x is Transport {
    return #issued in x
  }

  /** H of the first key exchange (RFC 4253, section 7.2): what user authentication signs. */
  get sessionId(): Buffer {
    const id = this.#protocol._kex?.sessionID
    if (id === undefined) throw new TypeError('no session id before the first key exchange')
    return id
  }

  /** The peer's whole identification line, printable US-ASCII; empty before it came. */
  get remoteIdent(): string {
    return this.#remoteIdent
  }

  get negotiated(): Negotiated | undefined {
    return this.#negotiated
  }

  /** Bytes on the wire, so far. */
  get bytesIn(): number {
    return this.#bytesIn
  }

  get bytesOut(): number {
    return this.#bytesOut
  }

  get open(): boolean {
    return this.#state === 'ready'
  }

  /** True while what is sent now would only queue up: the socket is behind, or a key exchange runs. */
  get congested(): boolean {
    return this.#socket.writableLength > congestedAtBytes || this.#exchanging
  }

  /** Unsent bytes of the socket. */
  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  get #exchanging(): boolean {
    return this.#protocol._kexinit !== undefined
  }

  /** Calls back once, as soon as the transport is not congested; never from inside this call. Not at all if it closes first. */
  whenWritable(listener: () => void): void {
    this.#drainListeners.push(listener)
    if (!this.congested) queueMicrotask(() => this.#drained())
  }

  /** Sends one message (first byte: its type). Before `ready` this is a mistake; after the end nothing happens. */
  send(payload: Uint8Array): void {
    this.#send(payload, undefined)
  }

  /** Sends `head` and `data` as one message; both are copied into the packet. */
  sendParts(head: Uint8Array, data: Uint8Array): void {
    this.#send(head, data)
  }

  /** No message is delivered until `resumeReading`. Reading itself goes on only as far as a key exchange needs. */
  pauseReading(): void {
    this.#paused = true
    if (!this.#exchanging) this.#socket.pause()
  }

  resumeReading(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#deliverHeld()
    this.#resumeSocket()
  }

  /** Starts a key exchange, unless one runs; during a sign-in, as soon as that is over. */
  rekey(): void {
    if (this.#state !== 'ready' || this.#exchanging) return
    this.#rekeyIsDue = this.#signIn === 'under way'
    if (this.#rekeyIsDue) return
    this.#keys.ask()
    this.#guard(() => this.#protocol.rekey())
    this.#noteExchange()
  }

  /** Tells the peer why (RFC 4253, section 11.1), then closes. `text` is shown on the user's terminal. */
  disconnect(reason: number, text: string): void {
    this.#fail('local', reason, text)
  }

  /** Closes without a word. */
  close(): void {
    this.#fail('local', undefined, 'closed', { sent: true })
  }

  // ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #send(head: Uint8Array, data: Uint8Array | undefined): void {
    if (!this.#isLive()) return
    if (this.#state === 'opening') throw new TypeError('nothing can be sent before the first key exchange')
    // What a key exchange held back may come on top of what the socket had.
    if (this.#socket.writableLength > this.#limits.maxQueuedBytes + congestedAtBytes) {
      this.#fail('local', reasonCode.byApplication, 'the peer does not read what it asked for')
      return
    }
    this.#guard(() => this.#protocol.sendPayload(head, data))
    if (this.#isServer) this.#noteSignIn(head[0])
    if (this.#keys.isOverOut(this.#bytesOut) || this.#rekeyIsDue) this.rekey()
  }

  /** Once a connection, and only by what servers say: else a peer could put our key exchanges off for ever. */
  #noteSignIn(type: number | undefined): void {
    if (this.#signIn === 'before' && type === signInMessage.begins) this.#signIn = 'under way'
    if (this.#signIn === 'under way' && type === signInMessage.ends) this.#signIn = 'over'
  }

  /** The engine builds one packet at a time, and writes it at once. */
  #allocate(bytes: number): Buffer {
    this.#building = packetBuffers.take(bytes)
    return this.#building?.subarray(0, bytes) ?? Buffer.allocUnsafe(bytes)
  }

  #write(data: Uint8Array): void {
    const socket = this.#socket
    const built = this.#building?.buffer === data.buffer ? this.#building : undefined
    this.#building = undefined
    if (socket.destroyed || socket.writableEnded) return
    this.#bytesOut += data.length
    if (!this.#corked) {
      this.#corked = true
      socket.cork() // one system call for all packets of this turn
      process.nextTick(() => {
        this.#corked = false
        socket.uncork()
      })
    }
    if (built === undefined) socket.write(data)
    else socket.write(data, error => (error == null ? packetBuffers.giveBack(built) : undefined))
    if (socket.writableLength > cloggedAtBytes) this.#clog()
  }

  /** What the chunk that is being read still asks for is answered; then nothing is read until all of it is taken. */
  #clog(): void {
    this.#clogged = true
    this.#socket.pause()
  }

  #unclog(): void {
    this.#clogged = false
    this.#resumeSocket()
    this.#drained()
  }

  /** Runs a piece of the engine; whatever it throws ends this connection and nothing else. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (error === stopped) return
      const text = reasonOf(error)
      const mac = text === 'Invalid MAC'
      this.#fail(
        'protocol',
        mac ? reasonCode.macError : reasonCode.protocolError,
        `malformed packet (${text})`,
      )
    }
  }

  // ── Receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    const socket = this.#socket
    if (socket instanceof Socket) socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('drain', () => this.#unclog())
    socket.on('end', () => this.#fail('peer', undefined, 'the peer closed the connection'))
    socket.on('error', (error: Error) => this.#fail('peer', undefined, error.message))
    socket.on('close', () => this.#fail('peer', undefined, 'the connection closed'))
  }

  #onData(chunk: Buffer): void {
    if (!this.#isLive()) return
    this.#bytesIn += chunk.length
    const own = this.#exclusiveChunks ? chunk : Buffer.from(chunk)
    if (this.#ident === undefined) this.#parse(own)
    else this.#readIdent(this.#ident, own)
  }

  #readIdent(reader: IdentReader, chunk: Buffer): void {
    const step = reader.push(chunk)
    if (step.kind === 'more') return
    if (step.kind === 'refused') {
      this.#fail('protocol', reasonCode.protocolError, step.reason)
      return
    }
    this.#ident = undefined
    this.#remoteIdent = step.text
    this.#parse(Buffer.from(`${step.text}\r\n`, 'latin1'))
    if (step.rest.length > 0 && this.#isLive()) this.#parse(step.rest)
  }

  #parse(chunk: Buffer): void {
    this.#parsing = true
    this.#guard(() => this.#protocol.parse(chunk, 0, chunk.length))
    this.#parsing = false
    if (!this.#isLive()) {
      this.#protocol.cleanup()
      return
    }
    this.#noteExchange()
    if (this.#keys.isOverIn(this.#bytesIn) || this.#rekeyIsDue) this.rekey()
    if (!this.#mayRead()) this.#socket.pause()
  }

  #isLive(): boolean {
    return this.#state === 'opening' || this.#state === 'ready'
  }

  /** A paused transport reads on during a key exchange: else two paused legs could wait for each other for ever. */
  #mayRead(): boolean {
    if (this.#clogged) return false
    return !this.#paused || (this.#exchanging && this.#held.bytes <= this.#limits.maxQueuedBytes)
  }

  #resumeSocket(): void {
    if (this.#isLive() && this.#mayRead()) this.#socket.resume()
  }

  #onMessage(payload: Buffer, sequence: number): void {
    if (!this.#isLive()) throw stopped
    if (!this.#isServer) this.#noteSignIn(payload[0])
    if (payload.length > this.#limits.maxPacketBytes) {
      this.#fail('protocol', reasonCode.protocolError, 'a message is too large')
    } else if (this.#paused || !this.#held.isEmpty || this.#state === 'opening') {
      this.#hold({ payload, sequence })
    } else {
      this.#deliver({ payload, sequence })
    }
    if (!this.#isLive()) throw stopped
  }

  #hold(message: Held): void {
    this.#held.add(message)
    if (this.#state === 'opening' && this.#held.bytes > maxHeldBeforeReadyBytes)
      this.#fail('protocol', reasonCode.protocolError, 'messages before they were asked for')
  }

  #deliver(message: Held): void {
    this.#call(() => this.#handlers.message(message.payload, message.sequence))
  }

  #deliverHeld(): void {
    if (this.#delivering) return
    this.#delivering = true
    this.#held.deliver(
      () => !this.#paused && (this.#state === 'ready' || this.#state === 'ending'),
      message => this.#deliver(message),
    )
    this.#delivering = false
    if (this.#lateClose !== undefined && this.#held.isEmpty) this.#end(this.#lateClose)
  }

  /** Runs a handler; a handler that throws ends the connection, and the peer does not learn why. */
  #call(handler: () => void): void {
    try {
      handler()
    } catch (error) {
      this.#fail('local', reasonCode.byApplication, 'internal error', { error })
    }
  }

  #onDisconnect(reason: number, text: string): void {
    this.#fail('disconnect', reason, text, { sent: true })
    throw stopped
  }

  // ── Key exchange ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Arms the timer when a key exchange was started by either side, and keeps a paused socket readable for it. */
  #noteExchange(): void {
    if (!this.#exchanging || this.#exchangeTimer !== undefined || !this.#isLive()) return
    this.#startExchangeTimer()
    this.#resumeSocket()
  }

  #startExchangeTimer(): void {
    this.#exchangeTimer = setTimeout(
      () => this.#fail('timeout', reasonCode.keyExchangeFailed, 'the key exchange took too long'),
      this.#limits.keyExchangeTimeoutMs,
    )
  }

  #onKeys(negotiated: Negotiated): void {
    this.#negotiated = negotiated
    const objection = this.#weakness(negotiated) ?? this.#hurry()
    if (objection !== undefined) {
      this.#fail('protocol', reasonCode.keyExchangeFailed, objection)
      throw stopped
    }
    this.#keys.renew(this)
    clearTimeout(this.#rekeyTimer)
    this.#rekeyTimer = setTimeout(() => this.rekey(), this.#limits.rekeyAfterMs)
    if (this.#state === 'opening') this.#onFirstKeys()
    else {
      this.#clearExchangeTimer()
      queueMicrotask(() => this.#drained())
    }
  }

  /** Also at further key exchanges of a server that is still being judged. */
  #onFirstKeys(): void {
    if (this.#judging) return
    if (this.#judge === undefined) {
      this.#clearExchangeTimer()
      this.#becomeReady()
      return
    }
    this.#judging = true
    void this.#judgeHostKey(this.#judge)
  }

  #hurry(): string | undefined {
    return this.#keys.mayRenew(this) ? undefined : 'too many key exchanges'
  }

  /** Without strict key exchange, a stranger on the path can cut the beginning off some streams (CVE-2023-48795). */
  #weakness(negotiated: Negotiated): string | undefined {
    if (this.#protocol._strictMode === true) return undefined
    const cipher = [negotiated.cs.cipher, negotiated.sc.cipher].find(needsStrictKeyExchange)
    return cipher === undefined
      ? undefined
      : `${cipher} needs strict key exchange, which the peer does not know; aes128-gcm@openssh.com does not`
  }

  #clearExchangeTimer(): void {
    clearTimeout(this.#exchangeTimer)
    this.#exchangeTimer = undefined
  }

  /** The exchange timer keeps running meanwhile, and messages are held. */
  async #judgeHostKey(judge: () => Promise<boolean>): Promise<void> {
    let refused: { error?: unknown } | undefined
    try {
      const verdict: unknown = await judge()
      if (verdict !== true) refused = {}
    } catch (error) {
      refused = { error }
    }
    if (this.#state !== 'opening') return
    if (refused !== undefined) {
      this.#fail('local', reasonCode.hostKeyNotVerifiable, 'the host key was not accepted', refused)
      return
    }
    this.#clearExchangeTimer()
    this.#becomeReady()
    this.#deliverHeld()
  }

  #becomeReady(): void {
    this.#state = 'ready'
    this.#call(() => this.#handlers.ready(this))
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #drained(): void {
    if (this.#state !== 'ready' || this.congested) return
    const listeners = this.#drainListeners
    this.#drainListeners = []
    for (const listener of listeners) this.#call(listener)
    if (this.#paused && !this.#mayRead()) this.#socket.pause()
  }

  #fail(
    kind: CloseReason['kind'],
    reason: number | undefined,
    text: string,
    more: { sent?: boolean; error?: unknown } = {},
  ): void {
    if (this.#state === 'closed' || (this.#state === 'ending' && kind !== 'local')) return
    const wasReady = this.#state === 'ready'
    if (reason !== undefined && more.sent !== true && this.#isLive()) this.#sayGoodbye(reason, text)
    const why: CloseReason = { kind, reason, text, ...('error' in more ? { error: more.error } : {}) }
    this.#hangUp()
    // What came before the peer's end still belongs to the caller, once it reads again.
    if ((kind === 'peer' || kind === 'disconnect') && wasReady && !this.#held.isEmpty) this.#lateClose = why
    else this.#end(why)
  }

  #sayGoodbye(reason: number, text: string): void {
    try {
      this.#protocol.disconnect(reason, Buffer.from(text).subarray(0, maxDisconnectTextBytes).toString())
    } catch {
      // It is ending anyway.
    }
  }

  #hangUp(): void {
    if (!this.#isLive()) return
    this.#state = 'ending'
    this.#clearExchangeTimer()
    clearTimeout(this.#rekeyTimer)
    if (!this.#parsing) this.#protocol.cleanup()
    const socket = this.#socket
    if (socket.destroyed) return
    destroyAfterGrace(socket)
    socket.end()
    socket.resume() // unread bytes would turn our end into a reset, and the peer would not see the reason
  }

  #end(why: CloseReason): void {
    this.#state = 'closed'
    this.#lateClose = undefined
    this.#held.clear()
    this.#drainListeners = []
    queueMicrotask(() => {
      try {
        this.#handlers.closed(why)
      } catch (error) {
        process.emitWarning(reasonOf(error), 'TransportHandler')
      }
    })
  }
}
export type { Transport }

/** A slow reader gets what was sent, and nobody keeps the socket for ever. Call it before the socket is ended. */
function destroyAfterGrace(socket: Duplex): void {
  const graceMs = socket.writableLength > maxLastWordsBytes ? drainGraceMs : disconnectGraceMs
  const grace = setTimeout(() => socket.destroy(), graceMs)
  socket.once('close', () => clearTimeout(grace))
}

/** Serves the SSH transport to a client that connected. */
export function acceptTransport(engine: Engine, socket: Duplex, o: AcceptOptions): Transport {
  const { hostKeys, offered } = ownHostKeys(engine, o.hostKeys, o.hostCertificate)
  return new Transport(
    engine,
    socket,
    { peer: 'client', handlers: o.handlers, limits: o.limits },
    {
      ident: o.ident,
      hostKeys,
      serverSigAlgs: o.serverSigAlgs.join(','),
      offer: offer(engine, serverKeyExchangeAlgorithms, offered),
    },
  )
}

/** Speaks to a server over a connected socket. */
export function connectTransport(engine: Engine, socket: Duplex, o: ConnectOptions): Transport {
  let shown: Buffer | undefined
  const judge = async () => shown !== undefined && (await o.verifyHostKey(describe(shown)))
  return new Transport(
    engine,
    socket,
    { peer: 'server', handlers: o.handlers, limits: o.limits },
    {
      ident: o.ident,
      offer: offer(engine, clientKeyExchangeAlgorithms, o.hostKeyAlgorithms ?? hostKeyAlgorithms),
      // The engine asks before the server has proven the key, and again at each later exchange: remember the first,
      // accept no other, and let the caller judge once the signature is verified.
      hostVerifier: blob => {
        shown ??= Buffer.from(blob)
        return shown.equals(blob)
      },
    },
    judge,
  )
}

function describe(blob: Buffer): OfferedHostKey {
  return { algorithm: blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1'), blob }
}

function offer(engine: Engine, kex: readonly string[], serverHostKey: readonly string[]): Offer {
  const direction = () => ({
    cipher: cipherAlgorithms(engine.hasChacha20),
    mac: macAlgorithms,
    compress: ['none'],
    lang: [] as [],
  })
  return { kex, serverHostKey, cs: direction(), sc: direction() }
}
