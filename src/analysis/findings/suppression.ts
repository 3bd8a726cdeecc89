/** What somebody decided to see no more of for a while, and what that covers. */
import type { FindingRow, SuppressionRow } from '../../model.ts'
import type { DeskParts } from './desk-parts.ts'
import { isWorse } from './finding.ts'
import { personOf } from './queue.ts'

export type Suppressible = Pick<
  FindingRow,
  'group' | 'kind' | 'severity' | 'rules' | 'issuer' | 'subject' | 'target'
>

/** A suppression covers what somebody looked at when they made it: nothing worse, and no other rule of the group. */
export function covers(suppression: SuppressionRow, finding: Suppressible): boolean {
  const { group, scope, severity, rules, target } = suppression
  if (finding.kind === 'sample' || finding.kind === 'integrity' || finding.group !== group) return false
  if (severity !== undefined && isWorse(finding.severity, severity)) return false
  if (rules !== undefined && finding.rules.some(rule => !rules.includes(rule))) return false
  if (target !== undefined && target !== finding.target) return false
  // Nobody decides on what is about themselves, nor beforehand.
  if (suppression.owner === personOf(finding)) return false
  if (scope === 'rule-person')
    return suppression.issuer === finding.issuer && suppression.subject === finding.subject
  return true
}

/** Those in force that cover a finding. */
export async function suppressionsOf(
  { store, clock }: Pick<DeskParts, 'store' | 'clock'>,
  finding: Suppressible,
): Promise<readonly SuppressionRow[]> {
  return (await store.suppressions(clock.nowMs())).filter(one => covers(one, finding))
}
