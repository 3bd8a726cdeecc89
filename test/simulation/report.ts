/** What a quarter's queue showed, as tables. */
import { isAtLeast } from '../../src/analysis/findings/finding.ts'
import { roles } from './office.ts'
import type { Quarter } from './quarter.ts'
import type { Found, Reviewed } from './review.ts'

export type CaseResult = {
  readonly name: string
  readonly kind: string
  readonly what: string
  readonly isShown: boolean
  /** Of the best finding of the case: its place in its day, of so many. */
  readonly rank: number | undefined
  readonly of: number
  readonly rules: readonly string[]
  /** Days from the first session of the case until a finding of it was shown. */
  readonly afterDays: number | undefined
}

export function caseResults(quarter: Quarter, findings: readonly Found[]): CaseResult[] {
  return quarter.cases.map(({ name, kind, what }) => {
    const own = findings.filter(({ session, draft }) => session.planted === name && tells(draft))
    const shown = own.filter(({ isShown }) => isShown)
    const best = (shown.length > 0 ? shown : own).toSorted((a, b) => a.rank - b.rank)[0]
    const first = quarter.sessions.find(({ planted }) => planted === name)?.openedAtMs ?? 0
    const noticed = Math.min(...shown.map(({ draft }) => draft.atMs))
    return {
      name,
      kind,
      what,
      isShown: shown.length > 0,
      rank: best?.rank,
      of: best === undefined ? 0 : findings.filter(({ day }) => day === best.day).length,
      rules: [...new Set(own.flatMap(({ draft }) => (draft.kind === 'rule' ? draft.rules : ['baseline'])))],
      afterDays: shown.length > 0 ? Math.floor((noticed - first) / 86_400_000) : undefined,
    }
  })
}

/** A case is not found by what everybody does: only what ranks by itself counts. */
function tells({ kind, severity }: Found['draft']): boolean {
  return kind === 'baseline' || isAtLeast(severity, 'medium')
}

export function reportOf({ quarter, events, findings, suppressing }: Reviewed): string {
  return [
    `${quarter.sessions.length} sessions of ${quarter.people.length} people in ${quarter.days} days, ${events} commands and statements.`,
    '',
    'A reviewer who closes what is shown:',
    '',
    ...reportOn(quarter, findings),
    '',
    'A reviewer who also suppresses, for thirty days, what was expected of one person three times:',
    '',
    ...reportOn(quarter, suppressing),
  ].join('\n')
}

function reportOn(quarter: Quarter, findings: readonly Found[]): readonly string[] {
  const shown = findings.filter(({ isShown }) => isShown)
  const usual = shown.filter(({ session }) => session.planted === undefined)
  const workdays = new Set(quarter.sessions.map(({ openedAtMs }) => Math.floor(openedAtMs / 86_400_000))).size
  return [
    `${findings.length} findings, ${shown.length} above the line (${(shown.length / workdays).toFixed(1)} a day with work, ${most(shown)} on the fullest), ${usual.length} of them of everyday work.`,
    '',
    '| case | kind | what | shown | rank of its day | by |',
    '|---|---|---|---|---|---|',
    ...caseResults(quarter, findings).map(
      ({ name, kind, what, isShown, rank, of, rules, afterDays }) =>
        `| ${name} | ${kind} | ${what} | ${isShown ? (afterDays === 0 ? 'the same day' : `after ${afterDays} days`) : 'no'} | ${rank === undefined ? '–' : `${rank} of ${of}`} | ${rules.join(', ') || '–'} |`,
    ),
    '',
    '| role | people | findings of everyday work above the line, a person and week | most of one person | most frequent |',
    '|---|---|---|---|---|',
    ...roles.map(role => roleRow(role, usual, quarter)),
  ]
}

function most(shown: readonly Found[]): number {
  return Math.max(0, ...[...Map.groupBy(shown, ({ day }) => day).values()].map(({ length }) => length))
}

function roleRow(role: string, usual: readonly Found[], quarter: Quarter): string {
  const people = quarter.people.filter(each => each.role === role)
  const names = new Set(people.map(({ name }) => name))
  const own = usual.filter(({ session }) => names.has(session.principal))
  const weeks = quarter.days / 7
  const each = people.map(({ name }) => own.filter(({ session }) => session.principal === name).length)
  const groups = [...Map.groupBy(own, ({ draft }) => draft.group)]
    .map(([group, { length }]) => ({ group, length }))
    .toSorted((a, b) => b.length - a.length)
    .slice(0, 4)
  return `| ${role} | ${people.length} | ${(own.length / people.length / weeks).toFixed(2)} | ${(Math.max(...each) / weeks).toFixed(2)} | ${groups.map(({ group, length }) => `${group} ${length}`).join(', ')} |`
}
