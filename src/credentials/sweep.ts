/** Finishes what a crash left: leases whose gateway process is provably gone (invariant 6). */
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../errors.ts'
import type { LeaseRow } from '../model.ts'
import type { Store } from '../store/store.ts'
import type { RoleSweep } from './postgres/sweep.ts'

/** How long a live session has to remove its lease by itself. */
const ownLeaseGraceMs = 5 * 60_000

/** Between two sweeps. */
export const sweepIntervalMs = 30_000

export type SweepParts = {
  store: Store
  audit: AuditLog
  clock: Clock
  log: Log
  owner: string
  /** Owners besides it that are processes of this gateway, and live. */
  isAlive?: (owner: string) => boolean
  /** Roles on PostgreSQL targets, where the gateway has any. */
  roles?: RoleSweep
}

/**
 * Removes each lease of another owner whose credential can no longer be used, and what this process failed to remove, and
 * returns how many went. Whoever holds the
 * data folder's lock knows that every other owner in it is dead. A certificate's key died with its process; the lease stays
 * until the certificate has run out too, so that its removal is never said too early.
 */
export async function sweep(parts: SweepParts, options: { everything?: boolean } = {}): Promise<number> {
  const leases = await parts.store.leases.list()
  const due = leases.filter(lease => isDue(lease, parts))
  for (const lease of due) await removeLease(lease, parts)
  return due.length + ((await parts.roles?.sweep(options)) ?? 0)
}

/** Our own only long after its certificate ran out: then its session tried to remove it and could not. */
function isDue(lease: LeaseRow, { owner, isAlive, clock }: SweepParts): boolean {
  const isOurs = lease.owner === owner || isAlive?.(lease.owner) === true
  return isOver(lease, isOurs ? clock.nowMs() - ownLeaseGraceMs : clock.nowMs())
}

function isOver(lease: LeaseRow, nowMs: number): boolean {
  return lease.kind !== 'postgres-role' && lease.expiresAtMs !== undefined && lease.expiresAtMs <= nowMs
}

async function removeLease(lease: LeaseRow, parts: SweepParts): Promise<void> {
  await parts.store.leases.advance(lease.id, 'ending')
  parts.audit.append({
    kind: 'credential-removed',
    id: lease.id,
    session: lease.session,
    target: lease.target,
    serial: lease.detail,
    by: 'sweep',
  })
  await parts.store.leases.remove(lease.id)
}

export type RunningSweep = {
  /** Tries everything at once, whatever its back-off says. Returns how many leases went. */
  readonly now: () => Promise<number>
  /** Waits for the sweep that runs. */
  readonly stop: () => Promise<void>
}

/** Sweeps now and on a timer until stopped. A sweep that fails is tried again at the next tick, for ever. */
export function startSweep(parts: SweepParts): RunningSweep {
  // A target that does not answer takes long, and two sweeps must not work on the same role: one after the other.
  let running: Promise<unknown> = Promise.resolve()
  let isRunning = false
  const next = (options: { everything: boolean }): Promise<number> => {
    isRunning = true
    const swept = running.then(() => sweep(parts, options))
    const done: Promise<unknown> = swept.catch(() => {}).then(() => (isRunning = running !== done))
    running = done
    return swept
  }
  const run = (): void => {
    if (isRunning) return
    next({ everything: false }).catch((cause: unknown) =>
      parts.log.error({ cause: reasonOf(cause) }, 'sweep failed'),
    )
  }
  run()
  const timer = setInterval(run, sweepIntervalMs)
  timer.unref()
  return {
    now: () => next({ everything: true }),
    stop: async () => {
      clearInterval(timer)
      parts.roles?.stop()
      await running
    },
  }
}
