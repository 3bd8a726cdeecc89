import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { migrations } from '../../src/store/migrations.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { sessionOf } from '../policy/people.ts'
import { dataFolder, leaseOf, signInOf } from './rows.ts'

const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

async function storeIn(folder = dataFolder()): Promise<Store> {
  const store = await openStore(folder)
  opened.push(store)
  return store
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(thrown instanceof Fault)) throw new Error(`expected a Fault, got ${String(thrown)}`)
  return thrown
}

test('a database of a newer version is refused with a sentence, and stays as it was', async () => {
  const folder = dataFolder()
  const newer = { version: migrations.length + 1, name: 'later', up: () => Promise.resolve() }
  await (await openStore(folder, [...migrations, newer])).close()
  const fault = await faultOf(openStore(folder))
  expect(fault.code).toBe('STORE_UNAVAILABLE')
  expect(fault.message).toContain(
    `written by a newer Sallyport (schema ${newer.version}, this one knows ${migrations.length})`,
  )
  await (await openStore(folder, [...migrations, newer])).close()
})

test('a file that is no database is refused, and the operator hears which', async () => {
  const folder = dataFolder()
  writeFileSync(join(folder, 'state.db'), 'x'.repeat(5000))
  const fault = await faultOf(openStore(folder))
  expect(fault.code).toBe('STORE_UNAVAILABLE')
  expect(fault.userText).toBe(`state.db in ${folder} cannot be used: file is not a database.`)
})

test('a migration that fails leaves the database as it was', async () => {
  const folder = dataFolder()
  await (await openStore(folder)).close()
  const broken = {
    version: migrations.length + 1,
    name: 'broken',
    up: async (db: Parameters<(typeof migrations)[number]['up']>[0]) => {
      await sql`create table half (x)`.execute(db)
      throw new Error('no')
    },
  }
  await faultOf(openStore(folder, [...migrations, broken]))
  const store = await storeIn(folder)
  expect(await store.leases.list()).toEqual([])
  const raw = new Database(join(folder, 'state.db'), { readonly: true })
  expect(raw.prepare("select name from sqlite_master where name = 'half'").all()).toEqual([])
  raw.close()
})

test('a closed store refuses everything with a fault, also a second close does no harm', async () => {
  const store = await openStore(dataFolder())
  await store.close()
  await store.close()
  expect((await faultOf(store.sessions.get('x'))).code).toBe('STORE_UNAVAILABLE')
  expect((await faultOf(store.leases.insert(leaseOf()))).code).toBe('STORE_UNAVAILABLE')
  expect((await faultOf(store.hostKeys.of('x'))).code).toBe('STORE_UNAVAILABLE')
  expect(await faultOf(store.signIns.find('x', 0))).toMatchObject({
    code: 'STORE_UNAVAILABLE',
    userText: 'The gateway cannot reach its store. Try again, or tell its operator.',
  })
})

test('a folder that others may read and that holds other things is refused, not closed to them', async () => {
  const folder = dataFolder()
  mkdirSync(join(folder, 'www'))
  chmodSync(folder, 0o755)
  expect((await faultOf(openStore(folder))).message).toContain(`run chmod 700 ${folder}`)
  expect(statSync(folder).mode & 0o777).toBe(0o755)
})

test('folder and files are for our user only, also the files that SQLite adds', async () => {
  const folder = join(dataFolder(), 'a', 'b')
  const store = await storeIn(folder)
  await store.leases.insert(leaseOf())
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm'])
    expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600)
})

