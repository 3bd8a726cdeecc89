import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { openCheckpoint, parseCheckpoint } from '../../src/audit/tree/checkpoint.ts'
import { provesConsistency } from '../../src/audit/tree/merkle.ts'
import { isSignedBy, noteKeyId, parseVerifier, signatureType, verifierOf } from '../../src/audit/tree/note.ts'
import { openSessionLog, type SessionLog } from '../../src/audit/tree/session-log.ts'
import { verifyTree } from '../../src/audit/tree/verify-tree.ts'
import { Secret } from '../../src/config/secret.ts'
import type { CheckpointPlace } from '../../src/config/config.ts'
import { makeServerCertificate, type ServerCertificate } from '../../src/demo/server-certificate.ts'
import { publisherTo } from '../../src/notify/checkpoint-place.ts'
import { cannotMount, fill, mountSmall } from '../support/disk/mounted.ts'
import { HeldClock, newFolder, newSigner, quiet } from '../recorder/support.ts'

const signer = newSigner()
const clock = new HeldClock()
const origin = 'bastion.example.com'
/** How often to look, and for how long on a machine that is busy. */
const patiently = { interval: 20, timeout: 20_000 }
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

type Asked = { readonly path: string; readonly headers: IncomingMessage['headers']; readonly body: string }

/** An HTTP server on loopback that answers as it is told. */
async function serving(answer: (asked: Asked) => { status: number; body?: string }): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      const { status, body: said = '' } = answer({ path: request.url ?? '', headers: request.headers, body })
      response.writeHead(status).end(said)
    })
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function openLog(places: readonly CheckpointPlace[], folder = newFolder()): SessionLog & { folder: string } {
  const publishers = places.map(place => publisherTo(place, clock))
  const log = openSessionLog({
    folder,
    origin,
    signer,
    clock,
    log: quiet,
    publishers,
    checkpointAfterMs: 60_000,
  })
  return Object.assign(Object.create(log) as SessionLog, { folder, ...bound(log) })
}

function bound(log: SessionLog): Pick<SessionLog, 'add' | 'checkpoint' | 'close'> {
  return { add: leaf => log.add(leaf), checkpoint: () => log.checkpoint(), close: () => log.close() }
}

async function grow(log: SessionLog, entries: number): Promise<void> {
  for (let at = 0; at < entries; at++) log.add({ kind: 'session-open', session: 's', sha256: '0'.repeat(64) })
  await log.checkpoint()
}

/** A witness as C2SP tlog-witness describes it: it signs only what continues what it has seen. */
class Witness {
  readonly #keys = generateKeyPairSync('ed25519')
  readonly name = 'witness.example.org'
  seen: { size: number; root: Buffer } = { size: 0, root: Buffer.alloc(0) }
  refusals = 0

  get #raw(): Buffer {
    return this.#keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  }

  get #keyId(): Buffer {
    return noteKeyId(this.name, signatureType.cosignature, this.#raw)
  }

