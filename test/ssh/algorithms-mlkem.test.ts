/**
 * `mlkem768x25519-sha256` (RFC 10042) against ends that are written here from the RFC alone and share no code with ours:
 * what they compute must be what we computed, or the session identifier, the signature and the first packet would not fit.
 */
import {
  createDecipheriv,
  createHash,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import {
  clientKeyExchangeAlgorithms,
  postQuantumKeyExchange,
  serverKeyExchangeAlgorithms,
} from '../../src/ssh/algorithms.ts'
import { proveEngine } from '../../src/ssh/engine.ts'
import { loadLibrary, type ParsedKey, type ProtocolState } from '../../src/ssh/library.ts'
import { connectTransport } from '../../src/ssh/transport.ts'
import { string, WireReader } from '../../src/wire.ts'
import {
  acceptOne,
  HostilePeer,
  hostKeyPem,
  keyExchangeInit,
  limits,
  plainPacket,
  socketPair,
  transportPair,
  Witness,
} from './peer.ts'

const engine = proveEngine()
const ident = 'SSH-2.0-independent'
const message = { disconnect: 1, newKeys: 21, init: 30, reply: 31, data: 94 } as const

/** Bytes as they are on the wire, from JSON Web Keys and not from DER, which ours uses. */
function rawPublic(key: KeyObject): Buffer {
  const { x, pub } = key.export({ format: 'jwk' }) as { x?: string; pub?: string }
  return Buffer.from(x ?? pub ?? '', 'base64url')
}
const x25519Key = (raw: Buffer) =>
  createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x: raw.toString('base64url') } })
const mlkemKey = (raw: Buffer) =>
  createPublicKey({
    format: 'jwk',
    key: { kty: 'AKP', alg: 'ML-KEM-768', pub: raw.toString('base64url') } as never,
  })

/** Takes unencrypted packets (RFC 4253, section 6) off a socket, after the identification line. */
class PlainReader {
  #bytes: Buffer = Buffer.alloc(0)
  #wake: () => void = () => undefined
  #ended = false
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      if (this.#ended) throw new Error('the connection ended')
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  async line(): Promise<string> {
    let text = ''
    while (!text.endsWith('\r\n')) text += (await this.bytes(1)).toString('latin1')
    return text.slice(0, -2)
  }

  async payload(): Promise<Buffer> {
    const length = (await this.bytes(4)).readUInt32BE()
    const packet = await this.bytes(length)
    return packet.subarray(1, length - (packet[0] ?? 0))
  }

  end(): void {
    this.#socket.destroy()
  }
}

const sha256 = (...parts: (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

type Transcript = {
  clientIdent: string
  serverIdent: string
  clientInit: Buffer
  serverInit: Buffer
  hostKey: Buffer
  cInit: Buffer
  sReply: Buffer
  secret: Buffer
}

/** RFC 10042, section 2.4 (and RFC 4253, section 8): every part is a string, K too. */
function exchangeHash(t: Transcript): Buffer {
  return sha256(
    string(t.clientIdent),
    string(t.serverIdent),
    string(t.clientInit),
    string(t.serverInit),
    string(t.hostKey),
    string(t.cInit),
    string(t.sReply),
    string(t.secret),
  )
}

/** What the other side sends first under AES-128-GCM (RFC 5647), opened with keys derived here (RFC 4253, section 7.2). */
async function firstSealed(reader: PlainReader, letters: { iv: string; key: string }, t: Transcript) {
  const hash = exchangeHash(t)
  const derived = (letter: string) => sha256(string(t.secret), hash, letter, hash)
  const length = await reader.bytes(4)
  const sealed = await reader.bytes(length.readUInt32BE() + 16)
  const iv = derived(letters.iv).subarray(0, 12)
  const decipher = createDecipheriv('aes-128-gcm', derived(letters.key).subarray(0, 16), iv)
  decipher.setAAD(length).setAuthTag(sealed.subarray(-16))
  const packet = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
  return packet.subarray(1, packet.length - (packet[0] ?? 0))
}

const kexInit = () => keyExchangeInit({ kex: postQuantumKeyExchange })

function ourHostKey() {
  const pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
  })
  const { x, y } = pair.publicKey.export({ format: 'jwk' })
  const point = Buffer.concat([Buffer.from([4]), ...[x, y].map(part => Buffer.from(part ?? '', 'base64url'))])
  const blob = Buffer.concat([string('ecdsa-sha2-nistp256'), string('nistp256'), string(point)])
  return { ...pair, blob, pem: pair.privateKey.export({ type: 'sec1', format: 'pem' }) as string }
}

/** A client up to its KEXINIT, and the server's. */
async function clientOf(hostKey: string) {
  const accepted = await acceptOne(engine, { hostKeys: [hostKey] })
  const reader = new PlainReader(accepted.socket)
  const clientInit = kexInit()
  accepted.socket.write(Buffer.concat([Buffer.from(`${ident}\r\n`), plainPacket(clientInit)]))
  const serverIdent = await reader.line()
  const serverInit = Buffer.from(await reader.payload())
  return { ...accepted, reader, clientInit, serverIdent, serverInit }
}

/** Our client transport, and a server up to having read C_INIT. */
async function serverOf(hostKey: Buffer) {
  const { near, far } = await socketPair()
  far.on('error', () => undefined)
  const witness = new Witness()
  connectTransport(engine, near, {
    ident: 'ours',
    verifyHostKey: key => key.blob.equals(hostKey),
    limits,
    handlers: witness.handlers,
  })
  const reader = new PlainReader(far)
  const serverInit = kexInit()
  far.write(Buffer.concat([Buffer.from(`${ident}\r\n`), plainPacket(serverInit)]))
  const clientIdent = await reader.line()
  const clientInit = Buffer.from(await reader.payload())
  const packet = await reader.payload()
  expect(packet[0]).toBe(message.init)
  const cInit = Buffer.from(new WireReader(packet.subarray(1)).string())
  return { witness, socket: far, reader, serverInit, clientIdent, clientInit, cInit }
}

/** The server's half of the computation. */
function answer(cInit: Buffer) {
  const { ciphertext, sharedKey } = encapsulate(mlkemKey(cInit.subarray(0, 1184)))
  const own = generateKeyPairSync('x25519')
  const classic = diffieHellman({ privateKey: own.privateKey, publicKey: x25519Key(cInit.subarray(1184)) })
  return {
    ciphertext,
    x25519: rawPublic(own.publicKey),
    secret: sha256(sharedKey, classic),
  }
}

function replyPacket(hostKey: Buffer, sReply: Buffer, signature: Buffer): Buffer {
  return plainPacket(
    Buffer.concat([Buffer.from([message.reply]), string(hostKey), string(sReply), string(signature)]),
  )
}

/** RFC 5656, section 3.1.2; the test's own half of what a server proves. */
function ecdsaSignature(key: KeyObject, hash: Buffer): Buffer {
  const raw = sign('sha256', hash, { key, dsaEncoding: 'ieee-p1363' })
  const mpint = (part: Buffer) => {
    const first = part.findIndex(byte => byte !== 0)
    const body = part.subarray(first)
    return string((body[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), body]) : body)
  }
  const pair = Buffer.concat([mpint(raw.subarray(0, 32)), mpint(raw.subarray(32))])
  return Buffer.concat([string('ecdsa-sha2-nistp256'), string(pair)])
}

