import { join } from 'node:path'
import type { Config } from '../config/config.ts'

/** Where things lie in the data folder. */
export function foldersOf(config: Pick<Config, 'gateway'>) {
  const { data } = config.gateway
  return {
    keys: join(data, 'keys'),
    /** Host keys of the inner servers, one for each target. */
    targetHostKeys: join(data, 'keys', 'hosts'),
    audit: join(data, 'audit'),
    sessionLog: join(data, 'log'),
    journal: join(data, 'journal'),
    adminSocket: join(data, 'admin.sock'),
  }
}
