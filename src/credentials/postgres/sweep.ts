/**
 * Removes the roles that a crash, or a target that was away, left behind: for ever, further apart each time, and only what belongs to
 * a process that is provably gone. Whoever holds the data folder's lock knows that every other owner in it is.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { PostgresTarget, Target } from '../../config/config.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { LeaseRow } from '../../model.ts'
import type { Store } from '../../store/store.ts'
import { type Broker, brokerApplication, type Brokers, statementTimeoutMs } from './broker.ts'
import { type EndedRole, endRole } from './end-role.ts'
import { decodeDetail, type RoleDetail } from './lease-detail.ts'
import { endedFields } from './role.ts'
import { rolePrefix } from './role-name.ts'

/**
 * A CREATE ROLE that was sent just before a crash may commit after it, until its statement times out. Twice that, for clocks; and
 * the connections of the dead process are ended besides.
 */
const mayAppearForMs = 2 * statementTimeoutMs
const firstRetryMs = 30_000
const lastRetryMs = 15 * 60_000
/** Between two looks for roles that no lease knows of. */
const searchIntervalMs = 10 * 60_000
/** How long the connections of a dead process may take to end. */
const endConnectionsTimeoutMs = 5000
const pollMs = 20
/** Roles without a lease that one look may find; the next look finds the rest. */
const maxFound = 1000

export type RoleSweepParts = {
  readonly store: Store
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  readonly brokers: Brokers
  readonly owner: string
  /** Owners besides it that are processes of this gateway, and live. */
  readonly isAlive?: (owner: string) => boolean
  readonly gateway: string
  readonly installation: string
  /** The targets of the configuration in force. */
  readonly targets: () => readonly Target[]
}

export type PendingRoles = {
  /** Leases of roles that no session looks after. */
  readonly count: number
  /** How long the oldest of them has waited for the sweep, in this process; 0 without any. */
  readonly oldestMs: number
}

type Trouble = { readonly sinceMs: number; readonly attempts: number; readonly nextAtMs: number }

export class RoleSweep {
  readonly #parts: RoleSweepParts
  /** By lease, by the clock that only runs. */
  readonly #troubles = new Map<string, Trouble>()
  readonly #pendingSinceMs = new Map<string, number>()
  /** By target name. */
  readonly #searchedAtMs = new Map<string, number>()
  #stopped = false

  constructor(parts: RoleSweepParts) {
    this.#parts = parts
  }

  /** What runs comes to an end after the role that it is at. */
  stop(): void {
    this.#stopped = true
  }

  /** What waits for the sweep now. */
  get pending(): PendingRoles {
    const nowMs = this.#nowMs()
    const oldest = Math.min(nowMs, ...this.#pendingSinceMs.values())
    return { count: this.#pendingSinceMs.size, oldestMs: nowMs - oldest }
  }

  /** Tries all that is due, or all that there is, and returns how many leases went. Never throws for a target that is away. */
  async sweep(options: { everything?: boolean } = {}): Promise<number> {
    const leases = await this.#abandoned()
    this.#notePending(leases)
    const targets = new Map(this.#parts.targets().map(target => [target.name, target]))
    const due = leases.filter(lease => options.everything === true || this.#isDue(lease))
    let gone = 0
    for (const [name, ofTarget] of Map.groupBy(due, lease => lease.target))
      if (!this.#stopped) gone += await this.#sweepTarget(targets.get(name), ofTarget)
    for (const target of targets.values())
      if (target.protocol === 'postgres' && !this.#stopped)
        await this.#search(target, options.everything === true)
    return gone
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicUs() / 1000
  }

  async #abandoned(): Promise<readonly LeaseRow[]> {
    const leases = await this.#parts.store.leases.list()
    const { inHand } = this.#parts.brokers
    return leases.filter(lease => lease.kind === 'postgres-role' && !inHand.has(lease.id))
  }

  #notePending(leases: readonly LeaseRow[]): void {
    const ids = new Set(leases.map(lease => lease.id))
    for (const known of this.#pendingSinceMs.keys()) if (!ids.has(known)) this.#forget(known)
    for (const id of ids) if (!this.#pendingSinceMs.has(id)) this.#pendingSinceMs.set(id, this.#nowMs())
  }

  #forget(leaseId: string): void {
    this.#pendingSinceMs.delete(leaseId)
    this.#troubles.delete(leaseId)
  }

  #isDue(lease: LeaseRow): boolean {
    return (this.#troubles.get(lease.id)?.nextAtMs ?? 0) <= this.#nowMs()
  }

  async #sweepTarget(target: Target | undefined, leases: readonly LeaseRow[]): Promise<number> {
    let gone = 0
    try {
      const broker = this.#brokerOf(target)
      await broker.use(connection => connection.query('SELECT 1')) // where nobody answers, one wait is for all leases
      await this.#endConnections(broker, leases)
      for (const lease of leases) if (!this.#stopped) gone += await this.#tryLease(broker, lease)
    } catch (cause) {
      for (const lease of leases) this.#trouble(lease, cause)
    }
    return gone
  }

  #brokerOf(target: Target | undefined): Broker {
    if (target?.protocol === 'postgres' && target.broker !== undefined) return this.#parts.brokers.of(target)
    throw new Fault(
      'CONFIG_INVALID',
      'The configuration does not name its target with a broker any more, so nobody can remove it.',
    )
  }

  /** Of processes that are gone: what they sent last may still be running. */
  async #endConnections(broker: Broker, leases: readonly LeaseRow[]): Promise<void> {
    const owners = new Set(leases.map(lease => lease.owner))
    const gone = [...owners].filter(owner => !isAlive(owner, this.#parts))
    if (gone.length > 0) await endBrokerConnections(broker, gone)
  }

  async #tryLease(broker: Broker, lease: LeaseRow): Promise<number> {
    try {
      return (await this.#removeLease(broker, lease)) ? 1 : 0
    } catch (cause) {
      this.#trouble(lease, cause)
      return 0
    }
  }

  /** False: the role is not there, but might still come. */
  async #removeLease(broker: Broker, lease: LeaseRow): Promise<boolean> {
    const { store, clock } = this.#parts
    const detail = decodeDetail(lease.detail)
    await store.leases.advance(lease.id, 'ending')
    const ended = await endRole(broker, detail.role, detail.group)
    const mayStillAppear = clock.nowMs() < lease.createdAtMs + mayAppearForMs
    if (!ended.existed && mayStillAppear) return false
    this.#noteRemoved(lease, detail, ended)
    await store.leases.remove(lease.id)
    this.#forget(lease.id)
    return true
  }

  #noteRemoved(
    lease: Pick<LeaseRow, 'id' | 'session' | 'target'>,
    detail: RoleDetail,
    ended: EndedRole,
  ): void {
    const { id, session, target } = lease
    const { role } = detail
    this.#parts.audit.append({
      kind: 'credential-removed',
      id,
      session,
      target,
      role,
      ...endedFields(ended),
      by: 'sweep',
    })
  }

  /** The role cannot sign in (or its server cannot be reached). Somebody should look; we go on. */
  #trouble(lease: LeaseRow, cause: unknown): void {
    const before = this.#troubles.get(lease.id)
    const attempts = (before?.attempts ?? 0) + 1
    const nowMs = this.#nowMs()
    const waitMs = Math.min(firstRetryMs * 2 ** (attempts - 1), lastRetryMs)
    this.#troubles.set(lease.id, { sinceMs: before?.sinceMs ?? nowMs, attempts, nextAtMs: nowMs + waitMs })
    const { id, session, target } = lease
    const facts = { id, session, target, detail: lease.detail, cause: reasonOf(cause) }
    this.#parts.log.error({ ...facts, attempts }, 'a role of a session that is over could not be removed')
    if (attempts === 1) this.#parts.audit.append({ kind: 'credential-stuck', ...facts })
  }

