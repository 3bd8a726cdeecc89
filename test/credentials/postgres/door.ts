/** A gateway's credential parts over a real PostgreSQL, a real store, audit log and recorder: what `openSession` and the wire would use. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type AuditLog, openAuditLog } from '../../../src/audit/audit-log.ts'
import { systemClock } from '../../../src/clock.ts'
import type { PostgresTarget } from '../../../src/config/config.ts'
import { type Broker, Brokers } from '../../../src/credentials/postgres/broker.ts'
import {
  mintPostgresCredential,
  type PostgresCredentialParts,
} from '../../../src/credentials/postgres/certificate.ts'
import type { PostgresCredential } from '../../../src/credentials/postgres/role.ts'
import { openX509Authority, type X509Authority } from '../../../src/credentials/x509.ts'
import { RoleSweep } from '../../../src/credentials/postgres/sweep.ts'
import { reachPostgres, type TargetProof } from '../../../src/credentials/postgres/target-proof.ts'
import { restorePrincipal } from '../../../src/identity/principal.ts'
import { decide } from '../../../src/policy/decide.ts'
import { newSessionId } from '../../../src/session/session.ts'
import { openStore } from '../../../src/store/sqlite-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { newBench, newFolder, newSigner, quiet, startRecorder } from '../../recorder/support.ts'
import type { TestPostgres } from '../../support/postgres.ts'

export type Door = {
  readonly target: PostgresTarget
  readonly proof: TargetProof
  readonly store: Store
  readonly audit: AuditLog
  readonly parts: PostgresCredentialParts
  /** Opens a session as the connection of a person would, up to the credential. */
  readonly mint: (wish?: {
    person?: string
    login?: string
    parts?: PostgresCredentialParts
  }) => Promise<PostgresCredential>
  /** Sweeps as a later process of the same data folder, whose clock is a minute ahead. */
  readonly sweepAsNextProcess: () => Promise<number>
  /** As this process. */
  readonly sweep: (aheadMs?: number) => Promise<RoleSweep>
  /** The audit log as it stands. */
  readonly auditLines: () => readonly Record<string, unknown>[]
  readonly leases: () => Promise<readonly string[]>
  readonly close: () => Promise<void>
}

export const gatewayName = 'bastion.example.com'

export async function openDoor(
  postgres: TestPostgres,
  options: { installation?: string; target?: Partial<PostgresTarget>; databases?: X509Authority } = {},
): Promise<Door> {
  const { installation = randomBytes(8).toString('hex') } = options
  const store = await openStore(newFolder())
  const auditFolder = newFolder()
  const audit = openAuditLog({ folder: auditFolder, signer: newSigner(), clock: systemClock, log: quiet })
  const owner = randomBytes(8).toString('hex')
  const brokers = new Brokers({ audit, log: quiet, owner })
  const recorder = startRecorder({ ...newBench() })
  const target = postgres.target(options.target)
  const databases =
    options.databases ??
    (await openX509Authority(newFolder(), newSigner(), { gateway: gatewayName, nowMs: Date.now() }))
  const parts: PostgresCredentialParts = {
    databases,
    store,
    audit,
    clock: systemClock,
    log: quiet,
    brokers,
    owner,
    gateway: gatewayName,
    installation,
  }
  const sweepOf = (who: { owner: string; brokers: Brokers }, aheadMs: number): RoleSweep =>
    new RoleSweep({
      ...parts,
      ...who,
      targets: () => [target],
      clock: { nowMs: () => Date.now() + aheadMs, monotonicUs: systemClock.monotonicUs },
    })
  const probe = audit.probe(target.name, 'the tests')
  const { socket, proof } = await reachPostgres(probe, target, { timeoutMs: 5000 })
  socket.destroy()
  return {
    target,
    proof,
    store,
    audit,
    parts,
    mint: async (wish = {}) => {
      const grant = grantFor(target, wish.person ?? 'alice@example.com', wish.login ?? 'app_owner')
      const session = newSessionId(Date.now())
      const recording = recorder.open(grant, { session, protocol: 'postgres' })
      const evidence = { grant, recording, proof }
      return mintPostgresCredential(
        evidence,
        { database: 'app', clientAddress: '192.0.2.7' },
        wish.parts ?? parts,
      )
    },
    sweepAsNextProcess: async () => {
      const next = randomBytes(8).toString('hex')
      const nextBrokers = new Brokers({ audit, log: quiet, owner: next })
      try {
        return await sweepOf({ owner: next, brokers: nextBrokers }, 60_000).sweep({ everything: true })
      } finally {
        await nextBrokers.close()
      }
    },
    sweep: async (aheadMs = 60_000) => {
      const sweep = sweepOf({ owner, brokers }, aheadMs)
      await sweep.sweep({ everything: true })
      return sweep
    },
    auditLines: () =>
      readdirSync(auditFolder).flatMap(name =>
        readFileSync(join(auditFolder, name), 'utf8')
          .trim()
          .split('\n')
          .map(line => JSON.parse(line) as Record<string, unknown>),
      ),
    leases: async () => (await store.leases.list()).map(lease => `${lease.state} ${lease.detail}`),
    close: async () => {
      await brokers.close(0)
      await recorder.close()
      await audit.close()
      await store.close()
    },
  }
}

