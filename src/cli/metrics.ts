/** What a gateway tells Prometheus. No metric names a person, a target or anything else that somebody can choose. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { AuditEvent, AuditLog } from '../audit/audit-log.ts'
import type { PendingRoles } from '../credentials/postgres/sweep.ts'
import type { LaneState } from '../notify/lane.ts'
import type { SpoolState } from '../recorder/storage/uploader.ts'
import type { LiveSessions } from '../session/live.ts'

/** Codes are words of ours; should one ever hold more than that, no more series than these come of it. */
const maxCodes = 60
const protocols = ['ssh', 'postgres'] as const

/** How far the analysis of recordings is behind. */
export type AnalysisState = {
  readonly sessions: number
  readonly bytes: number
  readonly waitedMs: number
}

export type MetricsParts = {
  readonly live: LiveSessions
  /** Roles that wait for the sweep. */
  readonly pendingRoles: () => PendingRoles
}

/** Counts what passes through the audit log, and asks the rest when it is read. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #codes = new Set<string>()
  readonly #opened = this.#counter('sessions_opened_total', 'Sessions that were opened', ['protocol'])
  readonly #refused = this.#counter('refusals_total', 'Refusals, by code of the audit log', [
    'protocol',
    'code',
  ])
  readonly #minted = this.#counter('credentials_minted_total', 'Credentials that were minted', [])
  readonly #removed = this.#counter('credentials_removed_total', 'Credentials that were removed', ['by'])
  readonly #stored = this.#counter('recordings_stored_total', 'Recordings that were stored in the bucket', [])
  readonly #stuck = this.#counter('credentials_stuck_total', 'Credentials whose removal failed at first', [])

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** The same log; each event that it took is counted. */
  observe(audit: AuditLog): AuditLog {
    return {
      append: event => {
        audit.append(event)
        this.#count(event)
      },
      probe: (target, why) => audit.probe(target, why),
      get failure() {
        return audit.failure
      },
      close: () => audit.close(),
    }
  }

  /** Once the parts are there. */
  watch({ live, pendingRoles }: MetricsParts): void {
    this.#gauge('sessions', 'Sessions that are open', ['protocol'], gauge => {
      const rows = live.rows()
      for (const protocol of protocols)
        gauge.set({ protocol }, rows.filter(row => row.protocol === protocol).length)
    })
    this.#gauge('orphaned_roles', 'PostgreSQL roles that no session looks after any more', [], gauge =>
      gauge.set(pendingRoles().count),
    )
    this.#gauge(
      'oldest_pending_drop_seconds',
      'How long the oldest of those roles has waited to be removed',
      [],
      gauge => gauge.set(pendingRoles().oldestMs / 1000),
    )
  }

  /** Where there are worker processes. */
  watchWorkers(pool: { readonly state: { readonly running: number; readonly restarts: number } }): void {
    this.#gauge('postgres_workers', 'Worker processes for PostgreSQL that run', [], gauge =>
      gauge.set(pool.state.running),
    )
    this.#gauge('postgres_worker_restarts', 'Worker processes that had to be replaced', [], gauge =>
      gauge.set(pool.state.restarts),
    )
  }

  /** Where recordings are kept elsewhere; of a local folder there is nothing to tell. */
  watchStorage(state: () => SpoolState | undefined): void {
    if (state() === undefined) return
    const told: readonly [string, string, (state: SpoolState) => number][] = [
      ['storage_up', 'Whether the bucket takes recordings: 1 or 0', ({ isUp }) => (isUp ? 1 : 0)],
      ['storage_waiting', 'Finished recordings that are not stored', ({ waiting }) => waiting],
      ['storage_waiting_bytes', 'Bytes that are not stored, of live recordings too', s => s.waitingBytes],
      ['storage_oldest_waiting_seconds', 'How long the oldest of them has waited', s => s.oldestMs / 1000],
      ['storage_spool_bytes', 'Bytes here of recordings that are not stored', ({ spoolBytes }) => spoolBytes],
      ['storage_failed_attempts', 'Attempts to store that failed since the start', s => s.failedAttempts],
    ]
    for (const [name, help, value] of told)
      this.#gauge(name, help, [], gauge => {
        const now = state()
        if (now !== undefined) gauge.set(value(now))
      })
  }

  /** Where recordings are read for search, rules and findings. */
  watchAnalysis(state: () => AnalysisState | undefined): void {
    if (state() === undefined) return
    const told: readonly [string, string, (state: AnalysisState) => number][] = [
      ['analysis_waiting_sessions', 'Sessions that are over and wait to be analysed', s => s.sessions],
      ['analysis_unread_bytes', 'Bytes of open recordings that were not analysed', ({ bytes }) => bytes],
      ['analysis_lag_seconds', 'How long what waits to be analysed has waited', s => s.waitedMs / 1000],
    ]
    for (const [name, help, value] of told)
      this.#gauge(name, help, [], gauge => {
        const now = state()
        if (now !== undefined) gauge.set(value(now))
      })
  }

  /** What goes out to others. The names of sinks are the operator's, twenty at most. */
  watchNotify(lanes: () => readonly LaneState[]): void {
    const deliveries = new Counter({
      name: 'sallyport_notify_deliveries_total',
      help: 'Messages to others, by what became of each attempt',
      labelNames: ['sink', 'result'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const { sink, ...counts } of lanes())
          for (const result of ['taken', 'away', 'refused', 'dead'] as const)
            this.inc({ sink, result }, counts[result])
      },
    })
    void deliveries
    const told: readonly [string, string, (lane: LaneState) => number][] = [
      ['notify_backlog', 'Lines of the audit log that a sink has not come to', ({ backlog }) => backlog],
      ['notify_oldest_seconds', 'How long its next message has waited', lane => waitedSeconds(lane)],
      ['notify_dead_letters', 'Its dead letters', ({ deadLetters }) => deadLetters],
      ['notify_stopped', 'Whether it wants no more messages: 1 or 0', lane => (lane.isDisabled ? 1 : 0)],
    ]
    for (const [name, help, value] of told)
      this.#gauge(name, help, ['sink'], gauge => {
        gauge.reset()
        for (const lane of lanes()) gauge.set({ sink: lane.sink }, value(lane))
      })
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #count(event: AuditEvent): void {
    switch (event.kind) {
      case 'session-open':
        return this.#opened.inc({ protocol: protocolOf(event) })
      case 'refusal':
        return this.#refused.inc({ protocol: protocolOf(event), code: this.#codeOf(event) })
      case 'credential-minted':
        return this.#minted.inc()
      case 'credential-removed':
        return this.#removed.inc({ by: event['by'] === 'sweep' ? 'sweep' : 'session' })
      case 'recording-stored':
        return this.#stored.inc()
      case 'credential-stuck':
        return this.#stuck.inc()
      default:
        return
    }
  }

  #codeOf({ code }: AuditEvent): string {
    const text = typeof code === 'string' && /^[a-z-]{1,40}$/.test(code) ? code : 'other'
    if (this.#codes.size < maxCodes) this.#codes.add(text)
    return this.#codes.has(text) ? text : 'other'
  }

  #counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({
      name: `sallyport_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
    })
  }

  #gauge(name: string, help: string, labelNames: readonly string[], collect: (gauge: Gauge) => void): void {
    const gauge: Gauge = new Gauge({
      name: `sallyport_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect: () => collect(gauge),
    })
  }
}

function waitedSeconds({ oldestAtMs }: LaneState): number {
  return oldestAtMs === 0 ? 0 : Math.max(0, (Date.now() - oldestAtMs) / 1000)
}

function protocolOf({ protocol }: AuditEvent): string {
  return protocols.find(known => known === protocol) ?? 'none'
}
