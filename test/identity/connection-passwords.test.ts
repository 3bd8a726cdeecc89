import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../src/audit/audit-log.ts'
import {
  ConnectionPasswords,
  firstUseWithinMs,
  maxPasswordsPerPrincipal,
  type PasswordReuse,
  type PasswordUse,
  type PasswordWish,
} from '../../src/identity/connection-passwords.ts'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import { FakeClock } from '../support/fake-clock.ts'

const minute = 60_000
const office = '10.0.0.7'
const typed = { protocol: 'postgres', userName: 'app_readonly@orders', sourceAddress: office } as const
const right: PasswordUse = { ...typed, target: 'orders', login: 'app_readonly' }

let clock: FakeClock
let events: AuditEvent[]
let rule: PasswordReuse | undefined
let passwords: ConnectionPasswords
beforeEach(() => {
  clock = new FakeClock()
  events = []
  rule = { forMs: 30 * minute, connections: 3 }
  passwords = open()
})

function open(append: (event: AuditEvent) => void = event => void events.push(event)): ConnectionPasswords {
  return new ConnectionPasswords({ clock, audit: { append }, reuse: () => rule })
}

function person(subject: string, expiresAtMs = 1e15, issuer = 'i'): Principal {
  const principal = {
    issuer,
    subject,
    name: subject,
    email: undefined,
    emailVerified: false,
    groups: [],
    authenticatedAtMs: 0,
    expiresAtMs,
  }
  return restorePrincipal({ tokenHash: '', principal, createdAtMs: 0, expiresAtMs })
}
const ada = person('ada')
const eve = person('eve')

function issue(more: Partial<PasswordWish> = {}) {
  const wish = {
    principal: ada,
    browserSession: 'b',
    browser: office,
    target: 'orders',
    login: 'app_readonly',
  }
  const issued = passwords.issue({ ...wish, ...more })
  if (issued.kind !== 'issued') throw new Error(issued.userText)
  return issued
}

function why(password: string, use: Partial<PasswordUse> = {}): string {
  const result = passwords.redeem(password, { ...right, ...use })
  return result.kind === 'proven' ? 'proven' : result.why
}

describe('refused', () => {
  test('any text that was never issued, whatever it looks like', () => {
    const { password } = issue()
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constant(''), fc.constant('sp-'), fc.constant(password.slice(0, -1))),
        text => {
          expect(why(text)).toBe('unknown')
        },
      ),
    )
    expect(why(`${password}0`)).toBe('unknown')
    expect(why(password.toUpperCase())).toBe('unknown')
    expect(why(`sp-${'x'.repeat(1_000_000)}`)).toBe('unknown')
    expect(why(password)).toBe('proven')
  })

  test('the second use', () => {
    const { password } = issue()
    expect([why(password), why(password)]).toEqual(['proven', 'unknown'])
  })

  test('a password that nobody used for five minutes', () => {
    const { password } = issue()
    clock.advance(firstUseWithinMs)
    expect(why(password)).toBe('unknown')
  })

  test('a password for another target or login, in whichever way the user name says it', () => {
    const { password } = issue()
    const unnamed = { target: undefined, login: undefined }
    expect(why(password, { target: 'payments' })).toBe('other-target')
    expect(why(password, { login: 'app_owner' })).toBe('other-login')
    expect(why(password, { ...unnamed, bare: 'payments' })).toBe('other-target')
    expect(why(password, { ...unnamed, bare: 'app_readonly' })).toBe('other-target')
    expect(why(password, { login: undefined, bare: 'app_owner' })).toBe('other-login')
    expect(why(password)).toBe('proven')
  })

  test('a reusable one from another address, and from then on everywhere', () => {
    const { password, view } = issue({ reusableFrom: office })
    const revoked: string[] = []
    passwords.onRevoked(id => revoked.push(id))
    expect(why(password)).toBe('proven')
    expect(why(password, { sourceAddress: '10.0.0.8' })).toBe('other-address')
    expect(why(password)).toBe('unknown')
    expect(revoked).toEqual([view.id])
  })

  test('a reusable one after its connections, and after its time', () => {
    const { password } = issue({ reusableFrom: office })
    expect([1, 2, 3, 4].map(() => why(password))).toEqual(['proven', 'proven', 'proven', 'unknown'])
    const other = issue({ reusableFrom: office })
    expect(why(other.password)).toBe('proven')
    clock.advance(30 * minute)
    expect(why(other.password)).toBe('unknown')
  })

  test('a reusable one that was not used within five minutes, although its time is longer', () => {
    const { password } = issue({ reusableFrom: office })
    clock.advance(firstUseWithinMs)
    expect(why(password)).toBe('unknown')
  })

  test('a reusable one where policy no longer allows reuse', () => {
    const { password } = issue({ reusableFrom: office })
    rule = undefined
    expect(why(password)).toBe('no-longer-reusable')
    expect(passwords.issue({ ...issueFields(), reusableFrom: office })).toMatchObject({
      code: 'not-reusable',
    })
  })

  test('a reusable one beyond what the rule says now, if it says less than when it was made', () => {
    const { password } = issue({ reusableFrom: office })
    rule = { forMs: 30 * minute, connections: 1 }
    expect([why(password), why(password)]).toEqual(['proven', 'no-longer-reusable'])
    rule = { forMs: minute, connections: 3 }
    expect(why(password)).toBe('proven')
    clock.advance(minute)
    expect(why(password)).toBe('no-longer-reusable')
  })

  test('a password after its person signed out or their sign-in ended', () => {
    const { password } = issue()
    passwords.signedOut('another browser')
    expect(passwords.listOf(ada)).toHaveLength(1)
    passwords.signedOut('b')
    expect(why(password)).toBe('unknown')
    const short = issue({ principal: person('ada', clock.nowMs() + minute) })
    clock.advance(minute)
    expect(why(short.password)).toBe('unknown')
  })

  test('a password of another gateway process: nothing outlives a restart', () => {
    const { password } = issue()
    passwords = open()
    expect(why(password)).toBe('unknown')
  })

  test('to make more than a list that somebody reads', () => {
    for (let made = 0; made < maxPasswordsPerPrincipal; made++) issue()
    expect(passwords.issue(issueFields())).toMatchObject({ kind: 'refused', code: 'too-many' })
    expect(passwords.issue({ ...issueFields(), principal: eve }).kind).toBe('issued')
    expect(passwords.issue({ ...issueFields(), principal: person('ada', 1e15, 'another issuer') }).kind).toBe(
      'issued',
    )
  })

  test('to revoke a password of somebody else', () => {
    const { password, view } = issue()
    expect(passwords.revoke(view.id, eve, office)).toBe(false)
    expect(passwords.listOf(eve)).toEqual([])
    expect(why(password)).toBe('proven')
  })
})