function ecdsaHolds(key: KeyObject, hash: Buffer, signature: Buffer): boolean {
  const outer = new WireReader(signature)
  expect(outer.text()).toBe('ecdsa-sha2-nistp256')
  const inner = new WireReader(outer.string())
  const part = () => {
    const bytes = inner.string()
    return Buffer.concat([Buffer.alloc(33 - Math.min(33, bytes.length)), bytes]).subarray(-32)
  }
  const raw = Buffer.concat([part(), part()])
  return verify('sha256', hash, { key, dsaEncoding: 'ieee-p1363' }, raw)
}

/** Points of order 1, 2, 4 and 8, and one that is zero modulo p (RFC 7748, section 6.1: the result is all zeros). */
const smallOrderPoints = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(hex => Buffer.from(hex, 'hex'))

/** DISCONNECT with this reason, before any keys. */
async function expectKeyExchangeFailed(reader: PlainReader): Promise<void> {
  let payload = await reader.payload()
  while (payload[0] !== message.disconnect) payload = await reader.payload()
  expect(payload.readUInt32BE(1)).toBe(3)
}

test('is the first that both of our legs offer', () => {
  expect(serverKeyExchangeAlgorithms[0]).toBe('mlkem768x25519-sha256')
  expect(clientKeyExchangeAlgorithms[0]).toBe('mlkem768x25519-sha256')
})

