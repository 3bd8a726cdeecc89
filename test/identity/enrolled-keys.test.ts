import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../src/audit/audit-log.ts'
import {
  EnrolledKeys,
  type EnrolmentRules,
  type KeyNotice,
  maxKeysPerPrincipal,
} from '../../src/identity/enrolled-keys.ts'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import type { ProvenKey } from '../../src/identity/key-proof.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { scratchFolder } from '../support/openssh.ts'
import { ed25519Key, fidoKey, proven } from './keys.ts'

const hour = 3_600_000
const issuer = 'https://login.example.com'
const office = '10.1.2.3'

let clock: FakeClock
let store: Store
let folder: ReturnType<typeof scratchFolder>
let audit: AuditEvent[]
let notices: KeyNotice[]
let rules: { -readonly [K in keyof EnrolmentRules]: EnrolmentRules[K] }
let keys: EnrolledKeys

beforeEach(async () => {
  clock = new FakeClock()
  folder = scratchFolder()
  store = await openStore(folder.path)
  audit = []
  notices = []
  rules = {
    enabled: true,
    for: 'until-midnight',
    timeZone: 'Europe/Berlin',
    accept: 'any',
    ipv4Prefix: 24,
    ipv6Prefix: 64,
    issuer,
    sessionMs: 24 * hour,
  }
  keys = new EnrolledKeys({
    store: store.enrolledKeys,
    audit: { append: event => void audit.push(event) },
    clock,
    rules: () => rules,
    notify: notice => void notices.push(notice),
  })
})
afterEach(async () => {
  await store.close()
  folder.remove()
})

function person(subject = 'ada', more: { issuer?: string; lastsMs?: number } = {}): Principal {
  const principal = {
    issuer: more.issuer ?? issuer,
    subject,
    name: `${subject}@example.com`,
    email: undefined,
    emailVerified: false,
    groups: ['admins'],
    authenticatedAtMs: clock.nowMs(),
    expiresAtMs: clock.nowMs() + (more.lastsMs ?? 24 * hour),
  }
  const { authenticatedAtMs: createdAtMs, expiresAtMs } = principal
  return restorePrincipal({ tokenHash: 'h', principal, createdAtMs, expiresAtMs })
}

async function signedIn(key: ProvenKey, from = office): Promise<string | undefined> {
  const answer = await keys.signIn(key, from)
  return answer.kind === 'signed-in' ? answer.principal.fields.subject : answer.why
}

