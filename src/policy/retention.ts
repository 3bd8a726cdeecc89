/**
 * How long what is recorded of a session is kept. Pure. A rule's `min` is a promise and its `max` a limit, both counted from the
 * session's end. Of all rules that cover a session the longest `min` binds and the shortest `max` says when it is removed; where the
 * two disagree, the promise wins.
 */
import type { RetentionRule } from '../config/config.ts'
import type { HoldRow, SessionRow } from '../model.ts'
import { matchesTarget } from './rules.ts'

/** What is looked at of a session. `labels` are those of its target when it was opened; undefined where nobody noted them. */
export type RetainedSession = Pick<
  SessionRow,
  'id' | 'protocol' | 'target' | 'issuer' | 'subject' | 'state' | 'endedAtMs' | 'labels'
>

export type Schedule = {
  /** Before this instant nothing removes it. */
  readonly earliestMs: number
  /** The rule whose `min` that is. */
  readonly minRule: RetentionRule | undefined
  /** At this instant it is removed by policy; undefined: never. */
  readonly purgeAtMs: number | undefined
  /** The rule whose `max` that is. */
  readonly maxRule: RetentionRule | undefined
}

export type Verdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'held'; readonly by: readonly HoldRow[] }
  /** Undefined: no rule says until when. */
  | { readonly kind: 'kept'; readonly untilMs: number | undefined; readonly rule: RetentionRule | undefined }
  | { readonly kind: 'due'; readonly rule: RetentionRule | undefined }

/** When a session may and when it must go; undefined as long as it has not ended. Holds are not looked at. */
export function scheduleOf(rules: readonly RetentionRule[], session: RetainedSession): Schedule | undefined {
  const { endedAtMs } = session
  if (session.state === 'open' || endedAtMs === undefined) return undefined
  const minRule = furthest(
    rules.filter(rule => promisesTo(rule, session)),
    rule => rule.minMs,
  )
  const maxRule = furthest(
    rules.filter(rule => limits(rule, session)),
    rule => (rule.maxMs === undefined ? undefined : -rule.maxMs),
  )
  const earliestMs = endedAtMs + (minRule?.minMs ?? 0)
  const purgeAtMs = maxRule?.maxMs === undefined ? undefined : Math.max(earliestMs, endedAtMs + maxRule.maxMs)
  return { earliestMs, minRule, purgeAtMs, maxRule }
}

/** Whether policy removes the session now. */
export function judgeRetention(
  rules: readonly RetentionRule[],
  holds: readonly HoldRow[],
  session: RetainedSession,
  nowMs: number,
): Verdict {
  const schedule = scheduleOf(rules, session)
  if (schedule === undefined) return { kind: 'open' }
  const by = holdsOn(holds, session, nowMs)
  if (by.length > 0) return { kind: 'held', by }
  const { purgeAtMs, maxRule, earliestMs, minRule } = schedule
  if (purgeAtMs === undefined || purgeAtMs > nowMs) {
    const rule = purgeAtMs === earliestMs ? minRule : maxRule
    return { kind: 'kept', untilMs: purgeAtMs, rule }
  }
  return { kind: 'due', rule: maxRule }
}

/** Whether the session may be removed now because somebody asked for it: promises and holds stand, limits need not be reached. */
export function judgeRequest(
  rules: readonly RetentionRule[],
  holds: readonly HoldRow[],
  session: RetainedSession,
  nowMs: number,
): Verdict {
  const schedule = scheduleOf(rules, session)
  if (schedule === undefined) return { kind: 'open' }
  const by = holdsOn(holds, session, nowMs)
  if (by.length > 0) return { kind: 'held', by }
  const { earliestMs, minRule } = schedule
  return earliestMs > nowMs
    ? { kind: 'kept', untilMs: earliestMs, rule: minRule }
    : { kind: 'due', rule: undefined }
}

/** The holds that keep a session at an instant: on itself, or on its person. */
export function holdsOn(
  holds: readonly HoldRow[],
  session: Pick<RetainedSession, 'id' | 'issuer' | 'subject'>,
  nowMs: number,
): readonly HoldRow[] {
  return holds.filter(hold => isInForce(hold, nowMs) && covers(hold, session))
}

export function isInForce(hold: HoldRow, nowMs: number): boolean {
  return hold.releasedAtMs === undefined && (hold.untilMs === undefined || nowMs < hold.untilMs)
}

function covers(hold: HoldRow, { id, issuer, subject }: Pick<RetainedSession, 'id' | 'issuer' | 'subject'>) {
  if (hold.session !== undefined) return hold.session === id
  return hold.issuer === issuer && hold.subject === subject
}

/** Where nobody knows the labels any more, a promise that names some may have been made. */
function promisesTo(rule: RetentionRule, session: RetainedSession): boolean {
  if (rule.targets === undefined) return true
  const { labels } = session
  if (labels !== undefined) return matchesTarget(rule.targets, aboutTarget(session, labels))
  const { name, protocol } = rule.targets
  const known = { ...(name === undefined ? {} : { name }), ...(protocol === undefined ? {} : { protocol }) }
  return matchesTarget(known, aboutTarget(session, {}))
}

function limits(rule: RetentionRule, session: RetainedSession): boolean {
  return rule.targets === undefined || matchesTarget(rule.targets, aboutTarget(session, session.labels ?? {}))
}

function aboutTarget({ target, protocol }: RetainedSession, labels: Readonly<Record<string, string>>) {
  return { name: target, protocol, labels }
}

/** The rule with the largest measure; the first of those that are equal. */
function furthest(
  rules: readonly RetentionRule[],
  measure: (rule: RetentionRule) => number | undefined,
): RetentionRule | undefined {
  let best: RetentionRule | undefined
  for (const rule of rules) {
    const here = measure(rule)
    if (here === undefined) continue
    if (best === undefined || here > (measure(best) ?? -Infinity)) best = rule
  }
  return best
}

/** A rule as people read it: `line 12: postgres, env=prod, min 30d, max 400d`. */
export function ruleText({ targets, minMs, maxMs, line }: RetentionRule): string {
  const labels = Object.entries(targets?.labels ?? {}).map(([key, value]) => `${key}=${value}`)
  const said = [targets?.name, targets?.protocol, ...labels].filter(part => part !== undefined)
  const ages = [
    ...(minMs === undefined ? [] : [`min ${ageText(minMs)}`]),
    ...(maxMs === undefined ? [] : [`max ${ageText(maxMs)}`]),
  ]
  return `line ${line}: ${[...(said.length === 0 ? ['all'] : said), ...ages].join(', ')}`
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** In the largest unit that it is a whole number of, as in the configuration. */
export function ageText(ms: number): string {
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