describe('a client whose', () => {
  const goodMlkem = () => rawPublic(generateKeyPairSync('ml-kem-768').publicKey)
  const goodX25519 = () => rawPublic(generateKeyPairSync('x25519').publicKey)
  const refused: [string, () => Buffer][] = [
    ['C_INIT is empty', () => Buffer.alloc(0)],
    ['C_INIT is only an X25519 key', () => goodX25519()],
    ['C_INIT is only an ML-KEM key', () => goodMlkem()],
    ['C_INIT is a byte short', () => Buffer.concat([goodMlkem(), goodX25519().subarray(1)])],
    ['C_INIT is a byte long', () => Buffer.concat([goodMlkem(), goodX25519(), Buffer.alloc(1)])],
    ['C_INIT is in the wrong order', () => Buffer.concat([goodX25519(), goodMlkem()]).fill(0xff, 32, 64)],
    [
      'ML-KEM key has coefficients that are not reduced (FIPS 203, section 7.2)',
      () => Buffer.concat([goodMlkem().fill(0xff, 0, 3), goodX25519()]),
    ],
    ...smallOrderPoints.map((point): [string, () => Buffer] => [
      `X25519 key is ${point.toString('hex', 0, 4)}…, of small order`,
      () => Buffer.concat([goodMlkem(), point]),
    ]),
  ]
  test.each(refused)('%s is refused with KEY_EXCHANGE_FAILED', async (_, cInit) => {
    const client = await clientOf(hostKeyPem())
    client.socket.write(plainPacket(Buffer.concat([Buffer.from([message.init]), string(cInit())])))
    await expectKeyExchangeFailed(client.reader)
    expect(await client.witness.closed).toMatchObject({ kind: 'protocol' })
    expect(client.witness.readyCount).toBe(0)
    client.reader.end()
  })

  // Repeated, since half of all secrets would look the same as an mpint.
  test('C_INIT is right gets the secret that the RFC says, and keys from it', { repeats: 7 }, async () => {
    const hostKey = ourHostKey()
    const client = await clientOf(hostKey.pem)
    const mlkem = generateKeyPairSync('ml-kem-768')
    const x25519 = generateKeyPairSync('x25519')
    const cInit = Buffer.concat([rawPublic(mlkem.publicKey), rawPublic(x25519.publicKey)])
    expect(cInit.length).toBe(1184 + 32)
    client.socket.write(plainPacket(Buffer.concat([Buffer.from([message.init]), string(cInit)])))
    const reply = new WireReader(Buffer.from(await client.reader.payload()).subarray(1))
    const [shown, sReply, signature] = [reply.string(), reply.string(), reply.string()]
    reply.end()
    expect(shown.equals(hostKey.blob)).toBe(true)
    expect(sReply.length).toBe(1088 + 32)
    const secret = sha256(
      decapsulate(mlkem.privateKey, sReply.subarray(0, 1088)),
      diffieHellman({ privateKey: x25519.privateKey, publicKey: x25519Key(sReply.subarray(1088)) }),
    )
    const transcript: Transcript = { ...client, clientIdent: ident, hostKey: shown, cInit, sReply, secret }
    expect(ecdsaHolds(hostKey.publicKey, exchangeHash(transcript), signature)).toBe(true)
    expect((await client.reader.payload())[0]).toBe(message.newKeys)
    client.socket.write(plainPacket(Buffer.from([message.newKeys])))
    const transport = await client.witness.ready
    expect(transport.sessionId.equals(exchangeHash(transcript))).toBe(true)
    transport.send(Buffer.from([message.data, 1, 2, 3]))
    const first = await firstSealed(client.reader, { iv: 'B', key: 'D' }, transcript)
    expect([...first]).toEqual([message.data, 1, 2, 3])
    transport.close()
    client.reader.end()
  })
})

