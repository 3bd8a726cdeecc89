import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeServerCertificate, type ServerCertificate } from '../../src/demo/server-certificate.ts'
import type { SinkPlan } from '../../src/notify/notify-messages.ts'
import { Ground, names, patiently } from './ground.ts'

/** A syslog server over TLS that keeps what it got, as RFC 5425 has it: `length message`. */
class SyslogReceiver {
  readonly #parts: Buffer[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(certificate: ServerCertificate | undefined, onSocket: (socket: Socket) => void) {
    const take = (socket: Socket): void => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', part => void this.#parts.push(part))
      onSocket(socket)
    }
    this.#server =
      certificate === undefined
        ? createTcpServer(take)
        : createTlsServer({ cert: certificate.certificate, key: certificate.key }, take)
  }

  static async start(
    certificate: ServerCertificate | undefined,
    port = 0,
    onSocket: (socket: Socket) => void = () => {},
  ): Promise<SyslogReceiver> {
    const receiver = new SyslogReceiver(certificate, onSocket)
    await new Promise<void>(resolve => receiver.#server.listen(port, '127.0.0.1', resolve))
    onTestFinished(() => receiver.stop())
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get messages(): string[] {
    const messages: string[] = []
    let rest = Buffer.concat(this.#parts)
    while (rest.length > 0) {
      const blank = rest.indexOf(' ')
      const bytes = Number(rest.subarray(0, blank).toString())
      if (rest.length < blank + 1 + bytes) break
      messages.push(rest.subarray(blank + 1, blank + 1 + bytes).toString())
      rest = rest.subarray(blank + 1 + bytes)
    }
    return messages
  }

  get sessions(): unknown[] {
    return this.messages.map(
      text => (JSON.parse(text.slice(text.indexOf('\uFEFF') + 1)) as { session: unknown }).session,
    )
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

function plan(port: number, authority: string | undefined): SinkPlan {
  const tls = authority === undefined ? undefined : { authority }
  return {
    kind: 'syslog',
    name: 'siem',
    events: ['session-*', 'refusal'],
    format: 'audit',
    content: false,
    host: 'localhost',
    port,
    tls,
  }
}

test('a server whose certificate nobody vouches for gets nothing', async () => {
  const ground = new Ground()
  const receiver = await SyslogReceiver.start(await makeServerCertificate(['localhost']))
  const notifier = await ground.notify([
    plan(receiver.port, (await makeServerCertificate(['localhost'])).authority),
  ])
  ground.open(1)
  await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 1, patiently)
  expect(receiver.messages).toEqual([])
})

test('a server whose certificate is of another name gets nothing', async () => {
  const ground = new Ground()
  const certificate = await makeServerCertificate(['logs.example.com'])
  const receiver = await SyslogReceiver.start(certificate)
  const notifier = await ground.notify([plan(receiver.port, certificate.authority)])
  ground.open(1)
  await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 1, patiently)
  expect(receiver.messages).toEqual([])
})

test('each event is a message of RFC 5424 over TLS, in order, with its kind as message id and refusals as warnings', async () => {
  const ground = new Ground()
  const certificate = await makeServerCertificate(['localhost'])
  const receiver = await SyslogReceiver.start(certificate)
  await ground.notify([plan(receiver.port, certificate.authority)])
  ground.open(300)
  ground.append({ kind: 'refusal', code: 'no-rule' })
  await vi.waitUntil(() => receiver.messages.length >= 301, patiently)
  const { messages } = receiver
  expect(receiver.sessions.slice(0, 300)).toEqual(names(300))
  const form = /^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ sallyport \d+ (\S+) - \uFEFF\{/
  expect(form.exec(messages[0] ?? '')?.slice(1)).toEqual(['110', 'session-open'])
  expect(form.exec(messages[300] ?? '')?.slice(1)).toEqual(['108', 'refusal'])
})

test('line ends, escapes and endless names stay inside of their message, which a receiver of 8 KiB can take', async () => {
  const ground = new Ground()
  const receiver = await SyslogReceiver.start(undefined)
  await ground.notify([plan(receiver.port, undefined)])
  const hostile = `\r\n<13>1 forged\n\u0000\u001b[2J${'\u001b'.repeat(5000)}`
  ground.append({
    kind: 'session-open',
    session: 's1',
    principal: hostile,
    target: hostile,
    [hostile]: hostile,
  })
  await vi.waitUntil(() => receiver.messages.length > 0, patiently)
  expect(receiver.messages).toHaveLength(1)
  expect(receiver.sessions).toEqual(['s1'])
  expect(Buffer.byteLength(receiver.messages[0] ?? '')).toBeLessThanOrEqual(8192)
  expect(receiver.messages[0]).not.toMatch(/[\u0000-\u001f\u007f]/)
})

test('a server that resets in the middle, and one that is away for a while, get everything in the end and in order', async () => {
  const ground = new Ground()
  const first = await SyslogReceiver.start(undefined, 0, socket =>
    socket.once('data', () => socket.resetAndDestroy()),
  )
  const { port } = first
  const notifier = await ground.notify([plan(port, undefined)], { delayMs: 50 })
  ground.open(40)
  await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 0, patiently)
  await first.stop()
  const second = await SyslogReceiver.start(undefined, port)
  await vi.waitUntil(() => second.sessions.at(-1) === 's40', patiently)
  expect(second.sessions.slice(-40)).toEqual(names(40))
  expect(notifier.states()[0]?.deadLetters).toBe(0)
})
