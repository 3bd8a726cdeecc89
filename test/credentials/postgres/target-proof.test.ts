import { createServer, type Server, type Socket } from 'node:net'
import { generateKeyPairSync } from 'node:crypto'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuditLog, openAuditLog } from '../../../src/audit/audit-log.ts'
import { systemClock } from '../../../src/clock.ts'
import type { PostgresTls } from '../../../src/config/config.ts'
import { fileSigner } from '../../../src/credentials/authority.ts'
import { isTargetProof, reachPostgres } from '../../../src/credentials/postgres/target-proof.ts'
import { makeServerCertificate } from '../../../src/demo/server-certificate.ts'
import { startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { newFolder } from '../../support/scratch.ts'

let postgres: TestPostgres
let audit: AuditLog

beforeAll(async () => {
  audit = openAuditLog({
    folder: newFolder('audit'),
    signer: fileSigner(generateKeyPairSync('ed25519').privateKey),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  })
  postgres = await startPostgres(18)
}, 60_000)

afterAll(async () => {
  await postgres.close()
  await audit.close()
})

function reach(tls: PostgresTls, more: { host?: string; port?: number; timeoutMs?: number } = {}) {
  const target = postgres.target({ tls, ...more })
  return reachPostgres(audit.probe(target.name, 'test'), target, { timeoutMs: more.timeoutMs ?? 5000 })
}

/** What a target answers to the request for TLS, in one write. */
async function answering(bytes: string): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => socket.write(bytes))
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const stranger = makeServerCertificate(['localhost'])

describe('refuses', () => {
  test('a certificate of another authority', async () => {
    const { authority } = await stranger
    await expect(reach({ mode: 'verify-full', authority })).rejects.toThrow('did not prove who it is')
    await expect(reach({ mode: 'verify-ca', authority })).rejects.toThrow('did not prove who it is')
  })

  test('a certificate that no public authority signed, where none is named', async () => {
    await expect(reach({ mode: 'verify-full' })).rejects.toThrow('did not prove who it is')
  })

  test('the certificate of another host', async () => {
    const tls = {
      mode: 'verify-full',
      authority: postgres.tls.authority,
      serverName: 'db.example.com',
    } as const
    await expect(reach(tls)).rejects.toThrow('did not prove who it is')
  })

  test('a certificate that is not pinned, and says its fingerprint', async () => {
    const tls = { mode: 'pinned', fingerprints: ['00'.repeat(32)] } as const
    await expect(reach(tls)).rejects.toThrow(postgres.fingerprint)
  })

  test('a server without TLS, and bytes that come before TLS does', async () => {
    for (const [bytes, complaint] of [
      ['N', 'does not speak TLS'],
      ['E an error text of whoever stands between', 'answered out of turn'],
      ['SR\0\0\0\x08\0\0\0\0', 'answered out of turn'],
    ] as const) {
      const server = await answering(bytes)
      await expect(reach({ mode: 'pinned', fingerprints: ['00'.repeat(32)] }, server)).rejects.toThrow(
        complaint,
      )
      server.close()
    }
  })

  test('to wait longer than its time', async () => {
    const server = await answering('')
    await expect(reach({ mode: 'verify-full' }, { port: server.port, timeoutMs: 50 })).rejects.toThrow(
      'cannot be reached',
    )
    server.close()
  })

  test('evidence for another target', () => {
    const probe = audit.probe('another', 'test')
    expect(() => reachPostgres(probe, postgres.target(), { timeoutMs: 1000 })).toThrow(TypeError)
  })
})

test('proves a target by its authority and name, by its authority, by its pin, and on loopback by its place', async () => {
  const { authority } = postgres.tls
  for (const [tls, by] of [
    [{ mode: 'verify-full', authority }, 'verify-full'],
    [{ mode: 'verify-full', authority, serverName: 'localhost' }, 'verify-full'],
    [{ mode: 'verify-ca', authority, serverName: 'db.example.com' }, 'verify-ca'],
    [{ mode: 'pinned', fingerprints: [postgres.fingerprint] }, 'pinned'],
    [{ mode: 'off' }, 'loopback'],
  ] as const) {
    const { socket, proof } = await reach(tls)
    expect(proof.by).toBe(by)
    expect(proof.fingerprint).toBe(by === 'loopback' ? undefined : postgres.fingerprint)
    expect(isTargetProof(proof)).toBe(true)
    socket.destroy()
  }
})
