/** Where in its target a session goes: the grant against what the client asked for. */
import { describe, expect, test } from 'vitest'
import type { PostgresTarget } from '../../src/config/config.ts'
import { decide, type Grant } from '../../src/policy/decide.ts'
import { applicationName, type PlaceAsked, placeInTarget } from '../../src/postgres/session-place.ts'
import { nowMs, person } from '../ssh/fakes.ts'

const target: PostgresTarget = {
  name: 'orders',
  protocol: 'postgres',
  host: 'db',
  port: 5432,
  labels: {},
  tls: { mode: 'verify-full' },
  connector: 'role',
  sensitive: [],
}

function grantOf(rule: object = {}): Grant {
  const allow = {
    targets: { name: 'orders' },
    logins: ['reader'],
    sessions: { maxMs: 3_600_000, idleMs: 600_000 },
    when: {},
    channels: [],
    line: 1,
    ...rule,
  }
  const role = { name: 'r', members: { groups: ['admins'], emails: [] }, allow: [allow], review: [] }
  const wish = { target: 'orders', login: 'reader', sourceAddress: '10.0.0.7' }
  const decision = decide({ targets: [target], roles: [role] }, person(), wish, nowMs)
  if (decision.kind === 'deny') throw new Error(decision.denial.userText)
  return decision.grant
}

const asked = (fields: Partial<PlaceAsked> = {}): PlaceAsked => ({
  user: 'reader@orders',
  database: 'shop',
  replication: 'no',
  settings: [],
  ...fields,
})
const encoding = (value: string) => ({ settings: [{ name: 'client_encoding', value }] })
const masked = { mask: [{ columns: ['payments.card_number'], with: 'last4' }] }

describe('refused', () => {
  test('a database that sessions may not use', () => {
    const narrow = { ...target, databases: ['shop', 'stock'] }
    expect(placeInTarget(grantOf(), narrow, asked({ database: 'postgres' }))).toMatchObject({
      error: { code: '28000' },
    })
    expect(placeInTarget(grantOf(), narrow, asked({ database: 'Shop' }))).toMatchObject({ kind: 'refused' })
  })

  test('a name that the server would cut to one that may be used', () => {
    const short = 'x'.repeat(63)
    const narrow = { ...target, databases: [short] }
    expect(placeInTarget(grantOf(), narrow, asked({ database: `${short}y` }))).toMatchObject({
      kind: 'refused',
    })
  })

  test('replication, and an encoding that rules cannot read, where rules apply', () => {
    expect(placeInTarget(grantOf(), target, asked({ replication: 'physical' }))).toMatchObject({
      error: { code: '42501' },
    })
    expect(placeInTarget(grantOf(masked), target, asked(encoding('SJIS')))).toMatchObject({
      error: { code: '42501' },
    })
  })
})

describe('a place', () => {
  test('is the database that was asked for', () => {
    expect(placeInTarget(grantOf(), target, asked())).toMatchObject({ kind: 'place', database: 'shop' })
  })

  test('without one, is the only one there is, or that of the login as without a gateway', () => {
    const none = asked({ database: 'reader@orders' })
    expect(placeInTarget(grantOf(), target, none)).toMatchObject({ database: 'reader' })
    expect(placeInTarget(grantOf(), { ...target, databases: ['shop'] }, none)).toMatchObject({
      database: 'shop',
    })
  })

  test('has the encoding of the client, and UTF8 where rules apply', () => {
    expect(placeInTarget(grantOf(), target, asked(encoding('SJIS')))).toMatchObject(encoding('SJIS'))
    const { settings } = encoding('UTF8')
    const place = placeInTarget(grantOf(masked), target, asked())
    expect(place).toMatchObject({ settings: expect.arrayContaining(settings) as unknown })
  })

  test('has replication only as the rule allows', () => {
    const place = placeInTarget(grantOf({ replication: true }), target, asked({ replication: 'logical' }))
    expect(place).toMatchObject({ settings: [{ name: 'replication', value: 'database' }] })
  })
})

test('the name upstream begins with session and person, and is at most 63 bytes of ASCII', () => {
  const named = asked({ settings: [{ name: 'application_name', value: `é${'x'.repeat(100)}` }] })
  const name = applicationName('sallyport 01jx ada', named)
  expect(name).toMatch(/^sallyport 01jx ada \?x+$/)
  expect(name).toHaveLength(63)
  expect(applicationName('sallyport 01jx ada', asked())).toBe('sallyport 01jx ada')
})
