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
import { askedPauseMs, type HoldResult, type HoldWish, pausedText } from '../../session/hold.ts'
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
    onFinding: (row, session) => {
      react(parts, row, session).catch((cause: unknown) =>
        log.error({ session: session.id, cause: reasonOf(cause) }, 'policy could not act on a finding'),
      )
    },
    profiles: profilesIn(foldersOf(config()).profiles, clock),
  })
  return {
    desk,
    fairness: days => fairnessReport(store, days, clock.nowMs()),
    pause: (session, by, reason) => pauseSession(parts, session, by, reason),
    release: (session, by, reason) => releaseSession(parts, session, by, reason),
    signedIn: principal => {
      releaseAfterSignIn(parts, principal).catch((cause: unknown) =>
        log.error({ cause: reasonOf(cause) }, 'a session still waits after its sign-in'),
      )
    },
  }
}

/** Policy decides, the session acts; the analysis has only reported. What is not held for certain ends. */
async function react(
  { config, live, audit, log }: FindingsParts,
  row: FindingRow,
  session: SessionRow,
): Promise<void> {
  const reaction = reactionTo(config(), session.role, row)
  if (reaction === undefined) return
  const { do: kind, waitMs, line } = reaction
  const userText = kind === 'end' ? '' : heldBecause(kind, config())
  const held = kind === 'end' ? 'not-open' : await live.hold(session.id, { kind, waitMs, userText })
  const done = held !== 'not-open' || live.end(session.id, `policy ends it because of finding ${row.id}`)
  log.info({ session: session.id, finding: row.id, do: kind, done }, 'policy acts on a finding')
  const did = held === 'held' ? kind : 'end'
  audit.append({ kind: 'session-held', session: session.id, finding: row.id, do: did, line, open: done })
}

/** What the person reads, who may be the one whom this protects: not which rule was met. */
function heldBecause(kind: HoldWish['kind'], { web }: Config): string {
  if (kind === 'pause') return 'Policy has paused it until a reviewer lets it go on.'
  const where = web === undefined ? 'at the gateway' : `at ${web.url}/sign-in/start?again=1`
  return `Policy wants you to sign in again ${where} before it goes on.`
}

/** Somebody pauses a session: in the audit log before it is. Where it does not say that it waits, it ends. */
async function pauseSession(
  { live, audit }: FindingsParts,
  session: string,
  by: string,
  reason: string,
): Promise<HoldResult | 'paused-already'> {
  if (!live.rows().some(({ id }) => id === session)) return 'not-open'
  if (live.heldOf(session)?.kind === 'pause') return 'paused-already'
  audit.append({ kind: 'session-held', session, do: 'pause', reason, by })
  return live.hold(session, {
    kind: 'pause',
    waitMs: askedPauseMs,
    userText: pausedText('An operator', reason),
  })
}

/** Somebody lets a session go on that was held: in the audit log before it does. False if none of that id was. */
async function releaseSession(
  { live, audit }: FindingsParts,
  session: string,
  by: string,
  reason?: string,
): Promise<boolean> {
  if (live.heldOf(session) === undefined) return false
  audit.append({ kind: 'session-released', session, by, ...(reason === undefined ? {} : { reason }) })
  return await live.release(session)
}

/** Whoever has signed in again goes on with what waited for that. */
async function releaseAfterSignIn(parts: FindingsParts, principal: Principal): Promise<void> {
  const { authenticatedAtMs } = principal.fields
  for (const session of parts.live.waitingForSignIn(principalKey(principal), authenticatedAtMs))
    await releaseSession(parts, session, 'their own sign-in')
}
