/** What policy says a session does when a rule of the analysis was met in it. Pure. Only deterministic rules count: baselines never act. */
import type { ReactionRule } from '../config/config.ts'
import type { FindingKind, Severity } from '../model.ts'
import type { Policy } from './rules.ts'

/** What policy is told of a finding: nothing of what was compared with whom. */
export type FindingFacts = {
  readonly kind: FindingKind
  readonly severity: Severity
  readonly rules: readonly string[]
}

export type Reaction = Pick<ReactionRule, 'do' | 'waitMs' | 'line'>

const severityOrder: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical']
/** The strictest first. A session that waits for a sign-in goes on with one; a paused one waits for somebody else. */
const strictness: readonly Reaction['do'][] = ['end', 'pause', 'step-up']

/** That a session was opened under emergency access. It says nothing of what is done in it: only who names this rule wants to hold such a session. */
export const emergencyRule = 'B-05'

/** What a session under a grant of that role does, the strictest of all that its rules say; undefined: it goes on. */
export function reactionTo(policy: Policy, role: string, finding: FindingFacts): Reaction | undefined {
  if (finding.kind !== 'rule') return undefined
  const rules = policy.roles.find(({ name }) => name === role)?.on ?? []
  const [strictest] = rules
    .filter(rule => covers(rule, finding))
    .toSorted((a, b) => strictness.indexOf(a.do) - strictness.indexOf(b.do))
  return strictest
}

function covers({ severity, rule }: ReactionRule, finding: FindingFacts): boolean {
  if (rule !== undefined) return finding.rules.includes(rule)
  if (finding.rules.every(met => met === emergencyRule)) return false
  return severity !== undefined && severityOrder.indexOf(finding.severity) >= severityOrder.indexOf(severity)
}
