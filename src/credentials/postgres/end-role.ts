/**
 * Removes a role and all that it left: no sign-in, no backend, no prepared transaction, no object in any database, no role.
 * Each step may be done again, so that whoever comes after a crash begins at the start.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../errors.ts'
import { type Broker, type BrokerConnection, type Row, sqlState } from './broker.ts'
import { quoteName, quoteText } from './role-name.ts'
import { secretLifetimeSeconds } from './scram-verifier.ts'

/** How long a backend may take to die of being terminated. */
const terminateTimeoutMs = 10_000
/** The first look comes soon, since most are gone within some milliseconds; later ones are further apart. */
const firstLookMs = 2
const lastLookMs = 250
/** Databases with objects of one role: each costs a connection. */
const maxDatabases = 100
/** Rounds of cleaning: what a backend committed just before it died shows in the second. */
const maxRounds = 3

const undefinedObject = '42704'

export type EndedRole = {
  /** False: there was no such role. */
  readonly existed: boolean
  /** Backends that were still there and had to be ended. */
  readonly terminated: number
  /** Databases in which it owned something, which belongs to the privilege role now. */
  readonly reassignedIn: readonly string[]
  /** Its prepared transactions that were rolled back. */
  readonly rolledBack: number
  /**
   * Transactions that were prepared as the privilege role since the session began, and still are. Whose they are nobody can tell, so
   * they stay; the audit log has their number.
   */
  readonly preparedAsGroup: number
}

/** `group`: the privilege role, which gets what the role owned. Throws what stands in the way; then the role cannot sign in. */
export async function endRole(broker: Broker, role: string, group: string): Promise<EndedRole> {
  if (!(await forbidSignIn(broker, role)))
    return { existed: false, terminated: 0, reassignedIn: [], rolledBack: 0, preparedAsGroup: 0 }
  const ending = new Ending(broker, role, group)
  return ending.run()
}

/** A transaction of its own: whatever comes after may fail, this holds. False if there is no such role. */
async function forbidSignIn(broker: Broker, role: string): Promise<boolean> {
  try {
    await broker.use(connection => connection.query(`ALTER ROLE ${quoteName(role)} NOLOGIN PASSWORD NULL`))
    return true
  } catch (cause) {
    if (sqlState(cause) === undefinedObject) return false
    throw cause
  }
}

type Traces = {
  readonly pids: readonly number[]
  readonly databases: readonly string[]
  /** Of no database: rights on databases, memberships that it granted. */
  readonly isShared: boolean
  readonly prepared: readonly { readonly gid: string; readonly database: string }[]
  readonly preparedAsGroup: number
}

class Ending {
  readonly #broker: Broker
  readonly #role: string
  readonly #group: string
  readonly #reassignedIn = new Set<string>()
  #terminated = 0
  #rolledBack = 0

  constructor(broker: Broker, role: string, group: string) {
    this.#broker = broker
    this.#role = role
    this.#group = group
  }