describe('a key that signed signs nobody in', () => {
  test('that nobody enrolled', async () => {
    expect(await signedIn(proven(ed25519Key()))).toBe('unknown')
  })

  test('T21: beside one that is enrolled', async () => {
    const [mine, other] = [proven(ed25519Key()), proven(ed25519Key())]
    await keys.enrol(mine, person(), office)
    expect(await signedIn(other)).toBe('unknown')
    expect(await signedIn(mine)).toBe('ada')
  })

  test('after midnight on the gateway’s clock, at that very instant', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    clock.advance(11 * hour - 1) // from 13:00 in Berlin
    expect(await signedIn(key)).toBe('ada')
    clock.advance(1)
    expect(await signedIn(key)).toBe('unknown')
  })

  test('longer than identity.session, however late midnight is, and also when it got shorter since', async () => {
    rules.sessionMs = 2 * hour
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    expect((await keys.signIn(key, office)).kind).toBe('signed-in')
    rules.sessionMs = hour
    clock.advance(hour)
    expect(await signedIn(key)).toBe('unknown')
  })

  test('longer than the sign-in of the browser that confirmed it', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person('ada', { lastsMs: hour }), office)
    clock.advance(hour)
    expect(await signedIn(key)).toBe('unknown')
  })

  test('from another network', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    expect(await signedIn(key, '10.1.3.3')).toBe('network')
    expect(await signedIn(key, '2001:db8::1')).toBe('network')
    expect(await signedIn(key, '')).toBe('network')
    expect(await signedIn(key, '10.1.2.77')).toBe('ada')
    expect(await signedIn(key, '::ffff:10.1.2.77')).toBe('ada')
  })

  test('that was revoked', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    const [row] = await keys.listOf(person())
    expect(await keys.revoke(row?.id ?? '', person('eve'), office)).toBe(false)
    expect(await signedIn(key)).toBe('ada')
    expect(await keys.revoke(row?.id ?? '', person(), office)).toBe(true)
    expect(await signedIn(key)).toBe('unknown')
    expect(await keys.revoke(row?.id ?? '', person(), office)).toBe(false)
  })

  test('T50: that was enrolled under an issuer which is not ours any more', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    rules.issuer = 'https://new.example.com'
    expect(await signedIn(key)).toBe('unknown')
    expect(keys.terms(person(), office)).toBeUndefined()
  })

  test('once enrolling was switched off', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    rules.enabled = false
    expect(await signedIn(key)).toBe('off')
    expect(keys.mayBeEnrolled(key)).toBe(false)
    expect(keys.terms(person(), office)).toBeUndefined()
  })

  test('that is no FIDO key, or was not asked for a PIN, where the operator wants that', async () => {
    const plain = proven(ed25519Key())
    const touched = proven(fidoKey({ flags: 1 }))
    const verified = proven(fidoKey({ flags: 5 }))
    for (const key of [plain, touched, verified]) await keys.enrol(key, person(), office)
    const answers = async () => [await signedIn(plain), await signedIn(touched), await signedIn(verified)]
    expect(await answers()).toEqual(['ada', 'ada', 'ada'])
    rules.accept = 'fido'
    expect(await answers()).toEqual(['kind-of-key', 'ada', 'ada'])
    rules.accept = 'fido-verified'
    expect(await answers()).toEqual(['kind-of-key', 'kind-of-key', 'ada'])
  })

  test('when the store does not answer', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person(), office)
    await store.close()
    await expect(keys.signIn(key, office)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

describe('enrolling is refused', () => {
  test('for a key of somebody else, who keeps it', async () => {
    const key = proven(ed25519Key())
    await keys.enrol(key, person('ada'), office)
    expect(await keys.enrol(key, person('eve'), office)).toMatchObject({ code: 'key-of-another' })
    expect(await keys.enrol(key, person('eve'), '192.168.9.9')).toMatchObject({ code: 'key-of-another' })
    expect(await signedIn(key)).toBe('ada')
    expect(audit.at(-1)).toMatchObject({ kind: 'refusal', method: 'enrol-key', code: 'key-of-another' })
  })

  test('for a key of somebody else, even when both come at once', async () => {
    const key = proven(ed25519Key())
    const both = await Promise.all([
      keys.enrol(key, person('ada'), office),
      keys.enrol(key, person('eve'), office),
    ])
    expect(both.map(one => one.kind).toSorted()).toEqual(['enrolled', 'refused'])
  })

  test('past the number that somebody can oversee', async () => {
    for (let count = 0; count < maxKeysPerPrincipal; count++)
      expect(await keys.enrol(proven(ed25519Key()), person(), office)).toMatchObject({ kind: 'enrolled' })
    expect(await keys.enrol(proven(ed25519Key()), person(), office)).toMatchObject({ code: 'too-many' })
  })

  test('where the audit log cannot be written', async () => {
    const broken = new EnrolledKeys({
      store: store.enrolledKeys,
      audit: {
        append: () => {
          throw new Error('full')
        },
      },
      clock,
      rules: () => rules,
    })
    const key = proven(ed25519Key())
    await expect(broken.enrol(key, person(), office)).rejects.toThrow('full')
    expect(await signedIn(key)).toBe('unknown')
  })
})

test('the person is told, and the audit log knows who, which key, from where and until when', async () => {
  const key = proven(ed25519Key())
  await keys.enrol(key, person(), office)
  const { fingerprint } = key.fields.key
  expect(audit).toEqual([
    {
      kind: 'key-enrolled',
      issuer,
      subject: 'ada',
      principal: 'ada@example.com',
      fingerprint,
      network: '10.1.2.0/24',
      until: '2026-03-01T23:00:00.000Z',
      sourceAddress: office,
    },
  ])
  const [row] = await keys.listOf(person())
  await keys.revoke(row?.id ?? '', person(), '10.9.9.9')
  expect(audit.at(-1)).toMatchObject({ kind: 'key-revoked', fingerprint, sourceAddress: '10.9.9.9' })
  expect(notices.map(notice => notice.kind)).toEqual(['key-enrolled', 'key-revoked'])
})

test('one key works from several networks of its person, and enrolling again replaces instead of piling up', async () => {
  const key = proven(ed25519Key())
  await keys.enrol(key, person(), office)
  await keys.enrol(key, person(), '192.168.7.7')
  await keys.enrol(key, person(), office)
  expect((await keys.listOf(person())).map(row => row.network).toSorted()).toEqual([
    '10.1.2.0/24',
    '192.168.7.0/24',
  ])
  expect([await signedIn(key), await signedIn(key, '192.168.7.1')]).toEqual(['ada', 'ada'])
})

test('a use is noted, and the sign-in ends when the key does', async () => {
  const key = proven(ed25519Key())
  await keys.enrol(key, person(), office)
  clock.advance(hour)
  const answer = await keys.signIn(key, office)
  if (answer.kind !== 'signed-in') throw new Error(answer.why)
  expect(answer.principal.fields.expiresAtMs).toBe(Date.UTC(2026, 2, 1, 23))
  expect((await keys.listOf(person()))[0]?.lastUsedAtMs).toBe(clock.nowMs())
})

test('the terms are those of the page: the network, and the time on the gateway’s clock', () => {
  expect(keys.terms(person(), '2001:db8:1:2:3::4')).toEqual({
    network: '2001:db8:1:2::/64',
    expiresAtMs: Date.UTC(2026, 2, 1, 23),
    until: '00:00',
  })
  rules.for = 2 * hour
  expect(keys.terms(person(), office)).toMatchObject({ until: '15:00', network: '10.1.2.0/24' })
  expect(keys.terms(person(), 'unknown')).toBeUndefined()
})
