/** The processes that carry sessions of PostgreSQL, if the configuration wants any. */
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config, PostgresLimits } from '../../config/config.ts'
import { defaultPostgresLimits } from '../../config/postgres-limits.ts'
import type { Log } from '../../log.ts'
import { WorkerPool } from '../../postgres/workers/worker-pool.ts'
import type { LiveSessions } from '../../session/live.ts'
import type { SshListenerParts } from '../../ssh/listener.ts'
import { foldersOf } from '../folders.ts'
import { KeysForWorkers, workerEntry } from '../postgres-workers.ts'
import type { Configuration } from './configuration.ts'
import type { Ground } from './ground.ts'
import type { Recovery } from './recovery.ts'
import type { SignIns } from './sign-ins.ts'
import type { Upkeep } from './upkeep.ts'

type Parts = {
  readonly ground: Ground
  readonly configuration: Configuration
  readonly recovery: Recovery
  readonly signIns: SignIns
  readonly upkeep: Upkeep
  readonly live: LiveSessions
  readonly session: SshListenerParts['session']
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  /** What is forked, if not the usual. */
  readonly entry: URL | undefined
}

/** A pool that does not run yet. It hears of full disks and takes part in the list of live sessions. */
export function openWorkerPool(count: number, parts: Parts): WorkerPool {
  const { ground, configuration, recovery, signIns, upkeep, audit, clock, log } = parts
  const { room, storage } = ground
  const config = configuration.now
  const keys = new KeysForWorkers(ground.authorities, config, clock)
  const pool = new WorkerPool({
    ...recovery.ofWorkers,
    count,
    entry: parts.entry ?? workerEntry,
    folder: foldersOf(config).workers,
    config: () => ({ file: configuration.now.file, content: configuration.content }),
    keys: () => keys.now,
    failure: () => audit.failure,
    closeRowsOf: owner => recovery.crashed.closeRowsOf(one => one === owner),
    sweep: () => void upkeep.sweep.now().catch(() => {}), // it says why, and comes again
    onPasswordRevoked: listener => void signIns.passwords.onRevoked(listener),
    limits: () => postgresLimitsOf(configuration.now),
    desk: {
      store: ground.store,
      live: parts.live,
      passwords: signIns.passwords,
      machines: signIns.machines,
      waiting: signIns.waiting.postgres,
      signerOf: (purpose, keyId) => keys.signerOf(purpose, keyId),
      inHand: upkeep.postgresCredentials.brokers.inHand,
      onSealed: parts.session.onSealed,
      checkpoint: () => ground.sessionLog.checkpoint(),
      refusal: () => room.shortage ?? storage.refusal(),
      spool: storage,
      reading: ground.reading,
    },
    clock,
    log,
  })
  parts.live.join(pool)
  storage.onFull(fault => pool.full(fault))
  room.onShortage(fault => pool.full(fault))
  return pool
}

export function postgresLimitsOf({ postgres }: Config): PostgresLimits {
  return postgres?.limits ?? defaultPostgresLimits
}