  get key(): string {
    const encoded = Buffer.concat([Buffer.from([signatureType.cosignature]), this.#raw]).toString('base64')
    return `${this.name}+${this.#keyId.toString('hex')}+${encoded}`
  }

  answer({ path, body }: Asked): { status: number; body?: string } {
    if (path !== '/add-checkpoint') return { status: 404 }
    const split = body.indexOf('\n\n')
    const [old = '', ...proof] = body.slice(0, split).split('\n')
    const checkpoint = openCheckpoint(body.slice(split + 2), [verifierOf(origin, signer.publicKeyPem)])
    if (typeof checkpoint === 'string') return { status: 403 }
    if (old !== `old ${this.seen.size}`) {
      this.refusals++
      return { status: 409, body: `${this.seen.size}\n` }
    }
    const hashes = proof.map(hash => Buffer.from(hash, 'base64'))
    if (this.seen.size > 0 && !provesConsistency(this.seen, checkpoint, hashes)) return { status: 422 }
    this.seen = { size: checkpoint.size, root: checkpoint.root }
    return { status: 200, body: this.#cosign(checkpoint.note.text) }
  }

  #cosign(text: string): string {
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(1_764_000_000n)
    const signature = sign(
      null,
      Buffer.from(`cosignature/v1\ntime 1764000000\n${text}`),
      this.#keys.privateKey,
    )
    return `— ${this.name} ${Buffer.concat([this.#keyId, time, signature]).toString('base64')}\n`
  }
}

describe('a witness', () => {
  test('whose key cannot be read is refused at the start', () => {
    expect(() => publisherTo({ kind: 'witness', url: 'http://127.0.0.1:1', key: 'no key' }, clock)).toThrow(
      /the key of the witness/,
    )
  })

  test('cosigns what only grew, and its signature joins the checkpoint', async () => {
    const witness = new Witness()
    const url = await serving(asked => witness.answer(asked))
    const log = openLog([{ kind: 'witness', url, key: witness.key }])
    for (const entries of [1, 300, 2]) {
      await grow(log, entries)
      await expect.poll(() => isCosigned(log.folder, witness), patiently).toBe(true)
    }
    expect(witness.seen.size).toBe(303)
    await log.close()
    expect(verifyTree(log.folder, { keys: [signer.publicKeyPem] }).result.ok).toBe(true)
  })

  test('that has seen more than a restarted gateway knows says so once, and goes on', async () => {
    const witness = new Witness()
    const url = await serving(asked => witness.answer(asked))
    const place = { kind: 'witness', url, key: witness.key } as const
    const log = openLog([place])
    await grow(log, 3)
    await expect.poll(() => witness.seen.size, patiently).toBe(3)
    await log.close()
    const again = openLog([place], log.folder)
    await grow(again, 4)
    await expect.poll(() => witness.seen.size, patiently).toBe(7)
    expect(witness.refusals).toBe(1)
    await again.close()
  })

  test('signs nothing for a log that was written anew', async () => {
    const witness = new Witness()
    const url = await serving(asked => witness.answer(asked))
    const place = { kind: 'witness', url, key: witness.key } as const
    const first = openLog([place])
    await grow(first, 3)
    await expect.poll(() => witness.seen.size, patiently).toBe(3)
    await first.close()
    const other = openLog([place])
    other.add({ kind: 'session-open', session: 'other', sha256: 'f'.repeat(64) })
    await grow(other, 4)
    await expect.poll(() => witness.refusals, patiently).toBe(1)
    await other.close()
    expect(witness.seen.size).toBe(3)
    expect(isCosigned(other.folder, witness)).toBe(false)
  })

  test('that is away, answers nonsense or signs with another key stops nothing', async () => {
    const stranger = new Witness()
    const urls = [
      'http://127.0.0.1:1',
      await serving(() => ({ status: 200, body: 'x'.repeat(100_000) })),
      await serving(() => ({ status: 409, body: '999999\n' })),
      await serving(asked => stranger.answer(asked)),
    ]
    const log = openLog(urls.map(url => ({ kind: 'witness', url, key: new Witness().key }) as const))
    await grow(log, 3)
    await expect.poll(() => stranger.seen.size, patiently).toBe(3)
    await log.close()
    const checkpoint = parseCheckpoint(readFileSync(join(log.folder, 'checkpoint'), 'utf8'))
    expect(typeof checkpoint === 'string' ? 0 : checkpoint.note.signatures.length).toBe(1)
  })
})

function isCosigned(folder: string, witness: Witness): boolean {
  const checkpoint = parseCheckpoint(readFileSync(join(folder, 'checkpoint'), 'utf8'))
  const key = parseVerifier(witness.key)
  return typeof checkpoint !== 'string' && typeof key !== 'string' && isSignedBy(checkpoint.note, key)
}

describe('other places', () => {
  test('a webhook gets each checkpoint, signed as Standard Webhooks says', async () => {
    const asked: Asked[] = []
    const url = await serving(one => ({ status: asked.push(one) > 0 ? 204 : 500 }))
    const key = Buffer.from('a key of the receiver')
    const log = openLog([{ kind: 'webhook', url, secret: new Secret(`whsec_${key.toString('base64')}`) }])
    await grow(log, 2)
    await expect.poll(() => asked.length, patiently).toBe(1)
    await log.close()
    const [message] = asked
    if (message === undefined) throw new Error('nothing came')
    const { headers, body } = message
    expect(JSON.parse(body)).toMatchObject({ type: 'log.checkpoint', data: { origin, size: 2 } })
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
    const signature = createHmac('sha256', key).update(signed).digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signature}`)
  })

  test('a file gets a line for each, which verify takes as what was kept', async () => {
    const path = join(newFolder(), 'kept.ndjson')
    const log = openLog([{ kind: 'file', path }])
    await grow(log, 2)
    await grow(log, 3)
    await log.close()
    await expect.poll(() => readFileSync(path, 'utf8').split('\n').length, patiently).toBe(3)
    const trust = { keys: [signer.publicKeyPem], checkpoints: [path] }
    expect(verifyTree(log.folder, trust).result.ok).toBe(true)
    const shorter = openLog([])
    await grow(shorter, 2)
    await shorter.close()
    expect(verifyTree(shorter.folder, trust).result).toMatchObject({ ok: false, file: path, record: 1 })
  })

  test('a line that was torn is taken off before the next one, which would continue it', async () => {
    const path = join(newFolder(), 'kept.ndjson')
    const log = openLog([{ kind: 'file', path }])
    await grow(log, 2)
    await expect
      .poll(() => existsSync(path) && readFileSync(path, 'utf8').split('\n').length, patiently)
      .toBe(2)
    appendFileSync(path, '{"size":3,"note":"bas')
    await grow(log, 3)
    await log.close()
    await expect.poll(() => readFileSync(path, 'utf8').split('\n').length, patiently).toBe(3)
    const { result } = verifyTree(log.folder, { keys: [signer.publicKeyPem], checkpoints: [path] })
    expect(result).toMatchObject({ ok: true, notes: [] })
  })

  test.skipIf(cannotMount() !== undefined)('a disk that is full leaves no half line', async () => {
    const folder = newFolder()
    const mounted = mountSmall(folder, 1)
    onTestFinished(() => mounted.remove())
    const path = join(folder, 'kept.ndjson')
    const before = `{"size":1,"note":"${'x'.repeat(4000)}"}\n`
    writeFileSync(path, before)
    fill(folder)
    const publishing = publisherTo({ kind: 'file', path }, clock).publish('n'.repeat(500), () => [])
    await expect(publishing).rejects.toThrow('ENOSPC')
    expect(readFileSync(path, 'utf8')).toBe(before)
  })
})

describe('a syslog server', () => {
  /** One that takes messages over TLS, or over TCP without a certificate, and keeps what it got. */
  async function listening(certificate?: ServerCertificate): Promise<{ port: number; got: () => string }> {
    const parts: Buffer[] = []
    const take = (socket: Socket): void => {
      socket.on('data', part => void parts.push(part))
      socket.on('error', () => {}) // whoever does not trust it leaves
    }
    const server =
      certificate === undefined
        ? createTcpServer(take)
        : createTlsServer({ cert: certificate.certificate, key: certificate.key }, take)
    onTestFinished(() => void server.close())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return { port: (server.address() as AddressInfo).port, got: () => Buffer.concat(parts).toString() }
  }

  /** RFC 5425, 4.3: `length message` one after the other. */
  function messagesIn(text: string): string[] {
    const messages: string[] = []
    let rest = Buffer.from(text)
    while (rest.length > 0) {
      const blank = rest.indexOf(' ')
      const bytes = Number(rest.subarray(0, blank).toString())
      messages.push(rest.subarray(blank + 1, blank + 1 + bytes).toString())
      rest = rest.subarray(blank + 1 + bytes)
    }
    return messages
  }

  const rfc5424 = /^<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ sallyport \d+ checkpoint - \uFEFF(.*)$/s

  test.each(['tls', 'tcp'])('gets every checkpoint as a message of RFC 5424 over %s', async way => {
    const certificate = way === 'tls' ? await makeServerCertificate(['localhost']) : undefined
    const { port, got } = await listening(certificate)
    const tls = certificate === undefined ? undefined : { authority: certificate.authority }
    const log = openLog([{ kind: 'syslog', server: { host: 'localhost', port, tls } }])
    // Other tests' senders still try ports that were theirs a moment ago.
    const ours = (): string[] => messagesIn(got()).filter(message => rfc5424.test(message))
    await grow(log, 1)
    await expect.poll(() => ours().length, patiently).toBe(1)
    await grow(log, 4)
    await expect.poll(() => ours().length, patiently).toBe(2)
    const sizes = ours().map(message => {
      const { size, note } = JSON.parse(rfc5424.exec(message)?.[1] ?? '') as { size: number; note: string }
      expect(openCheckpoint(note, [verifierOf(origin, signer.publicKeyPem)])).toMatchObject({ size })
      return size
    })
    expect(sizes).toEqual([1, 5])
  })

  test('with a certificate that nobody vouches for gets nothing', async () => {
    const { port, got } = await listening(await makeServerCertificate(['localhost']))
    const { authority } = await makeServerCertificate(['localhost'])
    const { publish } = publisherTo(
      { kind: 'syslog', server: { host: 'localhost', port, tls: { authority } } },
      clock,
    )
    await expect(publish('note', () => [])).rejects.toThrow()
    expect(got()).toBe('')
  })

  test('that never closes and never stops talking is given up', async () => {
    const server = createTcpServer(socket => {
      const talk = setInterval(() => socket.write('.'), 100)
      socket.on('error', () => {})
      socket.once('close', () => clearInterval(talk))
    })
    server.on('connection', socket => void (socket.allowHalfOpen = true))
    onTestFinished(() => void server.close())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { publish } = publisherTo(
      { kind: 'syslog', server: { host: '127.0.0.1', port, tls: undefined } },
      clock,
    )
    await expect(publish('note', () => [])).rejects.toThrow('did not take the message in time')
  })

  test('that is not there is a failure, to be tried again', async () => {
    const { publish } = publisherTo(
      { kind: 'syslog', server: { host: '127.0.0.1', port: 1, tls: undefined } },
      clock,
    )
    await expect(publish('note', () => [])).rejects.toThrow('ECONNREFUSED')
  })
})
