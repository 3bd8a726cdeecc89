/** The parts that make and remove credentials on PostgreSQL targets, put together for a gateway, `check` and `sweep`. */
import type { AuditLog, Probe } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { PostgresTarget, Target } from '../config/config.ts'
import type { Authorities } from '../credentials/authority.ts'
import { Brokers } from '../credentials/postgres/broker.ts'
import { mintPostgresCredential } from '../credentials/postgres/certificate.ts'
import {
  type About,
  installationOf,
  type PostgresCredential,
  type PostgresEvidence,
} from '../credentials/postgres/role.ts'
import { RoleSweep } from '../credentials/postgres/sweep.ts'
import { tryLogin } from '../credentials/postgres/try-login.ts'
import { openX509Authority } from '../credentials/x509.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'

export type PostgresCredentialsOptions = {
  readonly store: Store
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  /** The process that holds the data folder. */
  readonly owner: string
  readonly authorities: Authorities
  /** Where the authorities' keys lie. */
  readonly keysFolder: string
  /** `gateway.name`. */
  readonly gateway: string
  /** Those of the configuration in force. */
  readonly targets: () => readonly Target[]
}

export type PostgresCredentials = {
  readonly mint: (evidence: PostgresEvidence, about: About) => Promise<PostgresCredential>
  readonly brokers: Brokers
  /** Signs in as a session would, for `check`; says how the target proved itself. */
  readonly tryLogin: (probe: Probe, target: PostgresTarget, login: string) => Promise<string>
  readonly sweep: RoleSweep
  /** After a reload. */
  readonly targetsChanged: () => void
  /** Waits a while for sessions that are ending. */
  readonly close: () => Promise<void>
}

/** Opens no connection yet. Throws Fault KEY_UNUSABLE. */
export async function openPostgresCredentials(
  options: PostgresCredentialsOptions,
): Promise<PostgresCredentials> {
  const { authorities, keysFolder, targets, ...common } = options
  const { databases } = authorities
  const authority = await openX509Authority(keysFolder, databases, {
    gateway: common.gateway,
    nowMs: common.clock.nowMs(),
  })
  const brokers = new Brokers(common)
  const parts = { ...common, brokers, installation: installationOf(databases), databases: authority }
  return {
    mint: (evidence, about) => mintPostgresCredential(evidence, about, parts),
    tryLogin: (probe, target, login) => tryLogin(probe, target, login, parts),
    brokers,
    sweep: new RoleSweep({ ...parts, targets }),
    targetsChanged: () => void brokers.keepOnly(targets()),
    close: () => brokers.close(),
  }
}
