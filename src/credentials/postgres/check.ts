/** Whether a broker can do what it is for, and no more: for `sallyport check`. Changes nothing. */
import type { PostgresTarget } from '../../config/config.ts'
import { type BrokerConnection, type Broker, type Row, sqlState } from './broker.ts'
import { reasonOf } from '../../errors.ts'

/** `ok: false` is for somebody to look at. */
export type Remark = { readonly ok: boolean; readonly text: string }

const separateAdmin = 160_000
const oldest = 130_000
const newestKnown = 190_000

/** Roles through which SQL reaches the server's files and programs: whoever has one is not held by anything else. */
const dangerous = ['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files']

/** All that there is to say of the broker. Throws Fault UPSTREAM_FAILED if it cannot sign in. */
export function checkBroker(
  broker: Broker,
  target: PostgresTarget,
  logins: readonly string[],
): Promise<readonly Remark[]> {
  return broker.use(async connection => [
    checkVersion(connection.serverVersion),
    ...(await checkAttributes(connection)),
    ...(await checkMemberships(connection, logins)),
    ...(await checkBelongings(connection)),
    ...(await checkDatabases(broker, target)),
  ])
}

/** Of the privilege role that a login names. */
export function checkLogin(broker: Broker, login: string): Promise<readonly Remark[]> {
  return broker.use(async connection => {
    const [row] = await connection.query(loginQuery, [login, dangerous])
    if (row === undefined) return [{ ok: false, text: `there is no role ${login}` }]
    const reach = Array.isArray(row['reach']) ? row['reach'].map(String) : []
    return [
      ...bad(row['super'] === true, `${login} is a superuser`),
      ...bad(row['createrole'] === true, `${login} may create roles, and so outlive its session`),
      ...bad(row['login'] === true, `${login} can sign in by itself (ALTER ROLE ${login} NOLOGIN)`),
      ...bad(reach.length > 0, `${login} is a member of ${reach.join(', ')}: it reaches files or programs`),
    ]
  })
}

const loginQuery = `
  SELECT rolsuper AS super, rolcreaterole AS createrole, rolcanlogin AS login,
    (SELECT array_agg(d.rolname::text) FROM pg_roles d
      WHERE d.rolname = ANY($2) AND pg_has_role(r.oid, d.oid, 'MEMBER')) AS reach
  FROM pg_roles r WHERE rolname = $1`

function bad(isSo: boolean, text: string): readonly Remark[] {
  return isSo ? [{ ok: false, text }] : []
}

function checkVersion(version: number): Remark {
  const major = Math.floor(version / 10_000)
  if (version < oldest) return { ok: false, text: `PostgreSQL ${major} is older than 13` }
  const newer = version >= newestKnown ? ', newer than those that were tested (18)' : ''
  const older =
    version < separateAdmin
      ? '. Before 16 the broker could give itself any role but a superuser: guard its password like the data'
      : ', where the broker cannot give itself more than the privilege roles'
  return { ok: true, text: `PostgreSQL ${major}${newer}${older}` }
}

async function checkAttributes(connection: BrokerConnection): Promise<readonly Remark[]> {
  const [row = {}] = await connection.query(
    `SELECT current_user AS name, rolsuper AS super, rolcreatedb AS createdb, rolreplication AS replication,
       rolbypassrls AS bypassrls, rolcreaterole AS createrole, rolinherit AS inherit
     FROM pg_roles WHERE rolname = current_user`,
  )
  const name = String(row['name'])
  const has = (attribute: string): boolean => row[attribute] === true
  const needsInherit = connection.serverVersion < separateAdmin && !has('inherit')
  const excess = ['super', 'createdb', 'replication', 'bypassrls'].filter(has)
  return [
    ...excess.map(word => ({ ok: false, text: `${name} has more than it needs: ${words[word]}` })),
    ...bad(!has('createrole') && !has('super'), `${name} lacks CREATEROLE`),
    ...bad(needsInherit, `${name} is NOINHERIT, so it could not remove what sessions leave`),
  ]
}

const words: Record<string, string> = {
  super: 'SUPERUSER',
  createdb: 'CREATEDB',
  replication: 'REPLICATION',
  bypassrls: 'BYPASSRLS',
}

/** What it is a member of: from 16 on of each privilege role, to give it and not to have it; before, of nothing. */
async function checkMemberships(
  connection: BrokerConnection,
  logins: readonly string[],
): Promise<readonly Remark[]> {
  const isSeparate = connection.serverVersion >= separateAdmin
  const options = isSeparate
    ? 'bool_or(admin_option) AS admin, bool_or(inherit_option) AS inherit, bool_or(set_option) AS set'
    : 'bool_or(admin_option) AS admin, true AS inherit, true AS set'
  const rows = await connection.query(
    `SELECT g.rolname AS role, ${options} FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
      WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user)
        AND NOT (g.rolname LIKE 'sp\\_%' AND coalesce(shobj_description(g.oid, 'pg_authid'), '') LIKE 'sallyport %')
      GROUP BY g.rolname ORDER BY g.rolname`,
  )
  const missing = logins.filter(login => !rows.some(row => row['role'] === login && row['admin'] === true))
  return [
    ...rows.flatMap(row => excessOf(row, logins)),
    ...(isSeparate ? missing : []).map(login => ({
      ok: false,
      text: `it cannot give ${login} to anybody (GRANT … WITH ADMIN TRUE, INHERIT FALSE, SET FALSE)`,
    })),
  ]
}

function excessOf(row: Row, logins: readonly string[]): readonly Remark[] {
  const role = String(row['role'])
  const rights = [
    ...(row['inherit'] === true ? ['has its rights'] : []),
    ...(row['set'] === true ? ['can become it'] : []),
    ...(row['admin'] === true && !logins.includes(role) ? ['can give it away, and no rule names it'] : []),
  ]
  return bad(rights.length > 0, `it is a member of ${role} and ${rights.join(' and ')}`)
}

/** Objects that it owns or was granted, in any database. Memberships that it granted are no such thing. */
async function checkBelongings(connection: BrokerConnection): Promise<readonly Remark[]> {
  const rows = await connection.query(
    `SELECT coalesce(d.datname, 'all databases') AS place, count(*)::int AS n
       FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
      WHERE s.refclassid = 'pg_authid'::regclass AND s.classid <> 'pg_auth_members'::regclass
        AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
      GROUP BY 1 ORDER BY 1 LIMIT 20`,
  )
  return rows.map(row => ({
    ok: false,
    text: `it owns or was granted ${Number(row['n'])} objects in ${String(row['place'])}; it needs none`,
  }))
}

/** Where sessions may go, the broker must be able to follow, or it could not remove what they leave. */
async function checkDatabases(broker: Broker, target: PostgresTarget): Promise<readonly Remark[]> {
  const remarks: Remark[] = []
  for (const database of target.databases ?? []) {
    try {
      await broker.useDatabase(database, connection => connection.query('SELECT 1'))
    } catch (cause) {
      const why = sqlState(cause) ?? reasonOf(cause)
      remarks.push({ ok: false, text: `it cannot connect to the database ${database} (${why})` })
    }
  }
  return remarks
}
