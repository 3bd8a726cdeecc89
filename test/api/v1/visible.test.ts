import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { visibleTo } from '../../../src/api/v1/visible-sessions.ts'
import { restorePrincipal } from '../../../src/identity/principal.ts'
import { mayReview } from '../../../src/policy/review.ts'
import type { Policy } from '../../../src/policy/rules.ts'
import { sessionRow } from '../world.ts'

const names = ['web1', 'web2', 'gone']
const match = fc.oneof(
  fc.constantFrom(...names).map(name => ({ name })),
  fc.constantFrom('ssh' as const, 'postgres' as const).map(protocol => ({ protocol })),
  fc.constantFrom('prod', 'lab').map(env => ({ labels: { env } })),
  fc.constant({}),
)
const roles = fc.array(
  fc.record({ groups: fc.subarray(['a', 'b']), review: fc.array(match, { maxLength: 3 }) }),
  {
    maxLength: 4,
  },
)

test('the condition on rows says of each session what the policy says of it', () => {
  fc.assert(
    fc.property(roles, fc.subarray(['a', 'b']), fc.constantFrom('me', 'them'), (given, groups, subject) => {
      const policy = {
        targets: ['web1', 'web2'].map((name, at) => ({
          name,
          protocol: 'ssh' as const,
          host: '10.0.0.1',
          port: 22,
          labels: { env: at === 0 ? 'prod' : 'lab' },
          hostKeys: 'first-use' as const,
          hostAuthorities: [],
        })),
        roles: given.map((role, at) => ({
          name: `role-${at}`,
          members: { groups: role.groups, emails: [] },
          allow: [],
          review: role.review.map(targets => ({ targets, line: 1 })),
        })),
      } as Policy
      const principal = restorePrincipal({
        tokenHash: '',
        createdAtMs: 0,
        expiresAtMs: 1,
        principal: {
          issuer: 'i',
          subject: 'me',
          name: 'me',
          email: undefined,
          emailVerified: false,
          groups,
          authenticatedAtMs: 0,
          expiresAtMs: 1,
        },
      })
      const visible = visibleTo(policy, principal, names)
      if (visible.kind !== 'reviewed') throw new Error('another kind')
      for (const target of names)
        for (const protocol of ['ssh', 'postgres'] as const) {
          const row = sessionRow({ issuer: 'i', subject, target, protocol })
          const { butNotOf } = visible
          const isOwn = butNotOf.issuer === row.issuer && butNotOf.subject === row.subject
          const isShown = visible.targets[protocol].includes(target) && !isOwn
          expect(isShown).toBe(mayReview(policy, principal, row).allowed)
        }
    }),
  )
})
