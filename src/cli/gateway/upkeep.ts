/** What looks after credentials, keys and recordings for as long as the gateway runs. */
import type { AuditLog } from '../../audit/audit-log.ts'
import { flushSegments } from '../../audit/segments.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { tellChanges, watchKeys } from '../../credentials/key-changes.ts'
import { startSweep } from '../../credentials/sweep.ts'
import type { Log } from '../../log.ts'
import { Cleanups } from '../../postgres/cleanups.ts'
import { IndexQueue } from '../../recorder/index-queue.ts'
import { type PurgeStep, Retention, type RetentionTiming } from '../../recorder/retention/retention.ts'
import { foldersOf } from '../folders.ts'
import { forgetFindings, keepFindings } from './findings-keeping.ts'
import { openPostgresCredentials } from '../postgres-credentials.ts'
import type { Closers, Ground } from './ground.ts'

export type UpkeepParts = {
  readonly ground: Ground
  readonly config: () => Config
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  /** Whether the process lives that owns a credential. */
  readonly isAlive: (owner: string) => boolean
  readonly retention: { readonly onStep?: (step: PurgeStep) => void; readonly timing?: RetentionTiming }
  /** Removes what was learned of a session whose recording goes. */
  readonly forget: (session: string) => Promise<void>
}

export type Upkeep = Awaited<ReturnType<typeof openUpkeep>>

export async function openUpkeep(parts: UpkeepParts, closers: Closers) {
  const { ground, config, audit, clock, log, isAlive } = parts
  const { store, authorities } = ground
  const owner = ground.lock.ownerId
  const postgresCredentials = await openPostgresCredentials({
    store,
    audit,
    clock,
    log,
    owner,
    isAlive,
    authorities,
    keysFolder: foldersOf(config()).keys,
    gateway: config().gateway.name,
    targets: () => config().targets,
  })
  closers.push(() => postgresCredentials.close())
  const keysChanged = async (): Promise<void> => {
    await Promise.all([ground.sessionLog.signAnew(), postgresCredentials.keysChanged()])
  }
  const { ring } = authorities
  tellChanges(ring, audit) // those of this start
  const keysWatch = watchKeys({ ring, audit, clock, log, onChange: () => void keysChanged() })
  closers.push(() => keysWatch.stop())
  const cleanups = new Cleanups()
  closers.push(() => cleanups.settled())
  const { sweep: roles } = postgresCredentials
  const sweep = startSweep({ store, audit, clock, log, owner, isAlive, roles })
  closers.push(() => sweep.stop())
  const retention = startRetention(parts)
  closers.push(() => retention.stop())
  closers.push(keepFindings({ store, config, audit, clock }, log))
  const indexes = new IndexQueue(log)
  closers.push(() => indexes.stop())
  return { postgresCredentials, keysChanged, cleanups, roles, sweep, retention, indexes }
}

function startRetention({ ground, config, audit, clock, log, retention, forget }: UpkeepParts): Retention {
  const { store, sessionLog, storage } = ground
  const started = new Retention({
    store,
    audit,
    sessionLog,
    flushAudit: () => flushSegments(foldersOf(config()).audit),
    folder: config().recording.folder,
    storage,
    rules: () => config().recording.retention,
    clock,
    log,
    forget,
    forgetDerived: person => forgetFindings({ store, config, audit, clock }, person),
    ...retention,
  })
  started.start()
  return started
}