  /** Roles of this gateway's name that no lease knows of: the store was set back, or somebody removed the row. */
  async #search(target: PostgresTarget, now: boolean): Promise<void> {
    const searchedAtMs = this.#searchedAtMs.get(target.name) ?? -Infinity
    if (target.broker === undefined || (!now && this.#nowMs() - searchedAtMs < searchIntervalMs)) return
    this.#searchedAtMs.set(target.name, this.#nowMs())
    try {
      const broker = this.#parts.brokers.of(target)
      // The roles first: a lease is there before its role and goes after it.
      const found = await rolesOf(broker, this.#parts)
      const known = new Set((await this.#parts.store.leases.list()).map(detailRole))
      for (const detail of found.filter(({ role }) => !known.has(role))) {
        const ended = await endRole(broker, detail.role, detail.group)
        const lease = { id: 'none', session: 'unknown', target: target.name }
        if (ended.existed) this.#noteRemoved(lease, detail, ended)
      }
    } catch (cause) {
      const facts = { target: target.name, cause: reasonOf(cause) }
      this.#parts.log.warn(facts, 'could not look for roles that were left on the target')
    }
  }
}

function isAlive(owner: string, parts: RoleSweepParts): boolean {
  return owner === parts.owner || parts.isAlive?.(owner) === true
}

function detailRole(lease: LeaseRow): string {
  return lease.kind === 'postgres-role' ? decodeDetail(lease.detail).role : ''
}

const connectionsOf = 'FROM pg_stat_activity WHERE usename = current_user AND application_name = ANY($1)'

async function endBrokerConnections(broker: Broker, owners: readonly string[]): Promise<void> {
  const names = owners.map(brokerApplication)
  await broker.use(async connection => {
    await connection.query(`SELECT pg_terminate_backend(pid) ${connectionsOf}`, [names])
    const untilMs = Date.now() + endConnectionsTimeoutMs
    while ((await connection.query(`SELECT 1 ${connectionsOf}`, [names])).length > 0) {
      if (Date.now() > untilMs)
        throw new Fault('UPSTREAM_FAILED', 'Connections of a gateway that is gone do not end.')
      await sleep(pollMs)
    }
  })
}

/** Those that this installation made, by processes that are gone: each says so in its comment. */
async function rolesOf(broker: Broker, parts: RoleSweepParts): Promise<readonly RoleDetail[]> {
  const rows = await broker.use(connection =>
    connection.query(
      `SELECT r.rolname AS role, g.rolname AS "group", shobj_description(r.oid, 'pg_authid') AS comment
         FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid
        WHERE left(r.rolname, length($1)) = $1 ORDER BY r.rolname LIMIT ${maxFound}`,
      [rolePrefix(parts.gateway)],
    ),
  )
  return rows.flatMap(({ role, group, comment }) => {
    const words = typeof comment === 'string' ? comment.split(' ') : []
    const owner = words.find(word => word.startsWith('owner='))?.slice('owner='.length)
    const isOurs = words.includes(`installation=${parts.installation}`) && !isAlive(owner ?? '', parts)
    return isOurs ? [{ role: String(role), group: String(group) }] : []
  })
}
