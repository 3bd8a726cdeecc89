/** The inbox in groups, the gravest first. */
import type { FindingSummary, Severity } from '../../../../src/api/schema.ts'

export const groupings = ['none', 'session', 'rule', 'person'] as const
export type Grouping = (typeof groupings)[number]

export type FindingGroup = {
  readonly key: string
  readonly worst: Severity
  readonly findings: readonly FindingSummary[]
}

const order: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical']

export function rankOf(severity: Severity): number {
  return order.indexOf(severity)
}

/** The list keeps the gateway's ranking: groups stand where their first member stood, but for graver ones. */
export function inGroups(findings: readonly FindingSummary[], by: Grouping): readonly FindingGroup[] {
  const groups = new Map<string, FindingSummary[]>()
  for (const finding of findings) {
    const key = keyOf(finding, by)
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [finding])
    else known.push(finding)
  }
  const all = [...groups].map(([key, members]) => ({ key, worst: worstOf(members), findings: members }))
  return all.toSorted((a, b) => rankOf(b.worst) - rankOf(a.worst))
}

function keyOf(finding: FindingSummary, by: Grouping): string {
  if (by === 'none') return ''
  if (by === 'session') return finding.session
  return by === 'person' ? finding.principal : (finding.rules[0] ?? finding.kind)
}

function worstOf(findings: readonly FindingSummary[]): Severity {
  return findings.reduce<Severity>(
    (worst, { severity }) => (rankOf(severity) > rankOf(worst) ? severity : worst),
    'info',
  )
}

/** As they stand on the page, for those who walk through them with keys. */
export function inOrder(groups: readonly FindingGroup[]): readonly FindingSummary[] {
  return groups.flatMap(({ findings }) => findings)
}

/** The one to look at after one of the list was dealt with: the next, or else the one before. */
export function nextAfter(findings: readonly FindingSummary[], id: string): string | undefined {
  const at = findings.findIndex(finding => finding.id === id)
  if (at === -1) return findings[0]?.id
  return (findings[at + 1] ?? findings[at - 1])?.id
}

/** From one to the next or the one before; from none to the first. */
export function moved(
  findings: readonly FindingSummary[],
  id: string | undefined,
  by: 1 | -1,
): string | undefined {
  const at = findings.findIndex(finding => finding.id === id)
  if (at === -1) return findings[0]?.id
  return findings[Math.min(findings.length - 1, Math.max(0, at + by))]?.id
}
