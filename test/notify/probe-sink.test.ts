/** What `sallyport check` says of sinks: what would fail fails here, and nobody gets an event. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NotifySink } from '../../src/config/notify-schema.ts'
import { makeServerCertificate } from '../../src/demo/server-certificate.ts'
import { probeSink } from '../../src/notify/probe-sink.ts'
import { newFolder } from '../recorder/support.ts'

const ours = await makeServerCertificate(['localhost'])
const others = await makeServerCertificate(['localhost'])
const elsewhere = await makeServerCertificate(['siem.example.com'])
const common = { name: 'one', events: [], format: 'audit', content: false } as const

/** Keeps every byte that it is sent. */
async function listen(server: Server): Promise<{ port: number; got: Buffer[] }> {
  const got: Buffer[] = []
  server.on('secureConnection', socket => void socket.on('data', (part: Buffer) => got.push(part)))
  server.on('connection', socket => void socket.on('error', () => {}))
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, got }
}

const tlsServer = () => listen(createTlsServer({ cert: ours.certificate, key: ours.key }))

function webhook(port: number, authority: string | undefined, host = 'localhost'): NotifySink {
  const url = `https://${host}:${port}/hook`
  return { ...common, kind: 'webhook', url, authority, secrets: [], may: [], attempts: 1, giveUpMs: 1 }
}

function syslog(port: number, authority: string | undefined): NotifySink {
  return { ...common, kind: 'syslog', server: { host: 'localhost', port, tls: { authority } } }
}

function otlp(port: number, authority: string | undefined): NotifySink {
  const url = `https://localhost:${port}/v1/traces`
  return { ...common, kind: 'otlp', url, authority, token: undefined, attempts: 1, giveUpMs: 1 }
}

function file(path: string): NotifySink {
  return { ...common, kind: 'file', path, rotateBytes: 1, keepFiles: 1 }
}

/** A port that nobody listens at. */
async function nobodysPort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>(resolve => void server.close(() => resolve()))
  return port
}

describe.each([
  ['webhook', webhook],
  ['syslog', syslog],
  ['otlp', otlp],
] as const)('%s', (_, sinkAt) => {
  test('fails where nobody listens', async () => {
    const found = await probeSink(sinkAt(await nobodysPort(), ours.authority))
    expect(found).toMatchObject({ ok: false, text: expect.stringContaining('ECONNREFUSED') })
  })

  test('fails where somebody else answers', async () => {
    const { port, got } = await tlsServer()
    for (const authority of [others.authority, undefined]) {
      const { ok, text } = await probeSink(sinkAt(port, authority))
      expect(ok).toBe(false)
      expect(text).toContain('name who vouches for it as its authority')
      expect(text).not.toContain('Node')
    }
    expect(got).toEqual([])
  })

  test('fails where the certificate is for another name', async () => {
    const { port } = await listen(createTlsServer({ cert: elsewhere.certificate, key: elsewhere.key }))
    const found = await probeSink(sinkAt(port, elsewhere.authority))
    expect(found).toMatchObject({ ok: false, text: expect.stringContaining('altnames') })
  })

  test('fails where no TLS is spoken', async () => {
    const { port } = await listen(createTcpServer(socket => void socket.end('hello\n')))
    expect(await probeSink(sinkAt(port, ours.authority))).toMatchObject({ ok: false })
  })

  test('is well where the right one answers, which gets nothing', async () => {
    const { port, got } = await tlsServer()
    const found = await probeSink(sinkAt(port, ours.authority))
    expect(found.text).toMatch(/^can be reached, and proves who it is \(TLSv1\.3, certificate until \d{4}-/)
    expect(found.ok).toBe(true)
    expect(got).toEqual([])
  })
})

test('a webhook is not tried at an address that no message may go to', async () => {
  const found = await probeSink(webhook(443, undefined, '169.254.169.254'))
  expect(found).toEqual({ ok: false, text: '169.254.169.254 is no address of a receiver' })
})

test('a name that does not exist is said to', async () => {
  const found = await probeSink(webhook(443, undefined, 'no-such-host.invalid'))
  expect(found.text).toMatch(/ENOTFOUND|EAI_AGAIN/)
})

test('a file that is there is left as it is, and one that is not is not made', async () => {
  const folder = newFolder()
  const [there, missing] = [join(folder, 'there'), join(folder, 'missing')]
  writeFileSync(there, 'kept\n')
  expect(await probeSink(file(there))).toEqual({ ok: true, text: `${there} can be written` })
  expect(readFileSync(there, 'utf8')).toBe('kept\n')
  expect(await probeSink(file(missing))).toEqual({ ok: true, text: `${missing} can be made` })
  expect(existsSync(missing)).toBe(false)
  expect(await probeSink(file(join(folder, 'no', 'folder')))).toMatchObject({ ok: false })
  expect(await probeSink(file(folder))).toMatchObject({ ok: false, text: expect.stringContaining('EISDIR') })
})

test.skipIf(process.getuid?.() === 0)('a file that may not be written fails', async () => {
  const folder = join(newFolder(), 'closed')
  mkdirSync(folder)
  writeFileSync(join(folder, 'events'), '')
  chmodSync(folder, 0o500)
  onTestFinished(() => chmodSync(folder, 0o700))
  expect(await probeSink(file(join(folder, 'events')))).toMatchObject({ ok: false })
})
