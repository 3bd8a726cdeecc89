import { generateKeyPairSync, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chacha20Poly1305, cipherAlgorithms } from '../../src/ssh/algorithms.ts'
import { proveEngine } from '../../src/ssh/engine.ts'
import { loadLibrary, type ParsedKey } from '../../src/ssh/library.ts'
import { acceptTransport, connectTransport, type TransportLimits } from '../../src/ssh/transport.ts'
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
import { transportSuite } from './transport-suite.ts'

const engine = proveEngine()
const data = 94

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** A hostile client that got through its first key exchange. */
async function hostileClient(o: Parameters<typeof acceptOne>[1] = {}) {
  const { witness, transport, socket } = await acceptOne(engine, o)
  const peer = new HostilePeer(socket, { server: false })
  await Promise.all([witness.ready, peer.exchanged()])
  return { witness, transport, peer }
}

describe('before anything is proven, a stranger', () => {
  const ident = 'SSH-2.0-OpenSSH_9.9\r\n'
  const raw: [string, Buffer | string][] = [
    ['who speaks HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['who greets first, as only servers may', `hello\r\n${ident}`],
    ['whose identification never ends', `SSH-2.0-${'x'.repeat(300)}`],
    ['who sends one endless line', 'x'.repeat(100_000)],
    ['with an old protocol', 'SSH-1.5-old\r\n'],
    ['whose identification has control characters', 'SSH-2.0-a\x1b[2J\r\n'],
    ['whose identification is not ASCII', Buffer.from('SSH-2.0-caf\u00e9\r\n')],
    ['whose packet claims 4 GiB', Buffer.concat([Buffer.from(ident), Buffer.alloc(64, 0xff)])],
    ['whose packet claims nothing', Buffer.concat([Buffer.from(ident), Buffer.alloc(64)])],
    [
      'whose padding is longer than the packet',
      Buffer.concat([Buffer.from(ident), Buffer.from('0000000cff140000000000000000000000', 'hex')]),
    ],
    [
      'whose packet is nothing but padding',
      Buffer.concat([
        Buffer.from(ident),
        Buffer.from('0000000c0b00000000000000000000', 'hex'),
        Buffer.alloc(1),
      ]),
    ],
    [
      'whose KEXINIT is cut off',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({}).subarray(0, 30))]),
    ],
    ['whose KEXINIT is empty', Buffer.concat([Buffer.from(ident), plainPacket(Buffer.from([20]))])],
    [
      'whose KEXINIT is as large as a packet can be',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({ kex: ',a'.repeat(17_000) }))]),
    ],
    [
      'who knows no algorithm of ours',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(keyExchangeInit({ kex: 'diffie-hellman-group1-sha1' })),
      ]),
    ],
    [
      'who knows no curve but those of NIST',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({ kex: 'ecdh-sha2-nistp256' }))]),
    ],
    [
      'who wants only SHA-1 signatures',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({ hostKey: 'ssh-rsa' }))]),
    ],
    [
      'who wants only CBC',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({ cipher: 'aes128-cbc' }))]),
    ],
    [
      'who wants compression',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(keyExchangeInit({ compression: 'zlib,zlib@openssh.com' })),
      ]),
    ],
    [
      'who agrees on a mere marker',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(keyExchangeInit({ kex: 'kex-strict-s-v00@openssh.com' })),
      ]),
    ],
    [
      'who answers before KEXINIT',
      Buffer.concat([Buffer.from(ident), plainPacket(Buffer.from([30, 0, 0, 0, 0]))]),
    ],
    [
      'who ends the key exchange before it began',
      Buffer.concat([Buffer.from(ident), plainPacket(Buffer.from([21]))]),
    ],
    [
      'who sends KEXINIT twice',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({})), plainPacket(keyExchangeInit({}))]),
    ],
    [
      'who wants to sign in first',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(
          Buffer.concat([Buffer.from([5]), Buffer.from('0000000c7373682d7573657261757468', 'hex')]),
        ),
      ]),
    ],
    [
      'who opens a channel first',
      Buffer.concat([Buffer.from(ident), plainPacket(Buffer.from([90, 0, 0, 0, 0]))]),
    ],
    [
      'who sends a point that is none',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(keyExchangeInit({})),
        plainPacket(Buffer.from([30, 0, 0, 0, 3, 1, 2, 3])),
      ]),
    ],
    [
      'who sends the zero point',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(keyExchangeInit({})),
        plainPacket(Buffer.concat([Buffer.from([30, 0, 0, 0, 32]), Buffer.alloc(32)])),
      ]),
    ],
    [
      'who sends no point at all',
      Buffer.concat([Buffer.from(ident), plainPacket(keyExchangeInit({})), plainPacket(Buffer.from([30]))]),
    ],
    [
      'who injects IGNORE into a strict key exchange',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(keyExchangeInit({ kex: 'curve25519-sha256,kex-strict-c-v00@openssh.com' })),
        plainPacket(Buffer.from([2, 0, 0, 0, 0])),
      ]),
    ],
    [
      'who injects IGNORE before a strict KEXINIT',
      Buffer.concat([
        Buffer.from(ident),
        plainPacket(Buffer.from([2, 0, 0, 0, 0])),
        plainPacket(keyExchangeInit({ kex: 'curve25519-sha256,kex-strict-c-v00@openssh.com' })),
      ]),
    ],
  ]
  test.each(raw)('%s is refused, once', async (_, bytes) => {
    const { witness, socket } = await acceptOne(engine)
    socket.write(bytes)
    const why = await witness.closed
    expect(why.kind).toBe('protocol')
    expect(why.text).not.toMatch(/undefined|not a function/) // refused, not stumbled over
    await turn()
    expect(witness.closings).toHaveLength(1)
    expect(witness.readyCount).toBe(0)
    expect(witness.messages).toEqual([])
    socket.destroy()
  })

  test('who never finishes the key exchange is dropped when its time is over', async () => {
    const { witness, socket } = await acceptOne(engine, { limits: { keyExchangeTimeoutMs: 50 } })
    socket.write('SSH-2.0-slow\r\n')
    expect(await witness.closed).toMatchObject({ kind: 'timeout' })
    socket.destroy()
  })

  test('who says nothing at all is dropped likewise', async () => {
    const { witness, socket } = await acceptOne(engine, { limits: { keyExchangeTimeoutMs: 50 } })
    expect(await witness.closed).toMatchObject({ kind: 'timeout' })
    socket.destroy()
  })

  test('who leaves is only gone', async () => {
    const { witness, socket } = await acceptOne(engine)
    socket.end('SSH-2.0-x')
    expect(await witness.closed).toMatchObject({ kind: 'peer' })
  })

  test('whose bytes come one at a time is served all the same', async () => {
    const { witness, socket } = await acceptOne(engine)
    socket.setNoDelay(true)
    const peer = new HostilePeer(socket, { server: false })
    peer.tamper = all => {
      for (const byte of all) socket.write(Buffer.from([byte]))
      return Buffer.alloc(0)
    }
    const transport = await witness.ready
    expect(transport.remoteIdent).toBe('SSH-2.0-hostile')
    transport.close()
    await peer.gone()
  })

  test('whatever the bytes, the end comes once and only to this connection', async () => {
    const prefix = fc.constantFrom('', ident, `${ident}\x00\x00\x00\x1c`)
    const packets = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }).map(plainPacket), {
      maxLength: 4,
    })
    const tail = fc.uint8Array({ maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(prefix, packets, tail, async (start, middle, rest) => {
        const { witness, socket } = await acceptOne(engine, { hostKeys: pems })
        socket.end(Buffer.concat([Buffer.from(start, 'latin1'), ...middle, rest]))
        await witness.closed
        expect(witness.closings).toHaveLength(1)
        expect(witness.readyCount).toBe(0)
      }),
      { numRuns: 150 },
    )
  })

  const pems = [hostKeyPem()]
  test('whose KEXINIT was mutated gets a key exchange or a refusal, never an exception', async () => {
    const init = keyExchangeInit({ kex: 'curve25519-sha256,mlkem768x25519-sha256' })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(init.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async edits => {
          const mutant = Buffer.from(init)
          for (const [at, byte] of edits) mutant[at] = byte
          const { witness, socket } = await acceptOne(engine, { hostKeys: pems })
          socket.end(
            Buffer.concat([
              Buffer.from(ident),
              plainPacket(mutant),
              plainPacket(Buffer.concat([Buffer.from([30, 0, 0, 0, 32]), randomBytes(32)])),
            ]),
          )
          await witness.closed
          expect(witness.closings).toHaveLength(1)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('a peer past its first key exchange', () => {
  test.each([
    ['NEWKEYS', [21]],
    ['KEXDH_INIT', [30, 0, 0, 0, 0]],
    ['a key exchange message of no meaning', [49]],
    ['nothing in a packet', []],
  ])('that sends %s out of order is refused', async (_, bytes) => {
    const { witness, peer } = await hostileClient()
    peer.send(...bytes)
    expect(await witness.closed).toMatchObject({ kind: 'protocol' })
    expect(witness.messages).toEqual([])
    await peer.gone()
    expect(peer.goodbyes).toEqual([
      { reason: 2, text: expect.stringMatching(/outside of a key exchange|Empty packet/) as string },
    ])
  })

  test.each([
    ['DISCONNECT', [1, 0, 0]],
    ['UNIMPLEMENTED', [3]],
    ['DEBUG', [4, 1]],
    ['EXT_INFO', [7, 0xff, 0xff, 0xff, 0xff]],
  ])('that sends a malformed %s is refused', async (_, bytes) => {
    const { witness, peer } = await hostileClient()
    peer.send(...bytes)
    expect(await witness.closed).toMatchObject({ kind: 'protocol' })
    await peer.gone()
  })

  test('has every other message delivered raw, with its sequence number', async () => {
    const { witness, transport, peer } = await hostileClient()
    const types = [5, 6, 8, 19, 50, 51, 52, 53, 60, 61, 79, 80, 98, 127, 128, 192, 255, 0]
    peer.send(2, Buffer.alloc(4)) // IGNORE counts, and is not delivered
    for (const type of types) peer.send(type, 'rest')
    await witness.received(types.length)
    expect(witness.messages.map(m => m[0])).toEqual(types)
    expect(witness.sequences).toEqual(types.map((__, i) => i + 1))
    transport.close()
    await peer.gone()
  })

  test('whose bytes were touched on the way is refused', async () => {
    const { witness, peer } = await hostileClient()
    peer.tamper = all => {
      all[all.length - 20] = (all[all.length - 20] ?? 0) ^ 1
      return all
    }
    peer.send(data, 'x')
    const why = await witness.closed
    expect(why.kind).toBe('protocol')
    expect(witness.messages).toEqual([])
    await peer.gone()
  })

  test('that sends more than a message may hold is refused', async () => {
    const { witness, peer } = await hostileClient({ limits: { maxPacketBytes: 1_000 } })
    peer.send(data, Buffer.alloc(1_000))
    expect(await witness.closed).toMatchObject({ kind: 'protocol', text: 'a message is too large' })
    await peer.gone()
  })

  test('that stops reading is cut off when too much waits for it', async () => {
    const { witness, transport, peer } = await hostileClient({ limits: { maxQueuedBytes: 1 << 20 } })
    peer.socket.pause()
    const block = Buffer.alloc(32_768, data)
    for (let sent = 0; sent < 4_000 && witness.closings.length === 0; sent += 1) {
      transport.send(block)
      if (sent % 20 === 0) await turn()
    }
    expect(await witness.closed).toMatchObject({
      kind: 'local',
      text: 'the peer does not read what it asked for',
    })
    expect(transport.queuedBytes).toBeLessThan(4 << 20)
    peer.socket.destroy()
  })

  test('that never finishes a later key exchange can make us hold only so much', async () => {
    const { witness, transport, peer } = await hostileClient({ limits: { maxQueuedBytes: 1 << 20 } })
    peer.listening = false
    transport.rekey()
    expect(transport.congested).toBe(true)
    for (let sent = 0; sent < 100; sent += 1) transport.send(Buffer.alloc(32_768, data))
    expect(await witness.closed).toMatchObject({
      kind: 'protocol',
      text: 'Too much to send during a key exchange',
    })
    peer.socket.destroy()
  })

  test('that never finishes a later key exchange is dropped when its time is over', async () => {
    const { witness, transport, peer } = await hostileClient({ limits: { keyExchangeTimeoutMs: 300 } })
    peer.listening = false
    transport.rekey()
    expect(await witness.closed).toMatchObject({ kind: 'timeout' })
    peer.socket.destroy()
  })

  test('cannot keep us busy with nothing but key exchanges', async () => {
    const { witness, peer } = await hostileClient()
    for (let count = 2; count < 100 && witness.closings.length === 0; count += 1) {
      peer.protocol.rekey()
      await Promise.race([peer.exchanged(count), witness.closed])
    }
    expect(await witness.closed).toMatchObject({ kind: 'protocol', text: 'too many key exchanges' })
    await peer.gone()
  })

  test('that begins a key exchange and sends data into it is refused', async () => {
    const { witness, peer } = await hostileClient()
    peer.protocol.rekey()
    peer.sendDuringExchange(data, 'early')
    expect(await witness.closed).toMatchObject({ kind: 'protocol' })
    expect(witness.messages).toEqual([])
    await peer.gone()
  })

  test('may send IGNORE and DEBUG into a later key exchange, strict or not', async () => {
    const { witness, transport, peer } = await hostileClient()
    peer.protocol.rekey()
    peer.sendDuringExchange(2, Buffer.alloc(4))
    peer.sendDuringExchange(4, Buffer.alloc(9))
    await peer.exchanged(2)
    peer.protocol.sendPayload(Buffer.from([data]))
    await witness.received(1)
    transport.close()
    await peer.gone()
  })

  test('without strict key exchange may have AES, and no ChaCha20-Poly1305 (T30)', async () => {
    const attempt = async (cipher: string) => {
      const { witness, socket } = await acceptOne(engine)
      const peer = new HostilePeer(socket, { server: false })
      // Our engine always says that it knows strict mode; this peer takes it back before it speaks.
      const direction = () => ({
        cipher: { array: [cipher] },
        mac: { array: ['hmac-sha2-256-etm@openssh.com'] },
      })
      const lax = keyExchangeInit({ cipher })
      Object.assign(peer.protocol, {
        _offer: {
          totalSize: lax.length - 22,
          lists: {
            kex: { array: ['curve25519-sha256'] },
            serverHostKey: { array: ['ecdsa-sha2-nistp256'] },
            cs: { ...direction(), compress: { array: ['none'] } },
            sc: { ...direction(), compress: { array: ['none'] } },
          },
          copyAllTo: (buffer: Buffer, offset: number) => lax.copy(buffer, offset, 17, lax.length - 5),
        },
        _strictMode: false,
      })
      return { witness, peer }
    }
    for (const cipher of cipherAlgorithms(false)) {
      const aes = await attempt(cipher)
      ;(await aes.witness.ready).close()
      await aes.peer.gone()
    }
    const { witness, peer } = await attempt(chacha20Poly1305)
    expect(await witness.closed).toMatchObject({ kind: 'protocol', reason: 3 })
    expect(witness.readyCount).toBe(0)
    await peer.gone()
  })

  test('learns which signatures we take, as the caller said', async () => {
    const { transport, peer } = await hostileClient()
    peer.send(80)
    while (peer.signatureAlgorithms === undefined) await turn()
    expect(peer.signatureAlgorithms).toEqual(['ssh-ed25519', 'rsa-sha2-512'])
    transport.close()
    await peer.gone()
  })

  test.each([
    [
      'wrong has the guessed packet ignored',
      'curve25519-sha256,mlkem768x25519-sha256',
      [plainPacket(Buffer.from([30, 0, 0, 0, 1, 9]))],
    ],
    ['right has the guessed packet taken', 'mlkem768x25519-sha256,curve25519-sha256', []],
  ])('whose guess at the algorithms was %s (RFC 4253, section 7)', async (_, names, guessed) => {
    const { witness, socket } = await acceptOne(engine)
    const peer = new HostilePeer(socket, { server: false })
    const kex = `${names},kex-strict-c-v00@openssh.com`
    const init = keyExchangeInit({ kex }, true)
    let packets = 0
    peer.tamper = all => {
      packets += 1
      if (packets !== 1) return all
      // Its real KEXINIT is replaced, on the wire and for the exchange hash.
      Object.assign(peer.protocol, { _kexinit: init })
      return Buffer.concat([plainPacket(init), ...guessed])
    }
    const { _offer } = peer.protocol as unknown as { _offer: { lists: object } }
    Object.assign(_offer.lists, { kex: { array: kex.split(',') } })
    const transport = await witness.ready
    expect(transport.negotiated?.kex).toBe(names.split(',')[0])
    transport.close()
    await peer.gone()
  })
})

describe.each(['server', 'client'] as const)('new keys, started by us as a %s', us => {
  const exchangesOf = async (own: Partial<TransportLimits>) => {
    const pair = await transportPair(engine, { [us]: own })
    const [ours, theirs] = us === 'server' ? [pair.server, pair.client] : [pair.client, pair.server]
    await Promise.all([ours.ready, theirs.ready])
    return { ours, theirs }
  }

  test.each([
    ['sent', true],
    ['received', false],
  ])('come after as many bytes as were agreed, %s', async (_, sending) => {
    const { ours, theirs } = await exchangesOf({ rekeyAfterBytes: 100_000 })
    const from = sending ? ours : theirs
    const keys = () => ours.transport.negotiated
    let last = keys()
    let exchanges = 0
    for (let sent = 0; sent < 64; sent += 1) {
      while (from.transport.congested) await new Promise<void>(done => from.transport.whenWritable(done))
      from.transport.send(Buffer.alloc(16_384, data))
      await (sending ? theirs : ours).received(sent + 1)
      if (keys() !== last) exchanges += 1
      last = keys()
    }
    // 1 MiB. What is on its way while keys are exchanged counts for the next ones.
    expect(exchanges).toBeGreaterThanOrEqual(5)
    expect(exchanges).toBeLessThanOrEqual(12)
    ours.transport.close()
    await theirs.closed
  })

  test('wait for the end of a sign-in, and for no second one', async () => {
    const { ours, theirs } = await exchangesOf({})
    const [server, client] = us === 'server' ? [ours, theirs] : [theirs, ours]
    const first = theirs.transport.negotiated
    server.transport.send(Buffer.from([6])) // SERVICE_ACCEPT
    await client.received(1)
    ours.transport.rekey()
    theirs.transport.send(Buffer.from([data]))
    await ours.received(us === 'server' ? 1 : 2)
    expect([ours.transport.congested, theirs.transport.negotiated]).toEqual([false, first])
    server.transport.send(Buffer.from([52])) // USERAUTH_SUCCESS
    while (theirs.transport.negotiated === first) await turn()
    const second = theirs.transport.negotiated
    server.transport.send(Buffer.from([6]))
    client.transport.send(Buffer.from([6]))
    await client.received(3)
    ours.transport.rekey()
    while (theirs.transport.negotiated === second) await turn()
    expect([...ours.closings, ...theirs.closings]).toEqual([])
    ours.transport.close()
    await theirs.closed
  })

  test('come after so much time, with nothing sent', async () => {
    const { ours, theirs } = await exchangesOf({ rekeyAfterMs: 20 })
    for (let exchanges = 0; exchanges < 3; exchanges += 1) {
      const before = theirs.transport.negotiated
      while (theirs.transport.negotiated === before) await turn()
    }
    expect(theirs.closings).toEqual([])
    ours.transport.close()
    await theirs.closed
  })
})

describe('a target', () => {
  const library = loadLibrary()
  const keyOf = (pem: string) => library.parseKey(pem) as ParsedKey

  async function hostileServer(
    verifyHostKey: (algorithm: string) => boolean | Promise<boolean> = () => true,
    overrides: Partial<Parameters<typeof connectTransport>[2]> = {},
  ) {
    const { near, far } = await socketPair()
    far.on('error', () => undefined)
    const witness = new Witness()
    const hostKey = keyOf(hostKeyPem())
    const hostKeys: Record<string, ParsedKey> = { 'ecdsa-sha2-nistp256': hostKey }
    const peer = new HostilePeer(far, { server: true, hostKeys })
    let asked = 0
    const transport = connectTransport(engine, near, {
      ident: 'OpenSSH_9.9',
      verifyHostKey: key => {
        asked += 1
        expect(key.blob.equals(hostKey.getPublicSSH())).toBe(true)
        return verifyHostKey(key.algorithm)
      },
      limits,
      handlers: witness.handlers,
      ...overrides,
    })
    return { witness, peer, hostKeys, hostKey, transport, asked: () => asked }
  }

  test.each([
    ['says no', () => false],
    [
      'throws',
      () => {
        throw new Error('store unavailable')
      },
    ],
    ['rejects', () => Promise.reject(new Error('store unavailable'))],
    ['answers anything but true', () => 'yes' as unknown as boolean],
  ])('is not connected to when whoever judges its key %s', async (_, judge) => {
    const { witness, peer } = await hostileServer(judge)
    expect(await witness.closed).toMatchObject({ kind: 'local', reason: 9 })
    expect(witness.readyCount).toBe(0)
    await peer.gone()
    expect(peer.goodbyes[0]).toMatchObject({ reason: 9 })
    expect(peer.messages).toEqual([])
  })

  test('is judged only after it has proven that it holds the key', async () => {
    const { witness, peer, hostKeys, hostKey, asked } = await hostileServer()
    const shown = hostKey.getPublicSSH()
    const other = keyOf(hostKeyPem())
    // It shows one key and signs with another.
    hostKeys['ecdsa-sha2-nistp256'] = {
      type: other.type,
      getPublicSSH: () => shown,
      getPrivatePEM: () => null,
      sign: (...signed) => other.sign(...signed),
      verify: () => false,
    }
    expect(await witness.closed).toMatchObject({ kind: 'protocol' })
    expect(asked()).toBe(0)
    await peer.gone()
  })

  test('is judged once, and must keep its key at every later key exchange', async () => {
    const { witness, peer, hostKeys, asked } = await hostileServer()
    const transport = await witness.ready
    transport.rekey()
    await peer.exchanged(2)
    hostKeys['ecdsa-sha2-nistp256'] = keyOf(hostKeyPem())
    peer.protocol.rekey()
    expect(await witness.closed).toMatchObject({ kind: 'protocol' })
    expect(asked()).toBe(1)
    await peer.gone()
  })

  test('gets nothing and tells nothing while its key is being judged', async () => {
    const verdict = Promise.withResolvers<boolean>()
    const { witness, peer } = await hostileServer(() => verdict.promise)
    await peer.exchanged()
    peer.send(80, 'early')
    await turn()
    await turn()
    expect(witness.messages).toEqual([])
    expect(peer.messages).toEqual([])
    verdict.resolve(true)
    const transport = await witness.ready
    await witness.received(1)
    transport.close()
    await peer.gone()
  })

  test('is not ready before it was judged, however often it exchanges keys meanwhile', async () => {
    const verdict = Promise.withResolvers<boolean>()
    const { witness, peer, asked } = await hostileServer(() => verdict.promise)
    await peer.exchanged()
    peer.protocol.rekey()
    await peer.exchanged(2)
    await turn()
    expect(witness.readyCount).toBe(0)
    verdict.resolve(false)
    expect(await witness.closed).toMatchObject({ kind: 'local', reason: 9 })
    expect(asked()).toBe(1)
    await peer.gone()
  })

  test('that floods us while its key is being judged is cut off', async () => {
    const { witness, peer } = await hostileServer(() => new Promise(() => undefined))
    await peer.exchanged()
    for (let sent = 0; sent < 100; sent += 1) peer.send(80, Buffer.alloc(10_000))
    expect(await witness.closed).toMatchObject({ kind: 'protocol' })
    await peer.gone()
  })

  test('may greet before it identifies itself, within limits', async () => {
    const greet = async (greeting: string) => {
      const { near, far } = await socketPair()
      far.on('error', () => undefined)
      const witness = new Witness()
      far.write(greeting)
      const peer = new HostilePeer(far, {
        server: true,
        hostKeys: { 'ecdsa-sha2-nistp256': keyOf(hostKeyPem()) },
      })
      connectTransport(engine, near, {
        ident: 'x',
        verifyHostKey: () => true,
        limits,
        handlers: witness.handlers,
      })
      return { witness, peer }
    }
    const polite = await greet('Welcome\r\nto this host\n')
    ;(await polite.witness.ready).close()
    await polite.peer.gone()
    for (const greeting of ['x\r\n'.repeat(100), 'y'.repeat(5_000)]) {
      const endless = await greet(greeting)
      expect(await endless.witness.closed).toMatchObject({ kind: 'protocol' })
      await endless.peer.gone()
    }
  })
})

describe('pausing', () => {
  test('holds what comes, in order, and gives it back on resuming', async () => {
    const { witness, transport, peer } = await hostileClient()
    transport.pauseReading()
    for (let i = 0; i < 100; i += 1) peer.send(data, Buffer.from([i]))
    await new Promise(resolve => peer.socket.write('', resolve))
    await turn()
    await turn()
    expect(witness.messages).toEqual([])
    transport.resumeReading()
    await witness.received(100)
    expect(witness.messages.map(m => m[1])).toEqual(Array.from({ length: 100 }, (_, i) => i))
    transport.close()
    await peer.gone()
  })

  test('from within a message takes effect before the next one', async () => {
    const { witness, transport, peer } = await hostileClient()
    witness.onMessage = () => transport.pauseReading()
    for (let i = 0; i < 3; i += 1) peer.send(data, Buffer.from([i]))
    await witness.received(1)
    await turn()
    expect(witness.messages).toHaveLength(1)
    transport.resumeReading()
    await witness.received(2)
    await turn()
    expect(witness.messages).toHaveLength(2)
    transport.resumeReading()
    await witness.received(3)
    transport.close()
    await peer.gone()
  })

  test('does not stop a key exchange, or two paused legs would wait for each other for ever', async () => {
    const { witness, transport, peer } = await hostileClient()
    transport.pauseReading()
    transport.rekey()
    peer.send(data, 'one')
    await peer.exchanged(2)
    await new Promise<void>(resolve => transport.whenWritable(resolve))
    expect(transport.congested).toBe(false)
    expect(witness.messages).toEqual([])
    peer.protocol.rekey() // theirs waits until we read again
    transport.resumeReading()
    await Promise.all([peer.exchanged(3), witness.received(1)])
    transport.close()
    await peer.gone()
  })

  test('loses nothing of a peer that said everything and left', async () => {
    const { witness, transport, peer } = await hostileClient()
    transport.pauseReading()
    transport.rekey() // so that the socket is being read
    peer.send(data, 'last words')
    await peer.exchanged(2)
    peer.send(data, 'really')
    peer.protocol.disconnect(11, 'bye')
    peer.socket.end()
    await turn()
    await turn()
    expect(witness.closings).toEqual([])
    transport.resumeReading()
    expect(await witness.closed).toMatchObject({ kind: 'disconnect', reason: 11, text: 'bye' })
    expect(witness.messages.map(m => m.subarray(1).toString())).toEqual(['last words', 'really'])
  })
})

describe('the end', () => {
  test('is told to the peer with its reason, and to us once, after the call that caused it', async () => {
    const { witness, transport, peer } = await hostileClient()
    transport.disconnect(12, 'too many sessions')
    expect(witness.closings).toEqual([])
    transport.disconnect(2, 'again')
    transport.close()
    transport.send(Buffer.from([data])) // after the end nothing happens
    transport.rekey()
    expect(await witness.closed).toEqual({ kind: 'local', reason: 12, text: 'too many sessions' })
    await peer.gone()
    expect(peer.goodbyes).toEqual([{ reason: 12, text: 'too many sessions' }])
    expect(witness.closings).toHaveLength(1)
    expect(peer.messages).toEqual([])
  })

  test('can be told before the peer said anything', async () => {
    const { witness, transport, socket } = await acceptOne(engine)
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    transport.disconnect(12, 'too many connections')
    await witness.closed
    await new Promise(resolve => socket.once('close', resolve))
    expect(Buffer.concat(received).toString('latin1')).toMatch(
      /^SSH-2\.0-OpenSSH_9\.9 test\r\n[^]*too many connections/,
    )
  })

  test('in the middle of later keys is told as well', async () => {
    const { transport, peer } = await hostileClient()
    transport.rekey()
    transport.disconnect(11, 'shutting down')
    await peer.gone()
    expect(peer.goodbyes).toEqual([{ reason: 11, text: 'shutting down' }])
  })

  test('comes when a handler throws, and the peer does not learn what it threw', async () => {
    const { witness, peer } = await hostileClient()
    const fault = new Error('secret detail')
    witness.onMessage = () => {
      throw fault
    }
    peer.send(data, 'x')
    peer.send(data, 'y')
    expect(await witness.closed).toMatchObject({ kind: 'local', error: fault })
    expect(witness.messages).toHaveLength(1)
    await peer.gone()
    expect(peer.goodbyes).toEqual([{ reason: 11, text: 'internal error' }])
  })

  test('during a burst of messages stops the burst', async () => {
    const { witness, transport, peer } = await hostileClient()
    witness.onMessage = () => transport.disconnect(11, 'enough')
    for (let i = 0; i < 20; i += 1) peer.send(data, Buffer.from([i]))
    await witness.closed
    await peer.gone()
    expect(witness.messages).toHaveLength(1)
  })

  test('is noticed when the network drops the connection', async () => {
    const { server, client, sockets } = await transportPair(engine)
    await Promise.all([server.ready, client.ready])
    sockets.near.resetAndDestroy()
    expect(await server.closed).toMatchObject({ kind: 'peer' })
    expect(await client.closed).toMatchObject({ kind: 'peer' })
  })

  test('is not needed where no host key can be offered: nothing begins', async () => {
    const { near, far } = await socketPair()
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
    const hostKeys = [privateKey.export({ type: 'sec1', format: 'pem' }) as string]
    const o = { ident: 'x', hostKeys, serverSigAlgs: [], limits, handlers: new Witness().handlers }
    expect(() => acceptTransport(engine, far, o)).toThrow('No host key is of a kind that is offered')
    near.destroy()
    far.destroy()
  })

  test('sending too early is a mistake of ours, and said so', async () => {
    const { transport, socket } = await acceptOne(engine)
    expect(() => transport.send(Buffer.from([data]))).toThrow(TypeError)
    transport.close()
    socket.destroy()
  })
})

transportSuite(() => engine)