  async run(): Promise<EndedRole> {
    let traces = await this.#broker.use(connection => this.#terminate(connection))
    const { preparedAsGroup } = traces
    for (let round = 0; round < maxRounds && !isClean(traces); round++) {
      await this.#clean(traces)
      traces = await this.#broker.use(connection => tracesOf(connection, this.#role, this.#group))
    }
    await this.#broker.use(connection => connection.query(`DROP ROLE IF EXISTS ${quoteName(this.#role)}`))
    return {
      existed: true,
      terminated: this.#terminated,
      reassignedIn: [...this.#reassignedIn],
      rolledBack: this.#rolledBack,
      preparedAsGroup,
    }
  }

  /** Dropping a role ends nobody's session, so its backends go first, and are waited for. What is left is then seen whole. */
  async #terminate(connection: BrokerConnection): Promise<Traces> {
    const untilMs = Date.now() + terminateTimeoutMs
    const ended = new Set<number>()
    for (let waitMs = firstLookMs; ; waitMs = Math.min(waitMs * 2, lastLookMs)) {
      const traces = await tracesOf(connection, this.#role, this.#group)
      const { pids } = traces
      this.#terminated = ended.size
      if (pids.length === 0) return traces
      if (Date.now() > untilMs) throw this.#stuck(`its backends ${pids.join(', ')} do not end`)
      await this.#asMember(connection, [
        `SELECT pg_cancel_backend(pid), pg_terminate_backend(pid) FROM unnest(ARRAY[${pids.join(',')}]) AS pid`,
      ])
      for (const pid of pids) ended.add(pid)
      await sleep(waitMs)
    }
  }

  async #clean({ databases, isShared, prepared }: Traces): Promise<void> {
    for (const { gid, database } of prepared) await this.#rollBack(gid, database)
    if (databases.length > maxDatabases) throw this.#stuck(`it has objects in ${databases.length} databases`)
    for (const database of databases) {
      await this.#broker.useDatabase(database, connection => this.#handOver(connection))
      this.#reassignedIn.add(database)
    }
    if (isShared && databases.length === 0) await this.#broker.use(connection => this.#handOver(connection))
  }

  /** To the same privilege role, never another: a more privileged one would be a way up. */
  async #handOver(connection: BrokerConnection): Promise<void> {
    const [role, group] = [quoteName(this.#role), quoteName(this.#group)]
    const [open, shut] = this.#inheriting(connection)
    await this.#asMember(connection, [
      open,
      `REASSIGN OWNED BY ${role} TO ${group}`,
      `DROP OWNED BY ${role}`,
      shut,
    ])
  }

  /** ROLLBACK PREPARED is for who prepared it alone, and stands in no transaction. */
  async #rollBack(gid: string, database: string): Promise<void> {
    const role = quoteName(this.#role)
    await this.#broker.useDatabase(database, async connection => {
      await connection.query(this.#membership(connection))
      try {
        await connection.query(`SET ROLE ${role}`)
        await connection.query(`ROLLBACK PREPARED ${quoteText(gid)}`)
        this.#rolledBack++
      } catch (cause) {
        if (sqlState(cause) !== undefinedObject) throw cause
      } finally {
        await connection.query('RESET ROLE')
        await connection.query(`REVOKE ${role} FROM CURRENT_USER`)
      }
    })
  }

  /**
   * One transaction in which the broker is a member of the role, and of nothing once it is over. It is a role that nobody is
   * signed in as any more, so nothing can be read through it meanwhile by anybody else.
   */
  async #asMember(connection: BrokerConnection, statements: readonly string[]): Promise<void> {
    const revoke = `REVOKE ${quoteName(this.#role)} FROM CURRENT_USER`
    await connection.query([this.#membership(connection), ...statements, revoke].join(';\n'))
  }

  #membership({ serverVersion }: BrokerConnection): string {
    const options = serverVersion >= 160_000 ? ' WITH INHERIT TRUE, SET TRUE' : ''
    return `GRANT ${quoteName(this.#role)} TO CURRENT_USER${options}`
  }

  /**
   * REASSIGN wants the rights of who gets the objects too. They come through the role itself: its membership is this session's
   * alone, while one of the broker's own would be changed by all endings at once.
   */
  #inheriting({ serverVersion }: BrokerConnection): readonly [string, string] {
    const [role, group] = [quoteName(this.#role), quoteName(this.#group)]
    return serverVersion >= 160_000
      ? [`GRANT ${group} TO ${role} WITH INHERIT TRUE`, `GRANT ${group} TO ${role} WITH INHERIT FALSE`]
      : [`ALTER ROLE ${role} INHERIT`, `ALTER ROLE ${role} NOINHERIT`]
  }

  #stuck(why: string): Fault {
    return new Fault('UPSTREAM_FAILED', `The role ${this.#role} cannot be removed: ${why}.`)
  }
}

function isClean({ databases, isShared, prepared }: Traces): boolean {
  return databases.length === 0 && !isShared && prepared.length === 0
}

/** All that the role has, in one look. Catalogs are readable for everybody. */
async function tracesOf(connection: BrokerConnection, role: string, group: string): Promise<Traces> {
  const [row] = await connection.query(tracesQuery, [role, group])
  const databases = textsOf(row, 'databases')
  return {
    pids: textsOf(row, 'pids').map(Number),
    databases,
    isShared: row?.['shared'] === true,
    prepared: textsOf(row, 'gids').map((gid, index) => ({
      gid,
      database: textsOf(row, 'gidDatabases')[index] ?? '',
    })),
    preparedAsGroup: Number(row?.['preparedAsGroup'] ?? 0),
  }
}

const tracesQuery = `
  SELECT
    (SELECT array_agg(pid::text) FROM pg_stat_activity WHERE usesysid = r.oid) AS pids,
    (SELECT array_agg(DISTINCT d.datname::text) FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
      WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid) AS databases,
    EXISTS (SELECT FROM pg_shdepend s
      WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.dbid = 0) AS shared,
    (SELECT array_agg(gid ORDER BY gid) FROM pg_prepared_xacts WHERE owner = r.rolname) AS gids,
    (SELECT array_agg(database::text ORDER BY gid) FROM pg_prepared_xacts WHERE owner = r.rolname) AS "gidDatabases",
    (SELECT count(*)::int FROM pg_prepared_xacts
      WHERE owner = $2 AND prepared >= r.rolvaliduntil - interval '${secretLifetimeSeconds} s') AS "preparedAsGroup"
  FROM pg_roles r WHERE r.rolname = $1`

function textsOf(row: Row | undefined, column: string): readonly string[] {
  const value = row?.[column]
  return Array.isArray(value) ? value.map(String) : []
}
