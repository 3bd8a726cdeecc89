/** The ten invariants of ARCHITECTURE.md, each by its number. What needs real peers is in test/e2e/invariants.test.ts. */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileSigner } from '../../src/credentials/authority.ts'
import { mintSshCredential } from '../../src/credentials/mint.ts'
import { sweep } from '../../src/credentials/sweep.ts'
import type { LeaseRow } from '../../src/model.ts'
import { decodeConnectionMessage } from '../../src/ssh/messages.ts'
import { FakeClock } from '../support/fake-clock.ts'

const repository = new URL('../../', import.meta.url).pathname

describe('invariant 1: no grant, no recording; no recording, no upstream; no proof of the target, no credential', () => {
  const project = join(repository, 'test/invariants/forgeries')
  const source = readFileSync(join(project, 'forgeries.ts'), 'utf8').split('\n')
  const compiled = spawnSync('tsc', ['-p', project, '--pretty', 'false'], { encoding: 'utf8' }).stdout
  const refused = new Set([...compiled.matchAll(/forgeries\.ts\((\d+),/g)].map(match => Number(match[1])))

  const attacks = source.flatMap((line, index) =>
    line.includes('// must not compile') ? [[index + 1, line.trim()] as const] : [],
  )
  for (const [number, line] of attacks) {
    test(`does not compile: ${line.replace(/\s*\/\/ must not compile/, '')}`, () =>
      expect(refused.has(number)).toBe(true))
  }
  test('and nothing else in that file is refused, so the compiler did look', () => {
    expect(attacks.length).toBeGreaterThanOrEqual(9)
    expect([...refused].filter(number => !attacks.some(([attack]) => attack === number))).toEqual([])
  })
})

test('invariant 4: what we forward is what we decoded: a malformed message decodes to a fault', () => {
  expect(() => decodeConnectionMessage(Buffer.from('5e0000000000000005616263', 'hex'))).toThrow('malformed')
})

/** A store of leases that notes the order of what happens to it. */
function leaseStore(rows: LeaseRow[], steps: string[] = [], failing = false) {
  return {
    insert: async (row: LeaseRow) => {
      if (failing) throw new Error('disk full')
      steps.push(`lease ${row.state}`)
      rows.push(row)
    },
    advance: async (id: string, state: LeaseRow['state']) => {
      steps.push(`lease ${state}`)
      const at = rows.findIndex(row => row.id === id)
      if (rows[at] !== undefined) rows[at] = { ...rows[at], state }
    },
    remove: async (id: string) => {
      steps.push('lease removed')
      const at = rows.findIndex(row => row.id === id)
      if (at >= 0) rows.splice(at, 1)
    },
    list: async () => rows,
  }
}

describe('invariant 6: a lease is written before its credential exists, and only the dead are swept', () => {
  const target = { name: 'web1', protocol: 'ssh', host: '127.0.0.1', port: 22 }
  const evidence = {
    grant: {
      fields: {
        target,
        login: 'root',
        channels: ['shell'],
        exec: undefined,
        principal: { fields: { name: 'ada' } },
      },
    },
    recording: { session: 'abc' },
    proof: { target },
  } as unknown as Parameters<typeof mintSshCredential>[0]

  function parts(leases: ReturnType<typeof leaseStore>, steps: string[] = []) {
    const key = fileSigner(generateKeyPairSync('ed25519').privateKey)
    return {
      store: { leases },
      audit: { append: (event: { kind: string }) => void steps.push(event.kind) },
      clock: new FakeClock(),
      authority: {
        ...key,
        sign: async (data: Uint8Array) => {
          steps.push('certificate signed')
          return key.sign(data)
        },
      },
      owner: 'me',
    } as unknown as Parameters<typeof mintSshCredential>[2]
  }

  test('lease, certificate, audit, in this order; and the way back', async () => {
    const steps: string[] = []
    const credential = await mintSshCredential(evidence, '127.0.0.1', parts(leaseStore([], steps), steps))
    await credential.remove()
    expect(steps).toEqual([
      'lease intended',
      'certificate signed',
      'credential-minted',
      'lease live',
      'lease ending',
      'credential-removed',
      'lease removed',
    ])
  })

  test('no lease, no credential', async () => {
    const steps: string[] = []
    await expect(
      mintSshCredential(evidence, '127.0.0.1', parts(leaseStore([], steps, true), steps)),
    ).rejects.toThrow('disk full')
    expect(steps).toEqual([])
  })

  test('a credential signs once, and after that its key is out of reach', async () => {
    const credential = await mintSshCredential(evidence, '127.0.0.1', parts(leaseStore([])))
    expect(credential.signOnce(Buffer.from('x')).length).toBe(64)
    expect(() => credential.signOnce(Buffer.from('x'))).toThrow('used already')
    const other = await mintSshCredential(evidence, '127.0.0.1', parts(leaseStore([])))
    await other.remove()
    expect(() => other.signOnce(Buffer.from('x'))).toThrow('used already')
  })

  test('the sweep leaves what belongs to a living gateway and what could still be used', async () => {
    const clock = new FakeClock()
    const row = (id: string, owner: string, expiresInMs: number): LeaseRow => ({
      id,
      session: id,
      target: 'web1',
      kind: 'ssh-certificate',
      detail: '1',
      owner,
      state: 'live',
      createdAtMs: 0,
      expiresAtMs: clock.nowMs() + expiresInMs,
    })
    const rows = [
      row('mine', 'me', -1000),
      row('mine, forgotten', 'me', -600_000),
      row('dead', 'gone', -1000),
      row('fresh', 'gone', 20_000),
    ]
    const store = { leases: leaseStore(rows) }
    const audit = { append: () => {} }
    await sweep({ store, audit, clock, owner: 'me' } as unknown as Parameters<typeof sweep>[0])
    expect(rows.map(lease => lease.id)).toEqual(['mine', 'fresh'])
  })
})

test('invariant 7: nothing that decides or acts imports analysis', () => {
  const acting = ['policy', 'session', 'ssh', 'credentials', 'identity', 'store', 'audit', 'recorder']
  for (const folder of acting) {
    for (const name of readdirSync(join(repository, 'src', folder))) {
      if (!name.endsWith('.ts')) continue
      expect(readFileSync(join(repository, 'src', folder, name), 'utf8')).not.toMatch(
        /from '\.\.\/analysis\//,
      )
    }
  }
})
