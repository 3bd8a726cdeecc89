import type { PrincipalFields } from '../model.ts'
import { judgeRules, type Outcome, type Policy } from './rules.ts'

/** A target that somebody may open a session on now, and as whom. */
export type Reachable = {
  readonly target: string
  readonly labels: Readonly<Record<string, string>>
  readonly logins: readonly string[]
}

/** Every target that the principal may reach from there now, in the order of the file. Pure. */
export function reachableBy(
  policy: Policy,
  principal: PrincipalFields,
  sourceAddress: string,
  nowMs: number,
): readonly Reachable[] {
  if (nowMs >= principal.expiresAtMs) return []
  return policy.targets.flatMap(target => {
    const logins = loginsOf(judgeRules(policy, principal, { target, login: undefined, sourceAddress, nowMs }))
    return logins.length === 0 ? [] : [{ target: target.name, labels: target.labels, logins }]
  })
}

/** The logins that the rules without an objection allow, each once. */
export function loginsOf(outcomes: readonly Outcome[]): readonly string[] {
  const open = outcomes.filter(outcome => outcome.objections.length === 0)
  return [...new Set(open.flatMap(outcome => outcome.rule.logins))]
}
