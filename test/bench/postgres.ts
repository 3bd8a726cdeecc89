/** PostgreSQL, three ways on one machine: straight to the server, through PgBouncer, and through the gateway with recording on. */
import { Databases } from './databases.ts'
import type { Paired } from './pairs.ts'
import { measureConnects, measureStatements, warmUpStatements } from './pgbench.ts'
import { measureFirstRow, measureRows, warmUpRows } from './rows.ts'

export const postgresGroups = ['statements', 'tls', 'connects', 'first-row', 'rows'] as const
export type PostgresGroup = (typeof postgresGroups)[number]

export type PostgresBenchOptions = {
  readonly rounds: number
  /** Of one run of pgbench. */
  readonly seconds: number
  /** Numbers of clients of pgbench, among 1, 8 and 32. */
  readonly clients: readonly number[]
  /** Of a transfer of rows. */
  readonly megabytes: number
  readonly only: readonly PostgresGroup[]
}

export async function benchPostgres(options: PostgresBenchOptions): Promise<readonly Paired[]> {
  const { only, rounds } = options
  const wants = (group: PostgresGroup): boolean => only.includes(group)
  const databases = await Databases.start()
  try {
    await warmUpStatements(databases)
    await warmUpRows(databases)
    return [
      ...(wants('first-row') ? await measureFirstRow(databases, rounds) : []),
      ...(wants('statements') ? await measureStatements(databases, options, false) : []),
      ...(wants('tls') ? await measureStatements(databases, options, true) : []),
      ...(wants('connects') ? await measureConnects(databases, options) : []),
      ...(wants('rows') ? await measureRows(databases, options) : []),
    ]
  } finally {
    await databases.stop()
  }
}
