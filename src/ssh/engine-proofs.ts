/**
 * What the gateway demands of its SSH library before it serves anybody, each with a name. All run in memory and without
 * waiting, in a few milliseconds. `patches/README.md` says which hunk each stands for.
 */
import { generateKeyPairSync } from 'node:crypto'
import { cipherAlgorithms, clientKeyExchangeAlgorithms, macAlgorithms } from './algorithms.ts'
import {
  cipherPair,
  type Library,
  type ParsedKey,
  type ProtocolConfig,
  type ProtocolState,
} from './library.ts'

/** The one version that the patch is for. */
const libraryVersion = '1.17.0'

/** The number that the patch leaves in the library; raised with each change of the patch. */
const patchNumber = 6

/** The library's JavaScript with the patch, as reviewed. `npm test` prints the new one after a change of the patch. */
const reviewedDigest = 'c8d9af1e5faf722200c66defba7992960cf68130c9a7faae0da2c24885ec5342'

export type Proof = { readonly name: string; readonly holds: () => boolean }

export function engineProofs(library: Library): readonly Proof[] {
  return [
    { name: `the version is ${libraryVersion}`, holds: () => library.version === libraryVersion },
    {
      name: `the patch is number ${patchNumber}`,
      holds: () => library.Protocol.sallyportPatch === patchNumber,
    },
    { name: 'a signature never verifies under another algorithm', holds: () => !verifiesWrongly(library) },
    { name: 'a client without a host verifier refuses', holds: () => refusesUnverifiedHost(library) },
    { name: 'messages arrive raw and in order, through a key exchange too', holds: () => relaysRaw(library) },
    { name: 'a disconnect says why', holds: () => disconnectsWithText(library) },
    { name: 'what waits for a key exchange is bounded', holds: () => boundsQueue(library) },
    { name: 'an empty packet is an error', holds: () => refusesEmptyPacket(library) },
    ...clientKeyExchangeAlgorithms.map(name => ({
      name: `${name} gives both ends the same keys`,
      holds: () => exchangesKeys(library, name),
    })),
    ...cipherProofs(library),
    {
      name: `the code is the reviewed one (it is ${library.digest})`,
      holds: () => library.digest === reviewedDigest,
    },
  ]
}

/** The compiled ciphers, built against a wrong OpenSSL, fail at the second packet. */
function cipherProofs(library: Library): readonly Proof[] {
  return cipherAlgorithms(library.crypto.bindingAvailable).flatMap(cipher =>
    macAlgorithms.map(mac => ({
      name: `${cipher} with ${mac} gives back what it took`,
      holds: () => roundTrips(library, { cipher, mac }),
    })),
  )
}

function roundTrips(library: Library, names: { cipher: string; mac: string }): boolean {
  const written: Uint8Array[] = []
  const received: string[] = []
  const pair = cipherPair(
    library,
    names,
    data => written.push(data),
    payload => received.push(payload.toString()),
  )
  const sent = ['one', 'two two', 'three']
  for (const text of sent) {
    const packet = pair.cipher.allocPacket(text.length)
    packet.set(Buffer.from(text), 5)
    pair.cipher.encrypt(packet)
    const wire = Buffer.concat(written.splice(0))
    pair.decipher.decrypt(wire, 0, wire.length)
  }
  return received.join() === sent.join()
}

function verifiesWrongly(library: Library): boolean {
  const key = hostKey(library)
  const data = Buffer.from('data')
  const signature = key.sign(data)
  if (signature instanceof Error || !key.verify(data, signature)) return true
  const results: unknown[] = [
    key.verify(data, signature, 'sha512'),
    key.verify(data, Buffer.alloc(3)),
    key.verify(data, signature, 'no such hash'),
  ]
  return results.some(result => result !== false)
}

function refusesUnverifiedHost(library: Library): boolean {
  const pair = new Pair(library, { client: { hostVerifier: undefined } })
  pair.run()
  return pair.client.errors.length > 0 && pair.client.exchanges === 0 && pair.server.exchanges === 0
}

function relaysRaw(library: Library): boolean {
  const pair = new Pair(library)
  pair.run()
  const { client, server } = pair
  const texts: [End, string][] = [
    [client, '\x05a'],
    [server, '\x06b'],
    [client, '\x3ec'],
    [server, '\xc0d'],
  ]
  for (const [end, text] of texts) end.protocol.sendPayload(Buffer.from(text, 'latin1'))
  pair.run()
  client.protocol.rekey()
  server.protocol.sendPayload(Buffer.from('\x5e'), Buffer.from('before'))
  client.protocol.sendPayload(Buffer.from('\x5e'), Buffer.from('queued'))
  pair.run()
  server.protocol.rekey()
  server.protocol.sendPayload(Buffer.from('\x5eafter'))
  pair.run()
  return (
    client.exchanges === 3 &&
    server.messages.join() === ['\x05a', '\x3ec', '\x5equeued'].join() &&
    client.messages.join() === ['\x06b', '\xc0d', '\x5ebefore', '\x5eafter'].join()
  )
}

