import type { PasswordRule } from '../config/config.ts'
import type { PrincipalFields, Protocol } from '../model.ts'
import { judge } from '../policy/judge.ts'
import { reachableBy } from '../policy/reach.ts'
import type { Policy } from '../policy/rules.ts'

/** A login on a target that somebody may open now. */
export type Place = {
  readonly protocol: Protocol
  readonly target: string
  readonly labels: Readonly<Record<string, string>>
  readonly login: string
  /** A database to begin with; PostgreSQL only. */
  readonly database: string
  /** How often and how long a password may be used, where the rule lets it be used more than once. */
  readonly passwords: PasswordRule | undefined
}

/** Every PostgreSQL server has one of this name, unless somebody dropped it. */
const anyDatabase = 'postgres'

/** What the principal may open from there now, in the order of the file. Pure. */
export function placesOf(
  policy: Policy,
  principal: PrincipalFields,
  sourceAddress: string,
  nowMs: number,
): readonly Place[] {
  return reachableBy(policy, principal, sourceAddress, nowMs).flatMap(({ target, logins }) =>
    logins.flatMap(login => {
      const verdict = judge(policy, principal, { target, login, sourceAddress }, nowMs)
      return verdict.kind === 'allow' ? [placeOf(verdict)] : []
    }),
  )
}

function placeOf({ target, login, chosen }: Extract<ReturnType<typeof judge>, { kind: 'allow' }>): Place {
  const { name, labels, protocol } = target
  const database = target.protocol === 'postgres' ? (target.databases?.[0] ?? anyDatabase) : ''
  return { protocol, target: name, labels, login, database, passwords: chosen.rule.passwords }
}
