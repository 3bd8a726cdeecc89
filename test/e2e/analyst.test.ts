/** The analyst with real clients: encrypted sessions are looked at before their seal, nothing of them is kept, and a slow statement delays nobody. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import type { FindingInFull, FindingPage } from '../../src/analysis/findings/desk.ts'
import { testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { type RawConfig, type World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
const word = 'pelican-in-the-clear'
const slowMs = 120_000

let company: PostgresWorld
let world: World

/** Recordings that the gateway cannot read afterwards; statements are relayed by a process of their own. */
function configure(config: RawConfig): void {
  const folder = join(config['gateway'].data as string, '..', 'auditors')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'one.jwk')
  execFileSync(process.execPath, ['src/main.ts', 'keys', 'auditor', '--out', file])
  config['recording'] = { ...config['recording'], encryptTo: [`file:${join(folder, 'one.pub.jwk')}`] }
  config['postgres'].workers = 1
  config['analysis'] = { budget: 50, baselines: { enabled: false } }
  config['roles'].admin.on = [{ finding: { rule: 'SSH-02' }, do: 'end' }]
}

beforeAll(async () => {
  company = await PostgresWorld.start({ version: 15, sshd: true, configure })
  ;({ world } = company)
}, slowMs)
afterAll(() => company?.stop())

async function say<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await world.sallyport(...args, '--json')
  expect([args, code, stderr]).toEqual([args, 0, ''])
  return JSON.parse(stdout.toString()) as T
}

/** Waits for a finding of a rule. */
async function found(rule: string): Promise<FindingInFull> {
  const noticed = (): boolean =>
    world.audit().some(line => line['kind'] === 'finding-noticed' && line['group'] === rule)
  await world.until(noticed)
  const { items } = await say<FindingPage>('findings', 'list', '--rule', rule, '--place', 'all')
  const [one] = items
  return await say<FindingInFull>('findings', 'show', one?.id ?? '')
}

/** The gateway goes on: a file may be gone by now. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw cause
  }
}

function expectNothingKept(): void {
  const files = readdirSync(world.data, { recursive: true, withFileTypes: true }).filter(file =>
    file.isFile(),
  )
  expect(files.length).toBeGreaterThan(10)
  const holding = files.filter(({ parentPath, name }) => contentOf(join(parentPath, name)).includes(word))
  expect(holding.map(({ name }) => name)).toEqual([])
  expect(world.log).not.toContain(word)
}

function metricsText(): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath: join(world.data, 'admin.sock'), path: '/metrics' }, answer => {
      let text = ''
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
      answer.once('end', () => resolve(text))
    })
      .once('error', reject)
      .end()
  })
}

test(
  'a command in an encrypted session ends it while it runs, and the finding quotes nothing',
  async () => {
    const run = await world.ssh(`${world.login}@web1`, { command: [`auditctl -D; : ${word}; sleep 600`] })
    expect(run.code).not.toBe(0)
    const finding = await found('SSH-02')
    expect(finding).toMatchObject({ severity: 'high', target: 'web1', principal: 'ada@example.com' })
    expect(finding.quotes).toEqual([
      { entry: 0, offsetMs: expect.any(Number), text: 'The quote is in the encrypted recording.' },
    ])
    const row = await world.lastEnded()
    expect(row.endReason).toBe(`policy ends it because of finding ${finding.id}`)
    expectNothingKept()
  },
  slowMs,
)

test(
  'so does a statement that another process relayed, at the very end of its session, behind one that the grammar cannot finish',
  async () => {
    const hard = `insert into ${word.replaceAll('-', '_')} values ${'(1,2),'.repeat(43_000)}(3,4)`
    await company.psql(undefined, {
      input: `${hard};\nCOPY (SELECT '${word}' FROM generate_series(1, 5000)) TO STDOUT;\n`,
    })
    const finding = await found('PG-03')
    expect(finding.quotes.map(({ text }) => text)).toEqual(['The quote is in the encrypted recording.'])
    await world.lastEnded()
    expectNothingKept()
  },
  slowMs,
)

test(
  'nothing of them is found by a search, and metrics say that nothing waits',
  async () => {
    const { items } = await say<{ items: readonly unknown[] }>('search', 'auditctl')
    expect(items).toEqual([])
    await world.until(async () => /^sallyport_analysis_unread_bytes 0$/m.test(await metricsText()))
    expect(await metricsText()).toMatch(/^sallyport_analysis_waiting_sessions 0$/m)
    expect(await metricsText()).toMatch(/^sallyport_analysis_lag_seconds \d/m)
  },
  slowMs,
)
