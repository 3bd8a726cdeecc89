import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EnrolledKeyRow } from '../../src/model.ts'
import { migrations } from '../../src/store/migrations.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { dataFolder, signInOf } from './rows.ts'

const ann = signInOf().principal
const bob = { ...ann, subject: 'bob-1' }

let store: Store
beforeEach(async () => {
  store = await openStore(dataFolder())
})
afterEach(() => store.close())

function keyOf(more: Partial<EnrolledKeyRow> = {}): EnrolledKeyRow {
  return {
    id: 'k1',
    fingerprint: 'SHA256:a',
    key: 'AAAA',
    principal: ann,
    network: '10.0.0.0/24',
    createdAtMs: 1000,
    expiresAtMs: 9000,
    lastUsedAtMs: undefined,
    revokedAtMs: undefined,
    ...more,
  }
}

test('a key that counts for one person is not kept for another, until it expires or is revoked', async () => {
  const { enrolledKeys } = store
  expect(await enrolledKeys.enrol(keyOf())).toBe(true)
  expect(await enrolledKeys.enrol(keyOf({ id: 'k2', principal: bob }))).toBe(false)
  expect(await enrolledKeys.enrol(keyOf({ id: 'k2', principal: bob, network: '10.9.0.0/24' }))).toBe(false)
  expect(await enrolledKeys.enrol(keyOf({ id: 'k2', principal: { ...ann, issuer: 'https://other' } }))).toBe(
    false,
  )
  expect((await enrolledKeys.find('SHA256:a', 2000)).map(row => row.id)).toEqual(['k1'])
  expect(await enrolledKeys.revoke('k1', ann, 2000)).toBe(true)
  expect(
    await enrolledKeys.enrol(keyOf({ id: 'k2', principal: bob, createdAtMs: 2000, expiresAtMs: 3000 })),
  ).toBe(true)
  expect(await enrolledKeys.enrol(keyOf({ id: 'k3', createdAtMs: 3000 }))).toBe(true)
})

test('a key counts until the instant of its end, and from another network it is another row', async () => {
  const { enrolledKeys } = store
  await enrolledKeys.enrol(keyOf())
  await enrolledKeys.enrol(keyOf({ id: 'k2', network: '10.9.0.0/24', createdAtMs: 1500 }))
  expect(await enrolledKeys.find('SHA256:a', 8999)).toHaveLength(2)
  expect(await enrolledKeys.find('SHA256:a', 9000)).toEqual([])
  expect((await enrolledKeys.listOf(ann, 2000)).map(row => row.id)).toEqual(['k2', 'k1'])
  expect(await enrolledKeys.listOf(bob, 2000)).toEqual([])
})

test('enrolling again from the same network ends the row before', async () => {
  const { enrolledKeys } = store
  await enrolledKeys.enrol(keyOf())
  await enrolledKeys.enrol(keyOf({ id: 'k2', createdAtMs: 2000 }))
  expect((await enrolledKeys.find('SHA256:a', 2000)).map(row => row.id)).toEqual(['k2'])
})

test('only its person revokes a key, and only once', async () => {
  const { enrolledKeys } = store
  await enrolledKeys.enrol(keyOf())
  expect(await enrolledKeys.revoke('k1', bob, 2000)).toBe(false)
  expect(await enrolledKeys.revoke('k2', ann, 2000)).toBe(false)
  expect(await enrolledKeys.revoke('k1', ann, 9000)).toBe(false)
  expect(await enrolledKeys.revoke('k1', ann, 2000)).toBe(true)
  expect(await enrolledKeys.revoke('k1', ann, 2000)).toBe(false)
})

test('what was kept comes back as it was, with its last use; old rows go', async () => {
  const { enrolledKeys } = store
  await enrolledKeys.enrol(keyOf())
  await enrolledKeys.used('k1', 4000)
  expect(await enrolledKeys.find('SHA256:a', 5000)).toEqual([keyOf({ lastUsedAtMs: 4000 })])
  expect(await enrolledKeys.removeExpired(8999)).toBe(0)
  expect(await enrolledKeys.removeExpired(9000)).toBe(1)
})

test('a data folder of the first version is brought up, and keeps what it had', async () => {
  const folder = dataFolder()
  const before = await openStore(folder, migrations.slice(0, 1))
  await before.signIns.insert(signInOf())
  await before.close()
  const after = await openStore(folder)
  expect(await after.signIns.find('h1', 2000)).toEqual(signInOf())
  expect(await after.enrolledKeys.enrol(keyOf())).toBe(true)
  await after.close()
})
