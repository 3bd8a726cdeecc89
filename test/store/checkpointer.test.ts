/** The write-ahead log of the store: taken over off the event loop, and bounded. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../../src/store/sqlite-store.ts'
import { anyDisk, type StoreDisk, watchDatabase } from '../../src/store/watched-database.ts'
import { newFolder } from '../recorder/support.ts'

const learn = (number: number) => ({
  target: `web${number}`,
  algorithm: 'ssh-ed25519',
  key: 'k'.repeat(1000),
  firstSeenAtMs: number,
})

test('what was committed is taken over by another thread, and nothing is lost of it', async () => {
  const folder = newFolder()
  const disk: StoreDisk = { ...anyDisk }
  const store = await openStore(folder, undefined, disk)
  for (let number = 0; number < 300; number++) await store.hostKeys.learn(learn(number))
  const before = statSync(join(folder, 'state.db')).size
  await expect
    .poll(() => statSync(join(folder, 'state.db')).size, { timeout: 20_000 })
    .toBeGreaterThan(before)
  const walBytes = statSync(join(folder, 'state.db-wal')).size
  for (let number = 300; number < 310; number++) await store.hostKeys.learn(learn(number))
  expect(statSync(join(folder, 'state.db-wal')).size).toBe(walBytes) // written from its beginning again
  await store.close()
  const again = await openStore(folder)
  onTestFinished(() => again.close())
  expect(await again.hostKeys.of('web309')).toHaveLength(1)
})

test('a statement that finds no room is tried again once room was made, and watched', () => {
  const database = new Database(':memory:')
  onTestFinished(() => void database.close())
  database.exec('create table t (x text)')
  let watched = 0
  let asked = 0
  watchDatabase(database, {
    watch: action => {
      watched++
      return action()
    },
    makeRoom: () => {
      asked++
      database.pragma('max_page_count = 1000')
      return true
    },
  })
  const pages = Number(database.pragma('page_count', { simple: true }))
  database.pragma(`max_page_count = ${pages}`)
  const insert = database.prepare('insert into t values (?)')
  insert.run('x'.repeat(100_000))
  expect(asked).toBe(1)
  expect(database.prepare('select count(*) as n from t').get()).toEqual({ n: 1 })
  expect(watched).toBeGreaterThan(3)
})

test('a transaction that finds no room fails as a whole', () => {
  const database = new Database(':memory:')
  onTestFinished(() => void database.close())
  database.exec('create table t (x text)')
  watchDatabase(database, { ...anyDisk, makeRoom: () => true })
  database.pragma(`max_page_count = ${Number(database.pragma('page_count', { simple: true }))}`)
  const insert = database.prepare('insert into t values (?)')
  const both = database.transaction(() => {
    insert.run('small')
    insert.run('x'.repeat(100_000))
  })
  expect(both).toThrow('full')
  expect(database.prepare('select count(*) as n from t').get()).toEqual({ n: 0 })
})
