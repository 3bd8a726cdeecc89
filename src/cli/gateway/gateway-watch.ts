/**
 * What the gateway itself notices, without reading a recording: sessions that open under emergency access or after refusals, and recordings
 * and logs that are not whole. It leaves findings at the desk, and keeps them until there is one.
 */
import type { FindingDesk } from '../../analysis/findings/desk.ts'
import type { FindingDraft } from '../../analysis/findings/finding.ts'
import { gatewayDraft } from '../../analysis/findings/gateway-findings.ts'
import {
  logNotWhole,
  recordingLostBytes,
  recordingNotWhole,
  recordingUnread,
} from '../../analysis/findings/integrity-findings.ts'
import { personKey } from '../../analysis/findings/session-view.ts'
import { readGatewayRules } from '../../analysis/rules/catalogue.ts'
import { GatewayRules, type Refusal } from '../../analysis/rules/gateway-rules.ts'
import type { AuditEvent, AuditLog } from '../../audit/audit-log.ts'
import { decodeLine } from '../../audit/line.ts'
import { lastLinesIn } from '../../audit/segments.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { CheckRow, SessionRow } from '../../model.ts'
import type { Recovered } from '../../recorder/recover.ts'
import type { Store } from '../../store/store.ts'
import type { LogProblem } from './log-check-worker.ts'

/** Of the end of the audit log, read at the start: some thousands of lines, more than refusals of an hour. */
const readBytes = 1024 * 1024
/** A finding that the last gateway did not come to is made by this one, so far back. */
const emergencyMs = 7 * 86_400_000
const maxEmergency = 1000
/** Findings that wait for the desk while the gateway starts; of more, those that come again at the next start. */
const maxEarly = 1000

export type GatewayWatchParts = {
  readonly config: () => Config
  readonly auditFolder: string
  readonly clock: Clock
  readonly log: Log
}

export class GatewayWatch {
  readonly #parts: GatewayWatchParts
  readonly #rules = new GatewayRules(readGatewayRules())
  #desk: Pick<FindingDesk, 'take'> | undefined
  readonly #early: FindingDraft[] = []

  constructor(parts: GatewayWatchParts) {
    this.#parts = parts
    for (const line of lastLinesIn(parts.auditFolder, readBytes)) {
      const stored = decodeLine(line)
      if (typeof stored !== 'string') this.#refused(stored, Date.parse(stored.at))
    }
  }

  /** The same log, of which the rules hear. */
  observe(audit: AuditLog): AuditLog {
    return {
      append: event => {
        audit.append(event)
        this.#refused(event, this.#parts.clock.nowMs())
      },
      probe: (target, why) => audit.probe(target, why),
      get failure() {
        return audit.failure
      },
      close: () => audit.close(),
    }
  }

  /** The same store, of which it hears when sessions open, whoever carries them, and when a recording was checked. */
  announced(store: Store): Store {
    const { sessions, reviews } = store
    const insert = async (row: SessionRow): Promise<void> => {
      await sessions.insert(row)
      this.#opened(row)
    }
    const noteCheck = async (row: CheckRow): Promise<void> => {
      await reviews.noteCheck(row)
      const { session, problem = 'The check did not say why.', checkedAtMs } = row
      if (!row.isWhole) this.#leave(recordingNotWhole(session, problem, checkedAtMs))
    }
    return { ...store, sessions: { ...sessions, insert }, reviews: { ...reviews, noteCheck } }
  }

  /** A recording was finished that another process left. */
  recovered({ session, notes }: Pick<Recovered, 'session' | 'notes'>): void {
    if (notes.length > 0) this.#leave(recordingLostBytes(session, notes, this.#parts.clock.nowMs()))
  }

  /** The analysis could not read all of a recording. */
  unread(session: string, problem: string): void {
    this.#leave(recordingUnread(session, problem, this.#parts.clock.nowMs()))
  }

  notWhole({ log, ...place }: LogProblem): void {
    this.#leave(logNotWhole(log, place, this.#parts.clock.nowMs()))
  }

  /** Findings go to `desk` from now on; those of emergency access that are missing, too. */
  async start(desk: Pick<FindingDesk, 'take'>, store: Store): Promise<void> {
    this.#desk = desk
    for (const draft of this.#early.splice(0)) void desk.take(draft)
    const { clock, log } = this.#parts
    try {
      for (const row of await store.sessions.emergencySince(clock.nowMs() - emergencyMs, maxEmergency))
        this.#opened(row)
    } catch (cause) {
      log.error({ cause: reasonOf(cause) }, 'sessions of emergency access were not looked through')
    }
  }

  #refused(event: AuditEvent | Readonly<Record<string, unknown>>, atMs: number): void {
    const refusal = event['kind'] === 'refusal' ? refusalOf(event, atMs) : undefined
    if (refusal !== undefined) this.#rules.refused(refusal)
  }

  #opened(row: SessionRow): void {
    const { target, login, sourceAddress, openedAtMs: atMs, breakGlass = false } = row
    const opening = { atMs, person: personKey(row), target, login, sourceAddress, breakGlass }
    const { off } = this.#parts.config().analysis
    for (const hit of this.#rules.opened(opening))
      if (!off.includes(hit.rule.id)) this.#leave(gatewayDraft(hit, row))
  }

  #leave(draft: FindingDraft): void {
    if (this.#desk !== undefined) void this.#desk.take(draft)
    else if (this.#early.length < maxEarly) this.#early.push(draft)
  }
}

/** Refusals within a session, by its target, are not the gateway's. */
function refusalOf(event: Readonly<Record<string, unknown>>, atMs: number): Refusal | undefined {
  const text = (key: string): string | undefined => {
    const value = event[key]
    return typeof value === 'string' ? value : undefined
  }
  const [code, sourceAddress, issuer, subject] = ['code', 'sourceAddress', 'issuer', 'subject'].map(text)
  if (code === undefined || sourceAddress === undefined || text('session') !== undefined) return undefined
  const [target, login] = ['target', 'login'].map(text)
  return {
    atMs,
    code,
    sourceAddress,
    ...(issuer === undefined || subject === undefined ? {} : { person: personKey({ issuer, subject }) }),
    ...(target === undefined ? {} : { target }),
    ...(login === undefined ? {} : { login }),
  }
}
