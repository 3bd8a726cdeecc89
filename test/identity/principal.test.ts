import * as fc from 'fast-check'
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { mapClaims, maxGroups } from '../../src/identity/claims.ts'
import { principalFromToken, principalKey, restorePrincipal } from '../../src/identity/principal.ts'
import { verifyIdToken } from '../../src/identity/token.ts'
import { FakeClock } from '../support/fake-clock.ts'

const names = { name: 'email', groups: 'groups' }
const groupsOf = (groups: unknown) => mapClaims({ email: 'a@b', groups }, names).groups

test.each([
  ['a number', 7],
  ['an object', { admins: true }],
  ['a list with a number', ['admins', 7]],
  ['a list in a list', [['admins']]],
  ['an empty name', ['']],
  ['a name over the limit', ['x'.repeat(257)]],
  ['a name with a line break', ['admins\nroot']],
  ['a name with an escape', ['\u001b[2Jadmins']],
  ['a name with a right-to-left override', ['\u202esnimda']],
  ['a name with a zero-width space', ['ad\u200bmins']],
  ['more than the limit', Array.from({ length: maxGroups + 1 }, (_, i) => `g${i}`)],
])('groups that are %s are refused', (_, groups) => {
  expect(() => groupsOf(groups)).toThrow(expect.objectContaining({ code: 'TOKEN_REFUSED' }))
})

test('a person without the claim that names people is refused, with the name of the claim', () => {
  expect(() => mapClaims({ sub: 'x' }, names)).toThrow('"email"')
})

test('a name that forges what auditors read is refused', () => {
  for (const email of [
    'a\nb',
    'a\u0000',
    '\u001b]0;x\u0007',
    'a\u2028b',
    '',
    7,
    null,
    ['a'],
    'x'.repeat(1_000_000),
  ])
    expect(() => mapClaims({ email }, names)).toThrow(expect.objectContaining({ code: 'TOKEN_REFUSED' }))
})

test('T36: whatever an issuer says becomes one readable line or is refused', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (email, groups) => {
      try {
        const mapped = mapClaims({ email, groups }, names)
        for (const text of [mapped.name, ...mapped.groups])
          expect(text).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,256}$/u)
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'TOKEN_REFUSED' })
      }
    }),
  )
})

test('no groups are no groups, one text is one group, doubles count once', () => {
  expect([
    groupsOf(undefined),
    groupsOf(null),
    groupsOf([]),
    groupsOf('admins'),
    groupsOf(['a', 'b', 'a']),
  ]).toEqual([[], [], [], ['admins'], ['a', 'b']])
})

test('an address counts as verified only where the issuer says so with a boolean', () => {
  const verified = (email_verified: unknown) =>
    mapClaims({ email: 'a@b', email_verified }, names).emailVerified
  expect([verified(true), verified('true'), verified(1), verified(undefined)]).toEqual([
    true,
    false,
    false,
    false,
  ])
})

const clock = new FakeClock()

async function principalAt(issuer: string, subject: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwks = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] })
  const iat = clock.nowMs() / 1000
  const claims = {
    iss: issuer,
    aud: 'c',
    sub: subject,
    iat,
    exp: iat + 60,
    nonce: 'n',
    email: 'ada@example.com',
    groups: ['admins'],
  }
  const jwt = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
  const token = await verifyIdToken(jwt, { issuer, clientId: 'c', nonce: 'n', jwks, clock })
  return principalFromToken(token, { claims: names, sessionMs: 3_600_000 }, clock.nowMs())
}

test('T50: the same e-mail from another issuer, or of another subject, is another person', async () => {
  const ada = await principalAt('https://one.example', 's')
  const others = [
    await principalAt('https://two.example', 's'),
    await principalAt('https://one.example', 't'),
  ]
  expect(new Set([ada, ...others].map(principalKey)).size).toBe(3)
  expect(principalKey(ada)).toBe(principalKey(await principalAt('https://one.example', 's')))
})

test('a principal lasts as long as a sign-in, cannot be changed, and comes back from the store the same', async () => {
  const { fields } = await principalAt('https://one.example', 's')
  expect(fields).toMatchObject({
    name: 'ada@example.com',
    groups: ['admins'],
    expiresAtMs: clock.nowMs() + 3_600_000,
  })
  expect(() => (fields.groups as string[]).push('root')).toThrow(TypeError)
  expect(() => Object.assign(fields, { subject: 'x' })).toThrow(TypeError)
  const row = { tokenHash: 'h', principal: fields, createdAtMs: 0, expiresAtMs: fields.expiresAtMs }
  expect(restorePrincipal(row).fields).toEqual(fields)
})