describe('a server whose', () => {
  const refused: [string, (good: ReturnType<typeof answer>) => Buffer][] = [
    ['S_REPLY is empty', () => Buffer.alloc(0)],
    ['S_REPLY is only an X25519 key', good => good.x25519],
    ['S_REPLY is a byte short', good => Buffer.concat([good.ciphertext, good.x25519.subarray(1)])],
    ['S_REPLY is a byte long', good => Buffer.concat([good.ciphertext, good.x25519, Buffer.alloc(1)])],
    [
      'ciphertext was touched on the way',
      good => Buffer.concat([Buffer.from(good.ciphertext).fill(7, 0, 5), good.x25519]),
    ],
    ['X25519 key is another', good => Buffer.concat([good.ciphertext, answerKey()])],
    ...smallOrderPoints.map((point): [string, (good: ReturnType<typeof answer>) => Buffer] => [
      `X25519 key is ${point.toString('hex', 0, 4)}…, of small order`,
      good => Buffer.concat([good.ciphertext, point]),
    ]),
  ]
  const answerKey = () => rawPublic(generateKeyPairSync('x25519').publicKey)

  test.each(refused)('%s is refused', async (_, reply) => {
    const hostKey = ourHostKey()
    const server = await serverOf(hostKey.blob)
    const good = answer(server.cInit)
    const sReply = reply(good)
    // It signs what it sends, so that nothing but the refusal of S_REPLY, or another secret, stops it.
    const hash = exchangeHash({
      ...server,
      serverIdent: ident,
      hostKey: hostKey.blob,
      sReply,
      secret: good.secret,
    })
    server.socket.write(
      Buffer.concat([
        replyPacket(hostKey.blob, sReply, ecdsaSignature(hostKey.privateKey, hash)),
        plainPacket(Buffer.from([message.newKeys])),
      ]),
    )
    expect(await server.witness.closed).toMatchObject({
      kind: 'protocol',
      text: expect.stringMatching(/computing DH secret|signature verification failed/) as string,
    })
    expect(server.witness.readyCount).toBe(0)
    server.reader.end()
  })

  test('reply is right is accepted, and the keys are those that the RFC says', { repeats: 7 }, async () => {
    const hostKey = ourHostKey()
    const server = await serverOf(hostKey.blob)
    expect(server.cInit.length).toBe(1184 + 32)
    const good = answer(server.cInit)
    const sReply = Buffer.concat([good.ciphertext, good.x25519])
    const transcript = {
      ...server,
      serverIdent: ident,
      hostKey: hostKey.blob,
      sReply,
      secret: good.secret,
    }
    const signature = ecdsaSignature(hostKey.privateKey, exchangeHash(transcript))
    server.socket.write(
      Buffer.concat([
        replyPacket(hostKey.blob, sReply, signature),
        plainPacket(Buffer.from([message.newKeys])),
      ]),
    )
    const transport = await server.witness.ready
    expect(transport.negotiated?.kex).toBe(postQuantumKeyExchange)
    expect(transport.sessionId.equals(exchangeHash(transcript))).toBe(true)
    expect((await server.reader.payload())[0]).toBe(message.newKeys)
    transport.send(Buffer.from([message.data, 1, 2, 3]))
    const first = await firstSealed(server.reader, { iv: 'A', key: 'C' }, transcript)
    expect([...first]).toEqual([message.data, 1, 2, 3])
    transport.close()
    server.reader.end()
  })
})

/** Every shared secret that the library computes for this connection, as soon as it has. */
function secretsOf(protocol: ProtocolState): Buffer[][] {
  const seen: Buffer[] = []
  let exchange: ProtocolState['_kex']
  Object.defineProperty(protocol, '_kex', {
    get: () => exchange,
    set: (next: ProtocolState['_kex'] & { computeSecret(remote: Buffer): Buffer }) => {
      const compute = next.computeSecret.bind(next)
      exchange = next
      next.computeSecret = remote => {
        const secret = compute(remote)
        seen.push(secret)
        return secret
      }
    },
  })
  return [seen]
}

describe('between our own ends', () => {
  test('it is what they agree on, now and at each later exchange', async () => {
    const { server, client } = await transportPair(engine)
    const [atServer, atClient] = [await server.ready, await client.ready]
    expect(atServer.negotiated?.kex).toBe(postQuantumKeyExchange)
    atClient.rekey()
    atClient.send(Buffer.from([message.data]))
    await server.received(1)
    expect(atClient.negotiated?.kex).toBe(postQuantumKeyExchange)
    expect(atServer.sessionId.equals(atClient.sessionId)).toBe(true)
    atServer.close()
    await client.closed
  })

  test.each(clientKeyExchangeAlgorithms)('nothing secret stays in reach after %s', async kex => {
    const { near, far } = await socketPair()
    const direction = () => ({
      cipher: ['aes128-gcm@openssh.com'],
      mac: ['hmac-sha2-256-etm@openssh.com'],
      compress: ['none'],
      lang: [] as [],
    })
    const offer = {
      kex: [kex],
      serverHostKey: ['ecdsa-sha2-nistp256'],
      cs: direction(),
      sc: direction(),
    }
    const hostKey = loadLibrary().parseKey(hostKeyPem()) as ParsedKey
    const server = new HostilePeer(far, {
      server: true,
      offer,
      hostKeys: { 'ecdsa-sha2-nistp256': hostKey },
    })
    const client = new HostilePeer(near, { server: false, offer })
    const secrets = [server, client].flatMap(({ protocol }) => secretsOf(protocol))
    await Promise.all([server.exchanged(), client.exchanged()])
    expect(secrets.map(seen => seen.length)).toEqual([1, 1])
    for (const secret of secrets.flat()) expect(secret.every(byte => byte === 0)).toBe(true)
    for (const { protocol } of [server, client]) {
      const left = Object.entries(protocol._kex ?? {}).filter(
        ([name, value]) => name !== '_protocol' && typeof value === 'object' && value !== null,
      )
      expect(left.map(([name]) => name).toSorted()).toEqual(['negotiated', 'sessionID'])
    }
    near.destroy()
    far.destroy()
  })
})
