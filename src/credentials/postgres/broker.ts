/**
 * The broker: the one account that the gateway has on a PostgreSQL target, which makes and removes roles. Few connections, kept
 * open; each is noted in the audit log, and nothing that a client sent is ever said on one of them.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { BrokerConfig, PostgresTarget } from '../../config/config.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { reachPostgres, reachWithCertificate } from './target-proof.ts'

/** Minting takes two statements of about a millisecond each, so few connections carry hundreds of sessions a second. */
const maxConnections = 4
/** Sessions that may wait for one of those; more of them would wait longer than their clients do. */
const maxWaiting = 500
const waitTimeoutMs = 10_000
/** A connection that nobody used for so long is closed. */
const idleTimeoutMs = 5 * 60_000
/** After so long without use it is asked whether it is still there. */
const trustedIdleMs = 2000
const connectTimeoutMs = 10_000
/** No statement of ours takes longer, so none that a crash left behind can commit after it. */
export const statementTimeoutMs = 10_000
/** REASSIGN and DROP OWNED wait for whoever reads the table: not for ever. */
const lockTimeoutMs = 2000

/** When the gateway stops: what is not removed by then, the next start removes. */
const closeTimeoutMs = 10_000

/** Settings of every connection, whatever the account or database says. Sent by the protocol's `options`. */
const settings = [
  `statement_timeout=${statementTimeoutMs}`,
  `lock_timeout=${lockTimeoutMs}`,
  `idle_in_transaction_session_timeout=${statementTimeoutMs}`,
  'search_path=pg_catalog,pg_temp', // pg_temp last, or its tables would come first
  'TimeZone=UTC',
  'standard_conforming_strings=on',
  'client_min_messages=warning',
]

/** How a gateway's broker connections are called on the server, so that the next process can end those of a dead one. */
export function brokerApplication(owner: string): string {
  return `sallyport-broker ${owner}`
}

export type BrokerParts = {
  readonly audit: AuditLog
  readonly log: Log
  readonly owner: string
  /** Hears which leases a session of this process looks after, for whoever sweeps. */
  readonly hands?: Hands
}

export type Hands = { readonly taken: (lease: string) => void; readonly left: (lease: string) => void }

export type Row = Readonly<Record<string, unknown>>

