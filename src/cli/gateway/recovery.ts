/** What processes that died have left: recordings are sealed, rows closed, and what they said to the logs is taken over. */
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { RefusalNotes } from '../../identity/refusal-notes.ts'
import type { Log } from '../../log.ts'
import { WorkerPool, type WorkerPoolParts } from '../../postgres/workers/worker-pool.ts'
import type { Recovered } from '../../recorder/recover.ts'
import { Crashed } from '../crashed.ts'
import { foldersOf } from '../folders.ts'
import type { Ground } from './ground.ts'

export type Recovery = {
  readonly crashed: Crashed
  readonly notes: RefusalNotes
  /** The same for workers that die while this process lives. */
  readonly ofWorkers: Pick<WorkerPoolParts, 'takeover' | 'recoverJournal' | 'closeRow'>
}

type Parts = {
  readonly ground: Ground
  readonly config: Config
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  /** Hears of each recording that was finished, now and later. */
  readonly onRecovered: (recovered: Recovered) => void
}

/** Done before anything is opened: whoever owned it is gone, since the data folder is ours. */
export async function recover({ ground, config, audit, clock, log, onRecovered }: Parts): Promise<Recovery> {
  const { store, sessionLog, recorder, recorderIn, lock } = ground
  const folders = foldersOf(config)
  const notes = new RefusalNotes({ audit, clock })
  const crashed = new Crashed({ store, audit, clock, log, recorderIn, onRecovered })
  const ofWorkers: Recovery['ofWorkers'] = {
    takeover: { audit, auditFolder: folders.audit, sessionLog, notes, clock },
    recoverJournal: folder => crashed.recoverJournal(folder),
    closeRow: (...row) => crashed.closeRow(...row),
  }
  await WorkerPool.recover(folders.workers, ofWorkers)
  await crashed.recover(recorder)
  await crashed.closeRowsOf(owner => owner !== lock.ownerId)
  return { crashed, notes, ofWorkers }
}
