import { expect, test } from 'vitest'
import { mayReview, reviewsAnything } from '../../src/policy/review.ts'
import { personWith, policyWith, sessionOf } from './people.ts'

const AUDIT = `
ops: { members: { groups: [ops] }, allow: { targets: { name: web1 }, logins: [root] } }
audit: { members: { groups: [audit] }, review: { targets: { labels: { env: prod } } } }
`
const auditor = personWith({ groups: ['audit'], subject: 'aud-1' })

test('nobody reviews their own session, whatever their roles', () => {
  expect(mayReview(policyWith(AUDIT), auditor, sessionOf({ subject: 'aud-1' }))).toEqual({
    allowed: false,
    reason: 'Nobody reviews their own sessions.',
  })
})

test('the same subject at another issuer is somebody else', () => {
  const session = sessionOf({ subject: 'aud-1', issuer: 'https://other.example.com' })
  expect(mayReview(policyWith(AUDIT), auditor, session).allowed).toBe(true)
})

test('the right to open sessions is no right to review them', () => {
  expect(mayReview(policyWith(AUDIT), personWith(), sessionOf()).allowed).toBe(false)
  expect(reviewsAnything(policyWith(AUDIT), personWith())).toBe(false)
})

test('a review rule covers its targets and no others', () => {
  expect(mayReview(policyWith(AUDIT), auditor, sessionOf({ target: 'web2' }))).toEqual({
    allowed: true,
    role: 'audit',
  })
  expect(mayReview(policyWith(AUDIT), auditor, sessionOf({ target: 'lab' })).allowed).toBe(false)
  expect(reviewsAnything(policyWith(AUDIT), auditor)).toBe(true)
})

test('sessions on a target that is gone are reviewed by protocol, no longer by labels', () => {
  const byProtocol = policyWith(
    'audit: { members: { groups: [audit] }, review: [{ targets: { protocol: ssh } }] }',
  )
  expect(mayReview(policyWith(AUDIT), auditor, sessionOf({ target: 'gone' })).allowed).toBe(false)
  expect(mayReview(byProtocol, auditor, sessionOf({ target: 'gone' })).allowed).toBe(true)
  expect(mayReview(byProtocol, auditor, sessionOf({ target: 'gone', protocol: 'postgres' })).allowed).toBe(
    false,
  )
})