/** One connection while it is lent. Several statements in one text are one transaction. */
export type BrokerConnection = {
  readonly query: (sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>
  /** As in `server_version_num`: 150020, 180004. */
  readonly serverVersion: number
}

/** The SQLSTATE of what a server refused; undefined for whatever else went wrong. */
export function sqlState(thrown: unknown): string | undefined {
  return thrown instanceof pg.DatabaseError ? thrown.code : undefined
}

/** What can lend connections as a target's broker. */
export type Broker = {
  /** Runs work on a connection to the broker's own database. Throws Fault UPSTREAM_FAILED where there is no connection. */
  readonly use: <T>(work: (connection: BrokerConnection) => Promise<T>) => Promise<T>
  /** The same on a connection of its own to another database, closed afterwards. */
  readonly useDatabase: <T>(
    database: string,
    work: (connection: BrokerConnection) => Promise<T>,
  ) => Promise<T>
}

/** The brokers of all targets of this process. */
export class Brokers {
  readonly #parts: BrokerParts
  /** By what they connect to and as whom: a reload that changes either gets new connections. */
  readonly #pools = new Map<PostgresTarget, Pool>()
  /** Ids of leases that a session of this process looks after; all others are the sweep's. */
  readonly inHand: InHand

  constructor(parts: BrokerParts) {
    this.#parts = parts
    this.inHand = new InHand(parts.hands)
  }

  of(target: PostgresTarget): Broker {
    let pool = this.#pools.get(target)
    if (pool === undefined) this.#pools.set(target, (pool = new Pool(target, this.#parts)))
    return pool
  }

  /** After a reload: connections for targets that are no longer configured so are closed once they are idle. */
  async keepOnly(targets: readonly unknown[]): Promise<void> {
    const gone = [...this.#pools].filter(([target]) => !targets.includes(target))
    for (const [target] of gone) this.#pools.delete(target)
    await Promise.all(gone.map(([, pool]) => pool.close()))
  }

  /** Waits a while for the sessions that are ending; lent connections go on until their work is done. */
  async close(waitMs = closeTimeoutMs): Promise<void> {
    await Promise.race([this.inHand.empty(), sleep(waitMs, undefined, { ref: false })])
    await this.keepOnly([])
  }
}

/** What is being looked after, and a way to wait until nothing is. */
class InHand {
  readonly #ids = new Set<string>()
  readonly #waiting = new Set<() => void>()
  readonly #hands: Hands | undefined

  constructor(hands?: Hands) {
    this.#hands = hands
  }

  add(id: string): void {
    this.#ids.add(id)
    this.#hands?.taken(id)
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  delete(id: string): void {
    if (this.#ids.delete(id)) this.#hands?.left(id)
    if (this.#ids.size > 0) return
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  empty(): Promise<void> {
    if (this.#ids.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#waiting.add(resolve))
  }
}

type Entry = {
  readonly client: pg.Client
  readonly connection: BrokerConnection
  idleSinceMs: number
  broken: boolean
}
type Waiter = { readonly resolve: (entry: Entry | undefined) => void; readonly timer: NodeJS.Timeout }

class Pool implements Broker {
  readonly #target: PostgresTarget
  readonly #parts: BrokerParts
  readonly #idle: Entry[] = []
  readonly #waiting: Waiter[] = []
  #open = 0
  #closed = false

  constructor(target: PostgresTarget, parts: BrokerParts) {
    this.#target = target
    this.#parts = parts
  }

  async use<T>(work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    const entry = await this.#take()
    try {
      return await work(entry.connection)
    } catch (cause) {
      // A refusal of the server leaves the connection as it was; whatever else, nobody knows what it is in the middle of.
      if (sqlState(cause) === undefined) entry.broken = true
      throw cause
    } finally {
      this.#give(entry)
    }
  }

  async useDatabase<T>(database: string, work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    const entry = await this.#connect(database)
    try {
      return await work(entry.connection)
    } finally {
      await end(entry)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#idle.splice(0).map(entry => this.#drop(entry)))
  }

  async #take(): Promise<Entry> {
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      if (await isAlive(entry)) return entry
      await this.#drop(entry)
    }
    if (this.#open >= maxConnections) {
      const given = await this.#wait()
      if (given !== undefined) return given
    }
    this.#open++
    try {
      return await this.#connect(brokerOf(this.#target).database)
    } catch (cause) {
      this.#open--
      this.#wake(undefined)
      throw cause
    }
  }

  /** A connection that somebody gives back, or undefined: there is a place for a new one. */
  #wait(): Promise<Entry | undefined> {
    if (this.#waiting.length >= maxWaiting) throw busy(this.#target)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const index = this.#waiting.findIndex(waiter => waiter.timer === timer)
        if (index >= 0) this.#waiting.splice(index, 1)
        reject(busy(this.#target))
      }, waitTimeoutMs)
      this.#waiting.push({ resolve, timer })
    })
  }

  #wake(entry: Entry | undefined): boolean {
    const waiter = this.#waiting.shift()
    if (waiter === undefined) return false
    clearTimeout(waiter.timer)
    waiter.resolve(entry)
    return true
  }

  #give(entry: Entry): void {
    if (entry.broken || this.#closed) {
      void this.#drop(entry)
      return
    }
    if (this.#wake(entry)) return
    entry.idleSinceMs = Date.now()
    this.#idle.push(entry)
    setTimeout(() => this.#retire(), idleTimeoutMs).unref()
  }

  #retire(): void {
    const old = this.#idle.filter(entry => Date.now() - entry.idleSinceMs >= idleTimeoutMs)
    for (const entry of old) {
      this.#idle.splice(this.#idle.indexOf(entry), 1)
      void this.#drop(entry)
    }
  }

  async #drop(entry: Entry): Promise<void> {
    this.#open--
    this.#wake(undefined)
    await end(entry)
  }

  async #connect(database: string): Promise<Entry> {
    const { audit, owner, log } = this.#parts
    const { name } = this.#target
    const account = brokerOf(this.#target)
    const probe = audit.probe(name, `broker ${account.user} in ${database}`)
    const reaching = { timeoutMs: connectTimeoutMs }
    const { certificate, key, password } = account
    const { socket } =
      certificate === undefined || key === undefined
        ? await reachPostgres(probe, this.#target, reaching)
        : await reachWithCertificate(probe, this.#target, { certificate, key: key.reveal() }, reaching)
    const client = new pg.Client({
      user: account.user,
      database,
      ...(password === undefined ? {} : { password: password.reveal() }),
      stream: () => connected(socket),
      ssl: false, // the stream has it already, whatever PGSSLMODE says
      application_name: brokerApplication(owner),
      options: settings.map(setting => `-c ${setting.replaceAll(' ', '\\ ')}`).join(' '),
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: statementTimeoutMs + lockTimeoutMs,
      enableChannelBinding: true,
      keepAlive: true,
    })
    const entry: Entry = { client, connection: lend(client), idleSinceMs: 0, broken: false }
    client.on('error', cause => {
      entry.broken = true
      log.warn({ target: name, cause: reasonOf(cause) }, 'a connection of the broker broke')
    })
    client.on('end', () => (entry.broken = true))
    try {
      await client.connect()
      return await withVersion(entry)
    } catch (cause) {
      socket.destroy()
      throw cannotSignIn(this.#target, account.user, cause)
    }
  }
}

/** A connected socket in the place of one that pg would connect itself. */
export function connected(socket: Socket): Socket {
  return Object.assign(socket, {
    connect: () => {
      setImmediate(() => socket.emit('connect'))
      return socket
    },
  })
}

function lend(client: pg.Client, serverVersion = 0): BrokerConnection {
  return {
    serverVersion,
    query: async (sql, values) => {
      const result = await client.query<Row>(sql, values === undefined ? undefined : [...values])
      // Several statements have several results; those that anybody looks at return rows.
      const results: readonly pg.QueryResult<Row>[] = Array.isArray(result) ? result : [result]
      return results.flatMap(({ rows }) => rows)
    },
  }
}

async function withVersion(entry: Entry): Promise<Entry> {
  const [row] = await entry.connection.query(`SELECT current_setting('server_version_num')::int AS version`)
  return Object.assign(entry, { connection: lend(entry.client, Number(row?.['version'])) })
}

async function isAlive(entry: Entry): Promise<boolean> {
  if (entry.broken) return false
  if (Date.now() - entry.idleSinceMs < trustedIdleMs) return true
  return entry.connection.query('SELECT 1').then(
    () => true,
    () => false,
  )
}

async function end({ client }: Entry): Promise<void> {
  await client.end().catch(() => {})
}

function brokerOf(target: PostgresTarget): BrokerConfig {
  if (target.broker !== undefined) return target.broker
  throw new Fault('CONFIG_INVALID', `The target ${target.name} has no broker.`)
}

function busy({ name }: PostgresTarget): Fault {
  return new Fault('UPSTREAM_FAILED', `Too many sessions are being opened on ${name}. Try again in a moment.`)
}

function cannotSignIn({ name, host, port }: PostgresTarget, user: string, cause: unknown): Fault {
  const userText = `The gateway has no access to the target ${name}. Tell the operator.`
  const log = `the broker ${user} cannot sign in at ${name} (${host}:${port}): ${reasonOf(cause)}`
  return new Fault('UPSTREAM_FAILED', userText, { log, cause })
}
