/**
 * Removes recordings so that it can always be told from a loss. In this order: the decision is in the store, in the audit log, as a
 * tombstone in the log of sessions; a signed checkpoint covers that; only then the content goes. Killed at any step, the next start
 * goes on from there: what has a tombstone and is still there is removed, what is gone always has a tombstone.
 */
import type { AuditLog } from '../../audit/audit-log.ts'
import type { SessionLog } from '../../audit/tree/session-log.ts'
import type { Clock } from '../../clock.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { PurgeRow, SessionRow } from '../../model.ts'
import type { Verdict } from '../../policy/retention.ts'
import type { Store } from '../../store/store.ts'
import type { RecordingStore } from '../storage/recording-store.ts'
import { removeContent } from './content.ts'
import { decisionHash, decisionText } from './decision.ts'

/** Leaves are stamped with the wall's clock, which may have been set back since. */
const clockMarginMs = 86_400_000
/** The signer of checkpoints may be away; what waits for it is taken up again later. */
const signingMs = 60_000
/** The store's rows of what was left, at a time. */
const pendingRows = 100

export type PurgeParts = {
  readonly store: Pick<Store, 'sessions' | 'purges'>
  readonly audit: Pick<AuditLog, 'append'>
  readonly sessionLog: Pick<SessionLog, 'add' | 'find' | 'proofOf' | 'checkpoint'>
  /** Brings the audit log to the disk: a power cut must not take the decision and leave the tombstone. */
  readonly flushAudit: () => Promise<void>
  /** Of recordings, absolute. */
  readonly folder: string
  readonly storage: Pick<RecordingStore, 'remove' | 'mayRemove'>
  readonly clock: Clock
  /** Removes what was derived from a recording and is kept elsewhere; before the recording, so that none of it outlives that. */
  readonly forget?: (session: string) => Promise<void>
  /** Hears after each step; tests stop the process there. */
  readonly onStep?: (step: PurgeStep) => void
}

export type PurgeStep = 'decided' | 'told' | 'entombed' | 'signed' | 'removed'

export type Due = { readonly session: SessionRow; readonly cause: PurgeRow['cause']; readonly rule: string }

export type Purged =
  | { readonly session: string; readonly kind: 'purged'; readonly bytes: number }
  /** Decided, and its content is still there. */
  | { readonly session: string; readonly kind: 'pending'; readonly problem: string }
  /** Nothing was decided, since the storage would not remove it. */
  | { readonly session: string; readonly kind: 'refused'; readonly problem: string }

export class Purger {
  readonly #parts: PurgeParts

  constructor(parts: PurgeParts) {
    this.#parts = parts
  }

  /** Removes these. The caller has judged them a moment ago, and nobody can place a hold meanwhile. */
  async purge(due: readonly Due[], by: string): Promise<readonly Purged[]> {
    const refused: Purged[] = []
    const free: Due[] = []
    for (const one of due) {
      const problem = await this.#problemOf(one.session)
      if (problem === undefined) free.push(one)
      else refused.push({ session: one.session.id, kind: 'refused', problem })
    }
    return [...refused, ...(await this.#decide(free, by))]
  }

  async #decide(due: readonly Due[], by: string): Promise<readonly Purged[]> {
    if (due.length === 0) return []
    const nowMs = this.#parts.clock.nowMs()
    const decided = due.map(one => ({ session: one.session, row: purgeRow(one, nowMs) }))
    await this.#parts.store.purges.insert(decided.map(({ row }) => row))
    this.#parts.onStep?.('decided')
    return await this.#carryOut(decided, by)
  }

  /** No tombstone for what is locked: it would stand there for years beside what it says is gone. */
  async #problemOf({ recording }: SessionRow): Promise<string | undefined> {
    try {
      await this.#parts.storage.mayRemove(recording)
      return undefined
    } catch (cause) {
      return textOf(cause)
    }
  }

