import { randomBytes } from 'node:crypto'
import { duplexPair } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { cipherAlgorithms, macAlgorithms } from '../../src/ssh/algorithms.ts'
import type { Engine } from '../../src/ssh/engine.ts'
import { acceptTransport, connectTransport, type Transport } from '../../src/ssh/transport.ts'
import { acceptOne, HostilePeer, hostKeyPem, limits, transportPair, Witness } from './peer.ts'

const data = 94

/** Messages of all sizes that channels use, each one different. */
function someMessages(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const body = randomBytes([0, 1, 15, 16, 17, 300, 4_096, 32_768][i % 8] ?? 0)
    const head = Buffer.alloc(5)
    head[0] = data
    head.writeUInt32BE(i, 1)
    return Buffer.concat([head, body])
  })
}

async function sendAll(transport: Transport, messages: readonly Buffer[]): Promise<void> {
  for (const [i, message] of messages.entries()) {
    while (transport.congested) await new Promise<void>(resolve => transport.whenWritable(resolve))
    if (i % 2 === 0) transport.send(message)
    else transport.sendParts(message.subarray(0, 5), message.subarray(5))
  }
}

/** What holds for compiled ciphers and for those in JavaScript alike. */
export function transportSuite(engine: () => Engine): void {
  describe.each(cipherAlgorithms(true))('%s', cipher => {
    test.each(cipher.endsWith('ctr') ? macAlgorithms : macAlgorithms.slice(0, 1))(
      'with %s: kept messages stay as they came, whatever comes after them',
      async mac => {
        const { witness, socket } = await acceptOne(engine())
        const direction = () => ({ cipher: [cipher], mac: [mac], compress: ['none'], lang: [] as [] })
        const peer = new HostilePeer(socket, {
          server: false,
          offer: {
            kex: ['curve25519-sha256'],
            serverHostKey: ['ecdsa-sha2-nistp256'],
            cs: direction(),
            sc: direction(),
          },
        })
        const transport = await witness.ready
        expect(transport.negotiated?.cs.cipher).toBe(cipher)
        const sent = someMessages(200)
        for (const message of sent) peer.send(message)
        await sendAll(transport, sent)
        await witness.received(sent.length)
        expect(Buffer.concat(witness.messages).equals(Buffer.concat(sent))).toBe(true)
        while (peer.messages.length < sent.length) await new Promise(resolve => setImmediate(resolve))
        expect(Buffer.concat(peer.messages).equals(Buffer.concat(sent))).toBe(true)
        transport.close()
        await peer.gone()
      },
    )
  })

  test('streams that rekey all the time, from both ends, lose and reorder nothing', async () => {
    const { server, client } = await transportPair(engine(), {
      server: { rekeyAfterBytes: 150_000 },
      client: { rekeyAfterBytes: 70_000 },
    })
    const [down, up] = [someMessages(800), someMessages(800)]
    const [atServer, atClient] = [await server.ready, await client.ready]
    await Promise.all([
      sendAll(atServer, down),
      sendAll(atClient, up),
      server.received(up.length),
      client.received(down.length),
    ])
    expect(Buffer.concat(server.messages).equals(Buffer.concat(up))).toBe(true)
    expect(Buffer.concat(client.messages).equals(Buffer.concat(down))).toBe(true)
    expect(atServer.sessionId.equals(atClient.sessionId)).toBe(true)
    expect(server.readyCount).toBe(1)
    atServer.close()
    await client.closed
  })

  test('any stream will do as a socket, and its chunks are left alone', async () => {
    const [near, far] = duplexPair()
    const server = new Witness()
    const client = new Witness()
    const seen: { chunk: Buffer; copy: Buffer }[] = []
    far.on('data', (chunk: Buffer) => seen.push({ chunk, copy: Buffer.from(chunk) }))
    acceptTransport(engine(), far, {
      ident: 'x',
      hostKeys: [hostKeyPem()],
      serverSigAlgs: [],
      limits,
      handlers: server.handlers,
    })
    connectTransport(engine(), near, {
      ident: 'y',
      verifyHostKey: () => true,
      limits,
      handlers: client.handlers,
    })
    const sent = someMessages(50)
    await sendAll(await client.ready, sent)
    await server.received(sent.length)
    expect(Buffer.concat(server.messages).equals(Buffer.concat(sent))).toBe(true)
    for (const { chunk, copy } of seen) expect(chunk.equals(copy)).toBe(true)
    client.transport.disconnect(11, 'done')
    expect(await server.closed).toMatchObject({ kind: 'disconnect', text: 'done' })
  })
}
