import { join } from 'node:path'
import type { Config } from '../config/config.ts'

/** Where things lie: in the data folder, but for the keys if they are kept elsewhere. */
export function foldersOf(config: Pick<Config, 'gateway'>) {
  const { data, keys = join(data, 'keys') } = config.gateway
  return {
    keys,
    /** Host keys of the inner servers, one for each target. */
    targetHostKeys: join(keys, 'hosts'),
    audit: join(data, 'audit'),
    sessionLog: join(data, 'log'),
    journal: join(data, 'journal'),
    /** Of worker processes for PostgreSQL, one each. */
    workers: join(data, 'workers'),
    /** Copies of recordings from a bucket. */
    recordingCache: join(data, 'cache'),
    /** Cursors of sinks, and dead letters. */
    notify: join(data, 'notify'),
    /** What baselines know of people. */
    profiles: join(data, 'profiles'),
    adminSocket: join(data, 'admin.sock'),
  }
}