function grantFor(target: PostgresTarget, name: string, login: string) {
  const nowMs = Date.now()
  const times = { authenticatedAtMs: nowMs, expiresAtMs: nowMs + 3_600_000 }
  const principal = restorePrincipal({
    tokenHash: '00',
    principal: {
      issuer: 'https://login.example.com',
      subject: 'u-1',
      name,
      email: undefined,
      emailVerified: false,
      groups: ['dba'],
      ...times,
    },
    createdAtMs: nowMs,
    expiresAtMs: times.expiresAtMs,
  })
  const policy = {
    targets: [target],
    roles: [
      {
        name: 'dba',
        members: { groups: ['dba'], emails: [] },
        allow: [
          {
            targets: { name: target.name },
            logins: ['app_owner', 'app_readonly', login],
            sessions: { maxMs: 3_600_000, idleMs: 600_000 },
            when: {},
            channels: [],
            line: 1,
          },
        ],
        review: [],
      },
    ],
  }
  const decision = decide(
    policy,
    principal,
    { target: target.name, login, sourceAddress: '192.0.2.7' },
    nowMs,
  )
  if (decision.kind === 'deny') throw new Error(decision.denial.userText)
  return decision.grant
}

/** Signs in with the credential's secret, as the relay would. */
export async function signIn(
  postgres: TestPostgres,
  credential: PostgresCredential,
  database = 'app',
): Promise<pg.Client> {
  const secret = credential.useSecretOnce()
  if (secret.kind !== 'password') throw new TypeError('not a password')
  return connectAs(postgres, credential.user, secret.password, database)
}

export async function connectAs(
  postgres: TestPostgres,
  user: string,
  password: string,
  database = 'app',
): Promise<pg.Client> {
  const { host, port, tls } = postgres.target()
  const client = new pg.Client({ host, port, user, password, database, ssl: { ca: tls.authority } })
  client.on('error', () => {}) // it is ended from outside
  await client.connect()
  return client
}

/** Roles that were made for sessions and are still there. */
export async function rolesLeft(postgres: TestPostgres): Promise<readonly string[]> {
  const rows = await postgres.query(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'sp\\_%' ORDER BY 1`)
  return rows.map(row => String(row['rolname']))
}

/** Backends of session roles that are still there. */
export async function backendsLeft(postgres: TestPostgres): Promise<number> {
  const rows = await postgres.query(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename LIKE 'sp\\_%'`,
  )
  return Number(rows[0]?.['n'])
}

/** Until a condition holds; fails after ten seconds. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const untilMs = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > untilMs) throw new Error('it did not come to that')
    await sleep(10)
  }
}

/**
 * The same parts as those of a process that is killed at a point: the store and the broker do so many things, and from then on
 * nothing ever returns. `done` says how many there were.
 */
export function dyingParts(
  parts: PostgresCredentialParts,
  diesAfter: number,
): { parts: PostgresCredentialParts; done: () => number } {
  let done = 0
  const mortal = async <T>(work: () => Promise<T>): Promise<T> => {
    if (done >= diesAfter) return new Promise<never>(() => {})
    done++
    const result = await work()
    return result
  }
  const leases = parts.store.leases
  const store: Store = {
    ...parts.store,
    leases: {
      insert: row => mortal(() => leases.insert(row)),
      advance: (id, state) => mortal(() => leases.advance(id, state)),
      remove: id => mortal(() => leases.remove(id)),
      list: () => leases.list(),
    },
  }
  const of = (target: PostgresTarget): Broker => {
    const broker = parts.brokers.of(target)
    return {
      use: work =>
        broker.use(connection =>
          work({ ...connection, query: (...args) => mortal(() => connection.query(...args)) }),
        ),
      useDatabase: (database, work) =>
        broker.useDatabase(database, connection =>
          work({ ...connection, query: (...args) => mortal(() => connection.query(...args)) }),
        ),
    }
  }
  const brokers = { of, inHand: parts.brokers.inHand } as unknown as Brokers
  return { parts: { ...parts, store, brokers }, done: () => done }
}