function issueFields(): PasswordWish {
  return { principal: ada, browserSession: 'b', browser: office, target: 'orders', login: 'app_readonly' }
}

describe('the promise', () => {
  test('signs its person in at its place, and completes what the user name leaves out', () => {
    const place = { target: 'orders', login: 'app_readonly' }
    for (const use of [
      right,
      { ...typed, target: 'orders' },
      { ...typed, bare: 'orders' },
      { ...typed, target: 'orders', bare: 'app_readonly' },
      { ...typed, sourceAddress: '192.0.2.9', login: 'app_readonly' },
    ]) {
      const { password, view } = issue()
      expect(passwords.redeem(` ${password}\n`, use)).toEqual({
        kind: 'proven',
        principal: ada,
        id: view.id,
        place,
      })
    }
  })

  test('holds 140 random bits and says what it is', () => {
    const made = Array.from({ length: maxPasswordsPerPrincipal }, () => issue().password)
    for (const password of made) expect(password).toMatch(/^sp-[0-9a-hjkmnp-tv-z]{28}$/)
    expect(new Set(made).size).toBe(made.length)
    expect(new Set(made.join('')).size).toBeGreaterThan(25)
  })

  test('a reusable one works for its minutes, its connections and its address in any spelling', () => {
    const { password, view } = issue({ reusableFrom: '::ffff:10.0.0.7' })
    expect(view).toMatchObject({ sourceAddress: office, connections: 3 })
    expect(why(password)).toBe('proven')
    clock.advance(29 * minute)
    expect(why(password, { sourceAddress: '::ffff:10.0.0.7' })).toBe('proven')
    expect(passwords.listOf(ada)).toMatchObject([{ id: view.id, used: 2, connections: 3 }])
  })

  test('never lives longer than the sign-in that made it', () => {
    const { view } = issue({ principal: person('ada', clock.nowMs() + minute), reusableFrom: office })
    expect(view.expiresAtMs).toBe(clock.nowMs() + minute)
  })

  test('its owner sees and revokes it, which tells whoever serves the sessions that it opened', () => {
    const { password, view } = issue({ reusableFrom: office })
    const revoked: string[] = []
    const forget = passwords.onRevoked(id => revoked.push(id))
    expect(passwords.revoke(view.id, ada, office)).toBe(true)
    expect([why(password), revoked, passwords.listOf(ada)]).toEqual(['unknown', [view.id], []])
    forget()
    passwords.revoke(issue().view.id, ada, office)
    expect(revoked).toEqual([view.id])
  })

  test('the wall clock set back gives no password more time', () => {
    const still = clock.nowMs()
    const clocks = { nowMs: () => still, monotonicUs: () => clock.monotonicUs() }
    const own = new ConnectionPasswords({ clock: clocks, audit: { append: () => {} }, reuse: () => rule })
    const issued = own.issue(issueFields())
    clock.advance(firstUseWithinMs)
    expect(own.redeem(issued.kind === 'issued' ? issued.password : '', right).kind).toBe('refused')
  })
})

describe('the audit log', () => {
  test('has making, use and revocation, and never the password', () => {
    const { password, view } = issue({ reusableFrom: office })
    passwords.redeem(password, right)
    passwords.revoke(view.id, ada, '10.0.0.9')
    expect(events).toMatchObject([
      {
        kind: 'password-made',
        principal: 'ada',
        target: 'orders',
        login: 'app_readonly',
        id: view.id,
        connections: 3,
      },
      { kind: 'sign-in', method: 'password', id: view.id, use: 1, sourceAddress: office },
      { kind: 'password-revoked', id: view.id, why: 'by its owner', sourceAddress: '10.0.0.9' },
    ])
    expect(JSON.stringify(events)).not.toContain(password)
    expect(JSON.stringify(events)).not.toContain(password.slice(3, 20))
  })

  test('that cannot be written leaves nobody with a password', () => {
    passwords = open(() => {
      throw new Error('disk full')
    })
    expect(() => issue()).toThrow('disk full')
    expect(passwords.listOf(ada)).toEqual([])
  })

  test('that fails at the use refuses it and uses it up', () => {
    let full = false
    passwords = open(() => {
      if (full) throw new Error('disk full')
    })
    const { password } = issue()
    full = true
    expect(() => passwords.redeem(password, right)).toThrow('disk full')
    full = false
    expect(why(password)).toBe('unknown')
  })
})
