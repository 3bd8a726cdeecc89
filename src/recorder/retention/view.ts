/** What pages show of how long a session's recording is kept. */
import type { RetentionRule } from '../../config/config.ts'
import type { HoldRow, PurgeRow, SessionRow } from '../../model.ts'
import { holdsOn, ruleText, scheduleOf } from '../../policy/retention.ts'

export type KeptView = {
  /** When policy removes the recording; undefined: never, or not known while it is open. */
  readonly purgeAtMs: number | undefined
  /** The rule that says so. */
  readonly rule: string | undefined
  /** `untilMs` undefined: until it is released. */
  readonly hold: { readonly untilMs: number | undefined } | undefined
  readonly purged: PurgedView | undefined
  /** It was decided, and is not over. */
  readonly isBeingPurged: boolean
}

export type PurgedView = { readonly atMs: number; readonly rule: string; readonly cause: PurgeRow['cause'] }

export function viewOf(
  session: SessionRow,
  about: {
    readonly rules: readonly RetentionRule[]
    readonly holds: readonly HoldRow[]
    readonly purge: PurgeRow | undefined
    readonly nowMs: number
  },
): KeptView {
  const { purge } = about
  if (purge?.finishedAtMs !== undefined) {
    const purged = { atMs: purge.finishedAtMs, rule: purge.rule, cause: purge.cause }
    return { purgeAtMs: undefined, rule: undefined, hold: undefined, purged, isBeingPurged: false }
  }
  const schedule = scheduleOf(about.rules, session)
  const bound = schedule?.purgeAtMs === schedule?.earliestMs ? schedule?.minRule : schedule?.maxRule
  const holds = holdsOn(about.holds, session, about.nowMs)
  return {
    purgeAtMs: schedule?.purgeAtMs,
    rule: schedule?.purgeAtMs === undefined || bound === undefined ? undefined : ruleText(bound),
    hold: holds.length === 0 ? undefined : { untilMs: longestOf(holds) },
    purged: undefined,
    isBeingPurged: purge !== undefined,
  }
}

/** Undefined: one of them has no end. */
function longestOf(holds: readonly HoldRow[]): number | undefined {
  if (holds.some(hold => hold.untilMs === undefined)) return undefined
  return Math.max(...holds.map(hold => hold.untilMs ?? 0))
}

/** One sentence, for whoever looks for the recording. */
export function purgedText({ atMs, rule, cause }: PurgedView): string {
  const by = cause === 'policy' ? `by policy, by the rule of ${rule}` : `on request: ${rule}`
  return `This recording was removed on ${new Date(atMs).toISOString().slice(0, 10)} ${by}.`
}
