/** Searching: what real ssh and psql do is found while they do it, and no password is in the index. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { AdminClient } from '../../src/cli/admin-client.ts'
import type { Found, FoundPage } from '../../src/analysis/index/search-types.ts'
import { testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import type { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let company: PostgresWorld
let world: World

beforeAll(async () => {
  company = await PostgresWorld.start({ sshd: true })
  world = company.world
})

afterAll(async () => company.stop())

async function search(...words: readonly string[]): Promise<FoundPage> {
  return await new AdminClient(join(world.data, 'admin.sock')).search({ q: words.join(' '), by: 'the test' })
}

async function untilFound(...args: readonly string[]): Promise<readonly Found[]> {
  let items: readonly Found[] = []
  await world.until(async () => (items = (await search(...args)).items).length > 0)
  return items
}

const secret = 'hunter2Secret'

test('a command and a statement are found while their sessions go on, and no password is', async () => {
  const terminal = await world.terminal(`${world.login}@web1`)
  await terminal.waitFor(/[$#] $/)
  terminal.type(`echo zanzi''bar; mysql -uroot -p${secret}; PGPASSWORD=${secret} true\r`)
  await terminal.waitFor(/zanzibar\r?\n/)
  const psql = company.start('psql', ['-X', '-A', '-t'], await company.environment('app_owner'))
  psql.stdin?.write(`select 'pemba' as island, 42 as answer; select pg_sleep(3);\n`)
  const [shown] = await untilFound('zanzibar', 'kind:screen')
  expect(shown).toMatchObject({ target: 'web1', kind: 'screen' })
  const [statement] = await untilFound('pemba', 'kind:statement')
  expect(statement).toMatchObject({ target: 'orders', login: 'app_owner' })
  expect(statement?.text.slice(...(statement.marks[0] ?? [0, 0]))).toBe('pemba')
  terminal.type('exit\r')
  await terminal.exit()
  psql.stdin?.end()
  const [command] = await untilFound('zanzi', 'kind:command')
  expect(command?.text).toContain('echo zanzi')
  expect((await search(secret)).items).toEqual([])
  for (const name of readdirSync(world.data).filter(file => file.startsWith('index.db')))
    expect(readFileSync(join(world.data, name)).includes(secret)).toBe(false)
})

test('each search is in the audit log, with what was looked for', async () => {
  const { code, stdout } = await world.sallyport('search', 'mafia', 'island')
  expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: 'Nothing was found.\n' })
  expect(
    world
      .audit()
      .filter(({ kind }) => kind === 'search')
      .at(-1),
  ).toMatchObject({ query: 'mafia island' })
})

test('a search that cannot be used says what to do', async () => {
  const { code, stderr } = await world.sallyport('search', 'kind:nothing')
  expect(code).toBe(1)
  expect(stderr).toContain('kind: is one of command')
})

test('what a target wrote cannot act on the terminal that shows it', async () => {
  await world.ssh(`${world.login}@web1`, {
    command: [String.raw`printf 'lamu \033]0;owned\007 \033[31mred'`],
  })
  await untilFound('lamu', 'kind:screen')
  const { stdout } = await world.sallyport('search', 'lamu')
  expect(stdout.includes(0x1b)).toBe(false)
  expect(stdout.toString()).toContain('lamu')
})

test('after kill -9 in the middle, and a start, nothing is lost and nothing doubled', async () => {
  const terminal = await world.terminal(`${world.login}@web1`)
  await terminal.waitFor(/[$#] $/)
  for (const island of ['kilwa', 'songo', 'mnara']) {
    terminal.type(`echo ${island}\r`)
    await terminal.waitFor(new RegExp(`[\r\n]${island}\r?\n`))
  }
  await untilFound('"echo kilwa"', 'kind:command')
  await world.killGateway('SIGKILL')
  terminal.kill()
  await world.startGateway()
  for (const island of ['kilwa', 'songo', 'mnara']) {
    const found = await untilFound(`"echo ${island}"`, 'kind:command')
    expect(found).toHaveLength(1)
  }
})

test('the index is built again from the recordings, with the gateway and without it, and finds the same', async () => {
  const before = (await search('echo OR pemba OR lamu')).items.map(({ session, entry, text }) => ({
    session,
    entry,
    text,
  }))
  expect(before.length).toBeGreaterThan(4)
  expect((await world.sallyport('reindex')).code).toBe(0)
  await world.until(async () => (await search('echo OR pemba OR lamu')).items.length === before.length)
  await world.killGateway('SIGTERM')
  const offline = await world.sallyport('reindex')
  expect(offline.stderr).toBe('')
  expect(offline.stdout.toString()).toMatch(/^\d+ entries of sessions: \d+ done/)
  await world.startGateway()
  const after = (await search('echo OR pemba OR lamu')).items.map(({ session, entry, text }) => ({
    session,
    entry,
    text,
  }))
  expect(after).toEqual(before)
})
