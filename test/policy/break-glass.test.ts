/** Emergency access: what the file may say of it, and that policy and sessions say so too. */
import { afterEach, expect, test } from 'vitest'
import { decide } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { dataFolder } from '../store/rows.ts'
import { fieldsOf, NOON, personWith, policyWith, sessionOf } from './people.ts'

const rolesWith = (more: string): string => `ops:
  members: { groups: [ops] }
  allow: [{ targets: { name: web1 }, logins: [root]${more} }, { targets: { name: web2 }, logins: [root] }]`
const policy = policyWith(rolesWith(', breakGlass: true'))
const wishOf = (target: string) => ({ target, login: 'root', sourceAddress: '10.1.1.1' })

test.each(["'yes'", '1', '[true]'])('the file cannot say it as %s', value => {
  expect(() => policyWith(rolesWith(`, breakGlass: ${value}`))).toThrow(/breakGlass/)
})

test('the grant says it, and that of another rule does not', () => {
  const of = (target: string) => {
    const decision = decide(policy, personWith(), wishOf(target), NOON)
    if (decision.kind === 'deny') throw new Error(decision.denial.userText)
    return decision.grant.fields.breakGlass
  }
  expect([of('web1'), of('web2')]).toEqual([true, undefined])
})

test('explain says it before anybody uses it', () => {
  const line = 'emergency access: each session makes a finding for reviewers'
  expect(explain(policy, fieldsOf(), wishOf('web1'), NOON)).toContain(line)
  expect(explain(policy, fieldsOf(), wishOf('web2'), NOON)).not.toContain(line)
})

const stores: Store[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

test('the store knows the sessions under it, those of a time, the oldest first', async () => {
  const store = await openStore(dataFolder())
  stores.push(store)
  await store.sessions.insert(sessionOf({ id: 's1', openedAtMs: NOON, breakGlass: true }))
  await store.sessions.insert(sessionOf({ id: 's2', openedAtMs: NOON + 1 }))
  await store.sessions.insert(sessionOf({ id: 's3', openedAtMs: NOON + 2, breakGlass: true }))
  expect((await store.sessions.get('s1'))?.breakGlass).toBe(true)
  expect(await store.sessions.get('s2')).not.toHaveProperty('breakGlass')
  const ids = async (fromMs: number, limit: number) =>
    (await store.sessions.emergencySince(fromMs, limit)).map(({ id }) => id)
  expect(await ids(0, 10)).toEqual(['s1', 's3'])
  expect(await ids(NOON + 1, 10)).toEqual(['s3'])
  expect(await ids(0, 1)).toEqual(['s1'])
})
