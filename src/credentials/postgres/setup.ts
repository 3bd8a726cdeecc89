/** What an administrator runs once on a PostgreSQL server, so that the gateway can make roles there and nothing else. */
import type { PostgresTarget } from '../../config/config.ts'
import { quoteName, quoteText, rolePrefix } from './role-name.ts'

export const setupVersions = [13, 14, 15, 16, 17, 18] as const
export type SetupVersion = (typeof setupVersions)[number]

/** From this version on a role may administer another without having its rights. */
const separateAdmin = 16

export type SetupWish = {
  readonly target: Pick<PostgresTarget, 'name' | 'connector' | 'broker'>
  /** The privilege roles: every login that policy allows there. */
  readonly logins: readonly string[]
  readonly version: SetupVersion
  /** `gateway.name`. */
  readonly gateway: string
}

/** SQL with comments, for psql as a superuser, in any database. Running it again changes nothing. */
export function setupSql(wish: SetupWish): string {
  const parts = wish.target.connector === 'role' ? roleSetup(wish) : certificateSetup(wish)
  return `${parts.flat().join('\n')}\n`
}

function roleSetup({ target, logins, version, gateway }: SetupWish): readonly (string | readonly string[])[] {
  const broker = target.broker?.user ?? ''
  return [
    `-- Sallyport on ${target.name}, PostgreSQL ${version}. Run once as a superuser, in any database.`,
    '',
    '-- Privilege roles: nobody signs in as one. Grant them what sessions need; people get it from here and nowhere else.',
    logins.map(login => createIfMissing(login, 'NOLOGIN')),
    '',
    '-- The broker: makes and removes roles. It has no right to any data.',
    createIfMissing(broker, 'LOGIN CREATEROLE CONNECTION LIMIT 20'),
    ...(version >= separateAdmin ? adminOnly(broker, logins) : olderServer(broker)),
    '',
    `-- Then give it a password:  \\password ${broker}`,
    '-- And in pg_hba.conf, from the gateway only (members of the privilege roles are the roles that it makes):',
    `--   hostssl all ${hbaName(broker)} GATEWAY-ADDRESS/32 scram-sha-256`,
    `--   hostssl all ${logins.map(login => hbaName(`+${login}`)).join(',')} GATEWAY-ADDRESS/32 scram-sha-256`,
    '--   Nothing else should let these in: a session may give its own role a password.',
    `-- The roles are called ${rolePrefix(gateway)}PERSON_SESSION, and each says in its comment whose it is.`,
  ]
}

function adminOnly(broker: string, logins: readonly string[]): readonly string[] {
  return [
    '-- It may give the privilege roles to others and has nothing of them itself.',
    ...logins.map(
      login => `GRANT ${quoteName(login)} TO ${quoteName(broker)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;`,
    ),
  ]
}

function olderServer(broker: string): readonly string[] {
  return [
    `-- Before PostgreSQL 16, CREATEROLE is enough to give any role but a superuser to anybody: ${commented(broker)}`,
    '-- could give itself the data too. Guard its password as you would that data, and prefer 16 or later.',
  ]
}

function certificateSetup({ target, logins, version }: SetupWish): readonly (string | readonly string[])[] {
  return [
    `-- Sallyport on ${target.name}, PostgreSQL ${version}, client certificates. Run once as a superuser, in any database.`,
    '',
    '-- The roles that sessions sign in as. They need no password, and must have none.',
    logins.map(login => createIfMissing(login, 'LOGIN')),
    '',
    '-- Put the certificate of the authority `databases` ("sallyport keys show") into ssl_ca_file, and into pg_hba.conf:',
    `--   hostssl all ${logins.map(hbaName).join(',')} GATEWAY-ADDRESS/32 cert`,
    '--   No other line may let these in: a session may give its own role a password, and it stays.',
  ]
}

function createIfMissing(role: string, options: string): string {
  const exists = `EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${quoteText(role)})`
  const body = `BEGIN IF NOT ${exists} THEN CREATE ROLE ${quoteName(role)} ${options}; END IF; END`
  if (body.includes('$sallyport$')) throw new TypeError('no role is called that')
  return `DO $sallyport$ ${body} $sallyport$;`
}

/** A name in a comment must not end it. */
function commented(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?')
}

/** pg_hba.conf: plain words stand as they are, all else in double quotes, which keep `+` from meaning members. */
function hbaName(name: string): string {
  const [plus, bare] = name.startsWith('+') ? ['+', name.slice(1)] : ['', name]
  return /^[a-z_][a-z0-9_]*$/.test(bare)
    ? `${plus}${bare}`
    : `${plus}"${commented(bare).replaceAll('"', '""')}"`
}
