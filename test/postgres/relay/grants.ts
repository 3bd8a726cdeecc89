/** Grants for one PostgreSQL target, as policy gives them, with the rules that a test wants. */
import type { AllowRule, PostgresTarget } from '../../../src/config/config.ts'
import { decide, type Grant } from '../../../src/policy/decide.ts'
import { NOON, personWith } from '../../policy/people.ts'

export const target: PostgresTarget = {
  name: 'orders',
  protocol: 'postgres',
  host: '127.0.0.1',
  port: 5432,
  labels: {},
  tls: { mode: 'off' },
  connector: 'role',
  sensitive: [],
}

export function grantWith(rules: Pick<AllowRule, 'deny' | 'mask'>, login = 'app_owner'): Grant {
  const rule: AllowRule = {
    targets: { name: target.name },
    logins: [login],
    sessions: { maxMs: 3_600_000, idleMs: 900_000 },
    when: {},
    channels: [],
    line: 7,
    ...rules,
  }
  const role = { name: 'dba', members: { groups: ['ops'], emails: [] }, allow: [rule], review: [] }
  const decision = decide(
    { targets: [target], roles: [role] },
    personWith(),
    { target: target.name, login, sourceAddress: '10.0.0.1' },
    NOON,
  )
  if (decision.kind !== 'allow') throw new Error('the test has no grant')
  return decision.grant
}