function exchangesKeys(library: Library, kex: string): boolean {
  const pair = new Pair(library, { kex })
  pair.run()
  pair.client.protocol.rekey()
  pair.run()
  pair.client.protocol.sendPayload(Buffer.from('\x5eunder new keys'))
  pair.run()
  return pair.server.messages.join() === '\x5eunder new keys'
}

function disconnectsWithText(library: Library): boolean {
  const pair = new Pair(library)
  pair.run()
  pair.server.protocol.disconnect(11, 'why not')
  pair.run()
  return pair.client.goodbyes.join() === '11 why not'
}

function boundsQueue(library: Library): boolean {
  const pair = new Pair(library, { client: { maxQueuedBytes: 10_000 } })
  pair.run()
  const { client, server } = pair
  const queue = (count: number) => {
    client.protocol.rekey()
    for (let sent = 0; sent < count; sent += 1) client.protocol.sendPayload(Buffer.alloc(2_000, 0x5e))
  }
  for (let exchange = 0; exchange < 3; exchange += 1) {
    queue(4) // each time anew
    pair.run()
  }
  if (client.errors.length > 0 || server.messages.length !== 12) return false
  queue(10)
  return client.errors.length === 1
}

function refusesEmptyPacket(library: Library): boolean {
  const pair = new Pair(library)
  pair.run()
  pair.client.protocol.sendPayload(Buffer.alloc(0))
  pair.run()
  return pair.server.errors.length === 1
}

function hostKey(library: Library): ParsedKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const key = library.parseKey(privateKey.export({ type: 'sec1', format: 'pem' }) as string)
  const first = Array.isArray(key) ? (key as readonly ParsedKey[])[0] : (key as ParsedKey | Error)
  if (first === undefined || first instanceof Error) throw new TypeError('an EC key cannot be parsed')
  return first
}

/** One end of a connection in memory, and what it saw. */
class End {
  readonly protocol: ProtocolState
  readonly written: Uint8Array[] = []
  readonly errors: string[] = []
  readonly messages: string[] = []
  readonly goodbyes: string[] = []
  exchanges = 0

  constructor(
    library: Library,
    kex: string,
    config: Partial<ProtocolConfig> & Pick<ProtocolConfig, 'server'>,
  ) {
    const direction = () => ({
      cipher: ['aes128-gcm@openssh.com'],
      mac: macAlgorithms,
      compress: ['none'],
      lang: [] as [],
    })
    this.protocol = new library.Protocol({
      ident: 'proof',
      offer: {
        kex: [kex],
        serverHostKey: ['ecdsa-sha2-nistp256'],
        cs: direction(),
        sc: direction(),
      },
      onWrite: data => this.written.push(Buffer.from(data)),
      onError: error => this.errors.push(error.message),
      onHandshakeComplete: () => (this.exchanges += 1),
      onMessage: payload => this.messages.push(payload.toString('latin1')),
      messageHandlers: { DISCONNECT: (_, reason, text) => this.goodbyes.push(`${reason} ${text}`) },
      ...config,
    })
    this.protocol.start()
  }
}

/** A client and a server over nothing but memory. */
class Pair {
  readonly client: End
  readonly server: End

  constructor(
    library: Library,
    o: { kex?: string; client?: { [K in keyof ProtocolConfig]?: ProtocolConfig[K] | undefined } } = {},
  ) {
    const kex = o.kex ?? 'curve25519-sha256'
    const client = { server: false, hostVerifier: () => true, ...o.client } as ProtocolConfig
    const hostKeys = { 'ecdsa-sha2-nistp256': hostKey(library) }
    this.server = new End(library, kex, { server: true, hostKeys })
    this.client = new End(library, kex, client)
  }

  /** Until both are silent. */
  run(): void {
    while (this.#move(this.client, this.server) || this.#move(this.server, this.client));
  }

  #move(from: End, to: End): boolean {
    const data = Buffer.concat(from.written.splice(0))
    if (data.length === 0) return false
    if (to.errors.length === 0) to.protocol.parse(data, 0, data.length)
    return true
  }
}
