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
import type { KeyRing } from '../credentials/key-ring.ts'
import { certificateFileOf, openX509Authority, type X509Authority } from '../credentials/x509.ts'
import type { Log } from '../log.ts'
import type { Signer } from '../model.ts'
import type { Store } from '../store/store.ts'

export type PostgresCredentialsOptions = {
  readonly store: Store
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  /** The process that holds the data folder. */
  readonly owner: string
  /** Owners besides it that are processes of this gateway, and live. */
  readonly isAlive?: (owner: string) => boolean
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
  /** After keys of the gateway were changed. Throws Fault KEY_UNUSABLE. */
  readonly keysChanged: () => Promise<void>
  /** After a reload. */
  readonly targetsChanged: () => void
  /** Waits a while for sessions that are ending. */
  readonly close: () => Promise<void>
}

/** The key that signs now with its certificate; one that is announced gets its certificate too, so that servers can be told of it. */
async function databasesAuthority(
  ring: KeyRing,
  folder: string,
  { gateway, clock }: Pick<PostgresCredentialsOptions, 'gateway' | 'clock'>,
): Promise<X509Authority> {
  const open = (signer: Signer): Promise<X509Authority> => {
    const file = certificateFileOf(signer.keyId, ring.first('databases').keyId)
    return openX509Authority(folder, signer, { gateway, nowMs: clock.nowMs() }, file)
  }
  const next = ring.next('databases')
  if (next !== undefined) await open(next)
  return open(ring.current('databases'))
}

/** Opens no connection yet. Throws Fault KEY_UNUSABLE. */
export async function openPostgresCredentials(
  options: PostgresCredentialsOptions,
): Promise<PostgresCredentials> {
  const { authorities, keysFolder, targets, ...common } = options
  const { ring } = authorities
  const installation = installationOf(ring.first('databases').publicKey)
  let authority = await databasesAuthority(ring, keysFolder, common)
  const brokers = new Brokers(common)
  const parts = { ...common, brokers, installation }
  return {
    mint: (evidence, about) => mintPostgresCredential(evidence, about, { ...parts, databases: authority }),
    tryLogin: (probe, target, login) => tryLogin(probe, target, login, { ...parts, databases: authority }),
    keysChanged: async () => void (authority = await databasesAuthority(ring, keysFolder, common)),
    brokers,
    sweep: new RoleSweep({ ...parts, targets }),
    targetsChanged: () => void brokers.keepOnly(targets()),
    close: () => brokers.close(),
  }
}
