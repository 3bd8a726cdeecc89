/** The desk of findings in a running gateway, and what sessions do when policy says so. */
import type { AnalystBatch } from '../../analysis/analyst/session-observer.ts'
import { Aliases } from '../../analysis/findings/aliases.ts'
import type { Profiles } from '../../analysis/findings/desk-parts.ts'
import { fairnessReport } from '../../analysis/findings/fairness.ts'
import type { ObserverOptions } from '../../analysis/findings/observer.ts'
import { openFindingDesk } from '../../analysis/findings/open-desk.ts'
import { wishOf, wordsOf } from '../../analysis/findings/profile-keeper.ts'
import { reviewingDrafts, reviewingWindowMs } from '../../analysis/findings/reviewing.ts'
import { personKey } from '../../analysis/findings/session-view.ts'
import type { FindingDoor } from '../../api/finding-routes.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { reasonOf } from '../../errors.ts'
import { type Principal, principalKey } from '../../identity/principal.ts'
import type { Log } from '../../log.ts'
import type { FindingRow, SessionRow } from '../../model.ts'
import { reactionTo } from '../../policy/reaction.ts'
import type { LiveSessions } from '../../session/live.ts'
import { foldersOf } from '../folders.ts'
import type { Ground } from './ground.ts'

export type FindingsParts = {
  readonly ground: Ground
  readonly config: () => Config
  readonly live: LiveSessions
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
}

export type Findings = FindingDoor & {
  /** Somebody has signed in on the pages. */
  readonly signedIn: (principal: Principal) => void
}

/** What the analyst's thread is given for the observer of findings. */
export function observingOf(config: Config): ObserverOptions {
  return { analysis: config.analysis, folder: foldersOf(config).profiles }
}

const reviewingEveryMs = 3_600_000
/** Readings that are compared; of more, the oldest. */
const maxReadings = 50_000

/** Compares what reviewers open, an hour at a time. Gives back what stops it. */
export function watchReviewers(
  { ground, config, clock, log }: FindingsParts,
  { desk }: Findings,
): () => void {
  const run = async (): Promise<void> => {
    const nowMs = clock.nowMs()
    const readings = await ground.store.reviews.readingsSince(nowMs - reviewingWindowMs, maxReadings)
    for (const draft of reviewingDrafts(readings, config().analysis.baselines, nowMs)) await desk.take(draft)
  }
  const timer = setInterval(() => {
    run().catch((cause: unknown) => log.error({ reason: reasonOf(cause) }, 'reviewers could not be compared'))
  }, reviewingEveryMs).unref()
  return () => clearInterval(timer)
}

/** What the analyst learned: drafts become findings, and what is over may be drawn for the sample. */
export async function takeBatch(
  { desk }: Findings,
  { drafts, session, isSealed }: AnalystBatch,
): Promise<void> {
  for (const draft of drafts) await desk.take(draft)
  if (isSealed) await desk.sealed(session)
}

/** Profiles are in the analyst's thread; what people decide reaches it as files. */
function profilesIn(folder: string, clock: Clock): Profiles {
  return {
    teach: session => wishOf(folder, { do: 'teach', session }, clock.nowMs()),
    inWords: async person => wordsOf(folder, personKey(person)),
  }
}

export function openFindings(parts: FindingsParts): Findings {
  const { ground, config, audit, clock, log } = parts
  const { store } = ground
  const desk = openFindingDesk({
    store: store.findings,
    sessions: store.sessions,
    audit,
    clock,
    log,
    config,
    aliases: new Aliases(foldersOf(config()).keys, clock.nowMs()),
    onFinding: (row, session) => react(parts, row, session),
    profiles: profilesIn(foldersOf(config()).profiles, clock),
  })
  return {
    desk,
    fairness: days => fairnessReport(store, days, clock.nowMs()),
    release: (session, by) => releaseSession(parts, session, by),
    signedIn: principal => releaseAfterSignIn(parts, principal),
  }
}

/** Policy decides, the session acts; the analysis has only reported. */
function react({ config, live, audit, log }: FindingsParts, row: FindingRow, session: SessionRow): void {
  const reaction = reactionTo(config(), session.role, row)
  if (reaction === undefined) return
  // A session that another process relays cannot be held: it ends instead.
  const { do: kind, waitMs } = reaction
  const isHeld = kind !== 'end' && live.hold(session.id, { kind, waitMs })
  const done = isHeld || live.end(session.id, `policy ends it because of finding ${row.id}`)
  log.info({ session: session.id, finding: row.id, do: reaction.do, done }, 'policy acts on a finding')
  audit.append({
    kind: 'session-held',
    session: session.id,
    finding: row.id,
    do: isHeld ? reaction.do : 'end',
    line: reaction.line,
    open: done,
  })
}

/** Somebody lets a session go on that was held. False if none of that id was. */
function releaseSession({ live, audit }: FindingsParts, session: string, by: string): boolean {
  if (!live.release(session)) return false
  audit.append({ kind: 'session-released', session, by })
  return true
}

/** Whoever has signed in again goes on with what waited for that. */
function releaseAfterSignIn({ live, audit }: FindingsParts, principal: Principal): void {
  for (const session of live.provenAnew(principalKey(principal), principal.fields.authenticatedAtMs))
    audit.append({ kind: 'session-released', session, by: 'their own sign-in' })
}
