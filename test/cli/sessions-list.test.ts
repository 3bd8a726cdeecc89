/** `sallyport sessions list` where no gateway runs: over the store itself. */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { openStore } from '../../src/store/sqlite-store.ts'
import { sessionRow } from '../api/world.ts'
import { scratchFolder } from '../support/openssh.ts'

const root = join(import.meta.dirname, '../..')
const scratch = scratchFolder()
const config = join(scratch.path, 'sallyport.yaml')

beforeAll(async () => {
  const data = join(scratch.path, 'data')
  mkdirSync(data)
  const raw = {
    gateway: { name: 'bastion.test', data },
    ssh: { listen: '127.0.0.1:2222' },
    web: { listen: '127.0.0.1:1', url: 'http://127.0.0.1:1' },
    identity: { issuer: 'http://127.0.0.1:2', clientId: 'sallyport', clientSecret: 'env:SECRET' },
    targets: [{ name: 'web1', protocol: 'ssh', address: '10.0.0.1:22', hostKeys: 'first-use' }],
    roles: {
      admin: { members: { groups: ['admins'] }, allow: [{ targets: { protocol: 'ssh' }, logins: ['root'] }] },
    },
  }
  writeFileSync(config, stringify(raw))
  const store = await openStore(data)
  for (let day = 1; day <= 9; day++)
    await store.sessions.insert(
      sessionRow({
        id: `s-${day}`,
        principalName: day % 2 === 0 ? 'ada@example.com' : 'eve@example.com',
        target: day % 3 === 0 ? 'orders' : 'web1',
        protocol: day % 3 === 0 ? 'postgres' : 'ssh',
        openedAtMs: Date.UTC(2026, 10, day, 12),
        endedAtMs: Date.UTC(2026, 10, day, 13),
      }),
    )
  await store.close()
})
afterAll(() => scratch.remove())

type Answer = { readonly code: number; readonly out: string; readonly err: string }

function list(...args: readonly string[]): Promise<Answer> {
  const all = [join(root, 'bin/sallyport.js'), 'sessions', 'list', '--config', config, ...args]
  return new Promise(resolve => {
    execFile(process.execPath, all, { cwd: scratch.path }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    )
  })
}

async function outOf(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await list(...args)
  expect(code, err).toBe(0)
  return out
}

test.each([
  [['--from', 'yesterday'], '--from must be a day or a time in UTC, such as'],
  [['--to', '2026-02-31'], '--to must be a day or a time'],
  [['--from', '2026-11-03', '--to', '2026-11-03'], '--from must be before --to'],
  [['--state', 'gone'], '--state must be open, ended, terminated or interrupted'],
  [['--protocol', 'telnet'], 'ssh, postgres'],
  [['--limit', '0'], '--limit must be a whole number from 1 to 1000'],
  [['--cursor', "x' or 1"], 'copy it from its last line'],
])('%j is refused with what to write instead', async (args, advice) => {
  const { code, out, err } = await list(...args)
  expect([code, out]).toEqual([1, ''])
  expect(err).toContain(advice)
})

test('each filter leaves what it says, a day stands for its beginning in UTC, and all filters hold', async () => {
  const ids = async (...args: readonly string[]): Promise<string[]> =>
    (JSON.parse(await outOf('--json', ...args)) as { id: string }[]).map(({ id }) => id)
  expect(await ids('--person', 'ada@example.com')).toEqual(['s-8', 's-6', 's-4', 's-2'])
  expect(await ids('--person', 'ada*', 'eve*', '--protocol', 'postgres')).toEqual(['s-9', 's-6', 's-3'])
  expect(await ids('--from', '2026-11-08', '--to', '2026-11-09T12:00')).toEqual(['s-8'])
  expect(await ids('--from', '2026-11-09T13:00+01:00')).toEqual(['s-9'])
  expect(await ids('--target', 'orders', '--person', 'ada*', '--state', 'ended')).toEqual(['s-6'])
})

test('a list that is cut says how to go on, until there is no more', async () => {
  const found: string[] = []
  let more: string | undefined
  do {
    const out = await outOf(
      '--target',
      'web1',
      '--limit',
      '4',
      ...(more === undefined ? [] : ['--cursor', more]),
    )
    found.push(...(out.match(/^s-\d/gm) ?? []))
    more = /of 6; --cursor (\S+) shows more$/m.exec(out)?.[1]
  } while (more !== undefined)
  expect(found).toEqual(['s-8', 's-7', 's-5', 's-4', 's-2', 's-1'])
})