test('files of ours that somebody opened to others are closed again', async () => {
  const folder = dataFolder()
  await (await openStore(folder)).close()
  chmodSync(join(folder, 'state.db'), 0o644)
  chmodSync(folder, 0o755)
  await storeIn(folder)
  expect(statSync(join(folder, 'state.db')).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
})

test('what was written is there after the store was opened again', async () => {
  const folder = dataFolder()
  const first = await openStore(folder)
  await first.sessions.insert(sessionOf())
  await first.leases.insert(leaseOf())
  await first.close()
  const store = await storeIn(folder)
  expect(await store.sessions.get('s1')).toEqual(sessionOf())
  expect(await store.leases.list()).toEqual([leaseOf()])
})

test('a session ends once; the second end changes nothing', async () => {
  const { sessions } = await storeIn()
  await sessions.insert(sessionOf())
  expect(await sessions.end('s1', { endedAtMs: 5, state: 'ended', endReason: 'closed' })).toBe(true)
  expect(await sessions.end('s1', { endedAtMs: 9, state: 'interrupted', endReason: 'crash' })).toBe(false)
  expect(await sessions.end('unknown', { endedAtMs: 9, state: 'ended', endReason: 'x' })).toBe(false)
  expect(await sessions.get('s1')).toMatchObject({ endedAtMs: 5, state: 'ended', endReason: 'closed' })
})

test('a session of the same id is refused', async () => {
  const { sessions } = await storeIn()
  await sessions.insert(sessionOf())
  expect((await faultOf(sessions.insert(sessionOf()))).code).toBe('STORE_UNAVAILABLE')
})

test('sessions are listed newest first, page by page, also where instants are equal', async () => {
  const { sessions } = await storeIn()
  for (const [id, openedAtMs] of [
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', 3],
  ] as const)
    await sessions.insert(sessionOf({ id, openedAtMs }))
  const first = await sessions.list({ limit: 2 })
  expect(first.map(row => row.id)).toEqual(['d', 'c'])
  const second = await sessions.list({ limit: 2, before: first[1] })
  expect(second.map(row => row.id)).toEqual(['b', 'a'])
  expect(await sessions.list({ limit: 2, before: second[1] })).toEqual([])
})

test('sessions are listed by state and by person, and a name in quotes is only a name', async () => {
  const { sessions } = await storeIn()
  const subject = "x' or '1'='1\n--"
  await sessions.insert(sessionOf({ id: 'a', subject }))
  await sessions.insert(sessionOf({ id: 'b' }))
  await sessions.end('b', { endedAtMs: 5, state: 'ended', endReason: 'closed' })
  const ids = async (query: Parameters<typeof sessions.list>[0]) =>
    (await sessions.list(query)).map(row => row.id)
  expect(await ids({ limit: 9, state: 'open' })).toEqual(['a'])
  expect(await ids({ limit: 9, subjectKey: `https://login.example.com\n${subject}` })).toEqual(['a'])
  expect(await ids({ limit: 9, subjectKey: 'https://login.example.com\nbob-2' })).toEqual(['b'])
  expect(await ids({ limit: 9, subjectKey: 'https://other.example.com\nbob-2' })).toEqual([])
})

test('open sessions of processes that are gone are found, ended ones and our own are not', async () => {
  const { sessions } = await storeIn()
  await sessions.insert(sessionOf({ id: 'a', owner: 'gone' }))
  await sessions.insert(sessionOf({ id: 'b', owner: 'us' }))
  await sessions.insert(sessionOf({ id: 'c', owner: 'gone', state: 'ended' }))
  expect((await sessions.openNotOf('us')).map(row => row.id)).toEqual(['a'])
})

test('a lease goes forward only', async () => {
  const { leases } = await storeIn()
  await leases.insert(leaseOf())
  await leases.advance('l1', 'live')
  await leases.advance('l1', 'live')
  await leases.advance('l1', 'ending')
  await expect(leases.advance('l1', 'live')).rejects.toThrow(TypeError)
  await expect(leases.advance('unknown', 'live')).rejects.toThrow(TypeError)
  expect(await leases.list()).toEqual([leaseOf({ state: 'ending' })])
  await leases.remove('l1')
  await leases.remove('l1')
  expect(await leases.list()).toEqual([])
})

test('a lease that never expires comes back so', async () => {
  const { leases } = await storeIn()
  await leases.insert(leaseOf({ expiresAtMs: undefined }))
  expect(await leases.list()).toEqual([leaseOf({ expiresAtMs: undefined })])
})

test('the first host key of a target stays; whoever comes later is told which it is', async () => {
  const { hostKeys } = await storeIn()
  const first = { target: 'web1', algorithm: 'ssh-ed25519', key: 'AAAA', firstSeenAtMs: 1 }
  const attempts = [first, { ...first, key: 'BBBB' }, { ...first, algorithm: 'ssh-rsa', key: 'CCCC' }]
  const learned = await Promise.all(attempts.map(row => hostKeys.learn(row)))
  expect(learned).toEqual([[first], [first], [first]])
  expect(await hostKeys.of('web1')).toEqual([first])
  expect(await hostKeys.of('web2')).toEqual([])
})

test('a sign-in is found until it expires, by its hash alone', async () => {
  const { signIns } = await storeIn()
  await signIns.insert(signInOf())
  expect(await signIns.find('h1', 8999)).toEqual(signInOf())
  expect(await signIns.find('h1', 9000)).toBeUndefined()
  expect(await signIns.find('h2', 0)).toBeUndefined()
})

test('sign-ins are removed one by one, and when they have expired', async () => {
  const { signIns } = await storeIn()
  await signIns.insert(signInOf())
  await signIns.insert(signInOf({ tokenHash: 'h2', expiresAtMs: 5000 }))
  expect(await signIns.removeExpired(5000)).toBe(1)
  await signIns.remove('h1')
  expect(await signIns.find('h1', 0)).toBeUndefined()
})

test('the database writes ahead, so that readers do not wait', async () => {
  const folder = dataFolder()
  await storeIn(folder)
  const raw = new Database(join(folder, 'state.db'), { readonly: true })
  expect(raw.pragma('journal_mode', { simple: true })).toBe('wal')
  raw.close()
})
