/** Where in its target a session goes, and with which parameters. Pure: the grant against what the client asked for. */
import type { PostgresTarget } from '../config/config.ts'
import type { Grant } from '../policy/decide.ts'
import type { Report } from './wire/backend.ts'
import { type Setting, settingsForRules } from './wire/settings.ts'
import { maxNameBytes, type Startup } from './wire/startup.ts'

export type PlaceAsked = Pick<Startup, 'user' | 'database' | 'replication' | 'settings'>

export type PlaceInTarget =
  | { readonly kind: 'place'; readonly database: string; readonly settings: readonly Setting[] }
  | { readonly kind: 'refused'; readonly error: Report }

/** The name of the database is the one that policy is asked about and the one that the target is sent: never cut. */
export function placeInTarget(grant: Grant, target: PostgresTarget, asked: PlaceAsked): PlaceInTarget {
  const { login, deny, mask, replication } = grant.fields
  const hasRules = deny !== undefined || mask !== undefined
  const database = databaseFor(asked, target, login)
  if (Buffer.byteLength(database) > maxNameBytes)
    return refuse('3D000', 'This name of a database is too long.')
  if (target.databases !== undefined && !target.databases.includes(database)) {
    return refuse(
      '28000',
      `Sessions on ${target.name} may use only these databases: ${target.databases.join(', ')}.`,
    )
  }
  if (asked.replication !== 'no' && (replication !== true || hasRules)) {
    return refuse(
      '42501',
      'Replication moves whole databases without a statement, and policy does not allow it here.',
    )
  }
  const settings = hasRules ? settingsForRules(asked.settings) : asked
  if ('kind' in settings && settings.kind === 'refused') return settings
  return { kind: 'place', database, settings: [...withReplication(asked), ...own(settings.settings)] }
}

/**
 * libpq and JDBC send the user name where nobody named a database. Here that is an address, so it means: the one database that
 * sessions may use, else that of the login's name, as it would without a gateway.
 */
function databaseFor(asked: PlaceAsked, target: PostgresTarget, login: string): string {
  if (asked.database !== asked.user) return asked.database
  return target.databases?.length === 1 ? (target.databases[0] ?? login) : login
}

function withReplication({ replication }: PlaceAsked): readonly Setting[] {
  if (replication === 'no') return []
  return [{ name: 'replication', value: replication === 'logical' ? 'database' : 'true' }]
}

/** The name that the target shows is ours. */
function own(settings: readonly Setting[]): readonly Setting[] {
  return settings.filter(({ name }) => name !== 'application_name')
}

/**
 * What `pg_stat_activity` and the server's log show: session and person (`credential`), then what the client calls itself. Only a
 * hint, since SET changes it. The server cuts at 63 bytes and shows other than ASCII as `?`.
 */
export function applicationName(credential: string, asked: PlaceAsked): string {
  const called = asked.settings.findLast(({ name }) => name === 'application_name')?.value ?? ''
  const text = `${credential} ${called}`.trimEnd()
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, maxNameBytes)
}

function refuse(code: string, message: string): PlaceInTarget {
  return { kind: 'refused', error: { severity: 'FATAL', code, message } }
}