  /**
   * Goes on with what was decided and not finished. `judge` says how it stands now: a hold or a longer promise that came since then
   * keeps what is still there.
   */
  async resume(
    judge: (row: PurgeRow, session: SessionRow) => Verdict,
    by: string,
  ): Promise<readonly Purged[]> {
    const done: Purged[] = []
    for (let after = ''; ; ) {
      const rows = await this.#parts.store.purges.pending(pendingRows, after)
      const due: Decided[] = []
      for (const row of rows) {
        const session = await this.#parts.store.sessions.get(row.session)
        if (session === undefined) await this.#parts.store.purges.drop(row.session)
        else if (judge(row, session).kind === 'due') due.push({ session, row })
        else done.push(await this.#keep(row))
      }
      done.push(...(await this.#carryOut(due, by)))
      if (rows.length < pendingRows) return done
      after = rows.at(-1)?.session ?? after
    }
  }

  async #carryOut(decided: readonly Decided[], by: string): Promise<readonly Purged[]> {
    if (decided.length === 0) return []
    for (const { row } of decided) this.#tell(row, by)
    this.#parts.onStep?.('told')
    const last = Math.max(...decided.map(({ row }) => this.#entomb(row)))
    this.#parts.onStep?.('entombed')
    await this.#parts.flushAudit()
    await this.#parts.sessionLog.checkpoint()
    await withinMs(this.#parts.sessionLog.proofOf(last), signingMs)
    this.#parts.onStep?.('signed')
    const done: Purged[] = []
    for (const one of decided) done.push(await this.#remove(one))
    return done
  }

  /** What was told before a crash is told again: twice is no harm, not at all would be. */
  #tell({ session, decision, cause }: PurgeRow, by: string): void {
    this.#parts.audit.append({ kind: 'purge-decided', session, cause, decision, by })
  }

  /** The index of the leaf; one that a crash came after is found again. */
  #entomb(row: PurgeRow): number {
    const leaf = { kind: 'tombstone', session: row.session, sha256: decisionHash(row.decision) } as const
    return this.#find(row) ?? this.#parts.sessionLog.add(leaf)
  }

  #find({ session, decidedAtMs }: PurgeRow): number | undefined {
    return this.#parts.sessionLog.find(
      leaf => leaf.kind === 'tombstone' && leaf.session === session,
      decidedAtMs - clockMarginMs,
    )
  }

  async #remove({ session, row }: Decided): Promise<Purged> {
    const { folder, storage, store, audit, clock } = this.#parts
    try {
      await this.#parts.forget?.(session.id)
      const { files, bytes } = await removeContent(folder, session.recording, storage)
      this.#parts.onStep?.('removed')
      audit.append({ kind: 'purge-done', session: session.id, files, bytes })
      await store.purges.finish(session.id, clock.nowMs())
      return { session: session.id, kind: 'purged', bytes }
    } catch (cause) {
      return await this.#note(row, textOf(cause))
    }
  }

  /** A tombstone stands, so the decision does too; without one it is taken back. */
  async #keep(row: PurgeRow): Promise<Purged> {
    if (this.#find(row) !== undefined)
      return await this.#note(row, 'It was decided on, and since then something keeps it.')
    await this.#parts.store.purges.drop(row.session)
    const reason = 'a hold or a longer minimum came before it was removed'
    this.#parts.audit.append({ kind: 'purge-stopped', session: row.session, reason })
    return { session: row.session, kind: 'pending', problem: reason }
  }

  async #note(row: PurgeRow, problem: string): Promise<Purged> {
    const { audit, store } = this.#parts
    if (row.problem !== problem)
      audit.append({ kind: 'purge-stopped', session: row.session, reason: problem })
    await store.purges.note(row.session, problem)
    return { session: row.session, kind: 'pending', problem }
  }
}

type Decided = { readonly session: SessionRow; readonly row: PurgeRow }

function textOf(thrown: unknown): string {
  return thrown instanceof Fault ? thrown.userText : reasonOf(thrown)
}

/** The audit log would cut longer texts than four times that. In UTF-16 units. */
const maxRuleLength = 1000

function purgeRow({ session, cause, rule: whole }: Due, nowMs: number): PurgeRow {
  const rule = whole.slice(0, maxRuleLength)
  const instant = (ms: number): string => new Date(ms).toISOString()
  const decision = decisionText({
    session: session.id,
    cause,
    rule,
    endedAt: instant(session.endedAtMs ?? nowMs),
    decidedAt: instant(nowMs),
  })
  return {
    session: session.id,
    decision,
    cause,
    rule,
    decidedAtMs: nowMs,
    finishedAtMs: undefined,
    problem: undefined,
  }
}

async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const userText =
    'The log of sessions could not be signed in time, so nothing was removed. It is tried again later.'
  const timer = setTimeout(() => reject(new Fault('SESSION_LOG_FAILED', userText)), ms)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
