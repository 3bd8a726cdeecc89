/**
 * Just-once credentials for PostgreSQL targets: a role that exists for one session. It can sign in once, is a member of one
 * privilege role and set to it, and has no rights of its own. docs/targets.md says what the server needs for it.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { AuditLog, Probe } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Grant } from '../../policy/decide.ts'
import type { CredentialEvent } from '../../recorder/event.ts'
import type { Recording } from '../../recorder/recorder.ts'
import type { Store } from '../../store/store.ts'
import { type Broker, type BrokerConnection, type Brokers, sqlState } from './broker.ts'
import { type EndedRole, endRole } from './end-role.ts'
import { encodeDetail } from './lease-detail.ts'
import { quoteName, quoteText, roleName } from './role-name.ts'
import { newSecret, scramVerifier, secretLifetimeSeconds } from './scram-verifier.ts'
import type { ClientCertificate, TargetProof } from './target-proof.ts'

/** Of the session's id: its random end. */
const uniqueLength = 11

export type PostgresSecret =
  | { readonly kind: 'password'; readonly password: string }
  | ({ readonly kind: 'certificate' } & ClientCertificate)

/** One session's way into its target. The secret is given away once; after that nothing can reach it. */
class PostgresCredential {
  readonly #issued = true
  readonly kind: 'role' | 'certificate'
  /** What to sign in as. */
  readonly user: string
  /** Session and person for the server's own views, at most 63 bytes of ASCII. A hint: sessions can change it. */
  readonly applicationName: string
  /** For the recording. */
  readonly told: CredentialEvent
  #secret: PostgresSecret | undefined
  readonly #signedIn: () => Promise<void>
  readonly #remove: () => Promise<void>

  constructor(fields: {
    kind: 'role' | 'certificate'
    user: string
    applicationName: string
    told: CredentialEvent
    secret: PostgresSecret
    signedIn: () => Promise<void>
    remove: () => Promise<void>
  }) {
    this.kind = fields.kind
    this.user = fields.user
    this.applicationName = fields.applicationName
    this.told = fields.told
    this.#secret = fields.secret
    this.#signedIn = once(fields.signedIn)
    this.#remove = once(fields.remove)
  }

  /** For the one sign-in that this credential is for. Throws Fault CREDENTIAL_USED from then on. */
  useSecretOnce(): PostgresSecret {
    const secret = this.#secret
    this.#secret = undefined
    if (secret !== undefined) return secret
    throw new Fault('CREDENTIAL_USED', 'The session credential was used already. Connect again.')
  }

  /** Makes the secret worthless. Rejects if that fails: end the session then. */
  signedIn(): Promise<void> {
    this.#secret = undefined
    return this.#signedIn()
  }

  /**
   * Ends what still runs, removes the role and closes the lease. Safe to call twice, also before or during a sign-in. Never rejects:
   * what fails is said in log and audit log, and the sweep goes on with it for ever.
   */
  remove(): Promise<void> {
    this.#secret = undefined
    return this.#remove()
  }
}
export type { PostgresCredential }

/** For the other connector of this folder. */
export function newPostgresCredential(
  fields: ConstructorParameters<typeof PostgresCredential>[0],
): PostgresCredential {
  return new PostgresCredential(fields)
}

/** Tells gateways of one name apart: who has this folder of keys made what says so. Of the first key (PEM), so that it outlives rotations. */
export function installationOf(firstDatabasesKey: string): string {
  return createHash('sha256').update(firstDatabasesKey).digest('hex').slice(0, 16)
}

export type PostgresMintParts = {
  readonly store: Store
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  readonly brokers: Brokers
  /** The process that mints. */
  readonly owner: string
  /** `gateway.name`. */
  readonly gateway: string
  /** Tells gateways of one name apart: see `installationOf`. */
  readonly installation: string
}

export type PostgresEvidence = {
  readonly grant: Grant
  readonly recording: Recording
  readonly proof: TargetProof
}

/** What the server's administrator may want to know of a session; it goes into the role's comment. */
export type About = { readonly database: string; readonly clientAddress: string }

/**
 * Makes the role of one session. The lease is on disk before the role exists (invariant 6). Throws Fault UPSTREAM_FAILED; then
 * no role is left, or the sweep removes it.
 */
export async function mintPostgresRole(
  evidence: PostgresEvidence,
  about: About,
  parts: PostgresMintParts,
): Promise<PostgresCredential> {
  const { grant, recording, proof } = evidence
  requireSameTarget(grant, proof)
  const { login, principal } = grant.fields
  const use = { session: recording.session, person: principal.fields.name, login }
  return mintRole(use, about, proof, parts)
}

/** The same for `sallyport check`, which signs in to see whether it can. */
export function mintProbeRole(
  { probe, proof, login }: ProbeEvidence,
  parts: PostgresMintParts,
): Promise<PostgresCredential> {
  if (probe.target !== proof.target.name) throw new TypeError('the probe and the proven target differ')
  const session = `check-${randomBytes(uniqueLength).toString('hex')}`
  const about = { database: 'none', clientAddress: 'none' }
  return mintRole({ session, person: 'check', login }, about, proof, parts)
}

export type ProbeEvidence = { readonly probe: Probe; readonly proof: TargetProof; readonly login: string }

/** For whom, and as whom. */
type Wanted = { readonly session: string; readonly person: string; readonly login: string }

async function mintRole(
  { session, person, login }: Wanted,
  about: About,
  proof: TargetProof,
  parts: PostgresMintParts,
): Promise<PostgresCredential> {
  const role = roleName(parts.gateway, person, session.slice(-uniqueLength))
  const use: Use = { session, target: proof.target.name, role, group: login }
  const life = new RoleLife(use, parts.brokers.of(proof.target), parts)
  const password = newSecret()
  await life.make(scramVerifier(password), commentOf(use, person, about, parts))
  return new PostgresCredential({
    kind: 'role',
    user: role,
    applicationName: applicationNameOf(session, person),
    told: {
      type: 'credential',
      credential: 'postgres-role',
      user: role,
      passwordSeconds: secretLifetimeSeconds,
    },
    secret: { kind: 'password', password },
    signedIn: () => life.signedIn(),
    remove: () => life.end(),
  })
}

/** A grant for one target must never become a credential for another. */
export function requireSameTarget(grant: Grant, proof: TargetProof): void {
  if (grant.fields.target !== proof.target) throw new TypeError('the grant and the proven target differ')
}

type Use = { session: string; target: string; role: string; group: string }

/** One role from its lease to its end. */
class RoleLife {
  readonly #use: Use
  readonly #broker: Broker
  readonly #parts: PostgresMintParts
  readonly #leaseId: string
  /** `unknown`: it was asked for and nobody answered, so it may still come into being. */
  #role: 'none' | 'unknown' | 'made' = 'none'

  constructor(use: Use, broker: Broker, parts: PostgresMintParts) {
    this.#use = use
    this.#broker = broker
    this.#parts = parts
    this.#leaseId = `${use.session}.${use.role}`
  }

  async make(verifier: string, comment: string): Promise<void> {
    const { session, target, role } = this.#use
    this.#parts.brokers.inHand.add(this.#leaseId)
    try {
      await this.#broker.use(async connection => {
        // Asked beside the lease's way to the disk, so that the role's time runs by the database's clock at no cost.
        const [validUntil] = await Promise.all([soonByItsClock(connection), this.#lease()])
        this.#role = 'unknown'
        await connection.query(this.#creation(verifier, validUntil, comment))
        this.#role = 'made'
      })
    } catch (cause) {
      if (sqlState(cause) !== undefined) this.#role = 'none' // the server answered: it rolled back
      await this.end()
      throw this.#notMade(cause)
    }
    this.#parts.audit.append({ kind: 'credential-minted', ...this.#names, login: this.#use.group })
    this.#parts.log.debug({ session, target, role }, 'made a role')
  }

  async signedIn(): Promise<void> {
    const { role } = this.#use
    await Promise.all([
      this.#broker.use(connection => connection.query(`ALTER ROLE ${quoteName(role)} PASSWORD NULL`)),
      this.#parts.store.leases.advance(this.#leaseId, 'live'),
    ])
  }

  /** Whatever fails, the lease stays until the role is gone, and the sweep goes on with it. */
  async end(): Promise<void> {
    try {
      await this.#remove()
    } catch (cause) {
      const facts = { ...this.#names, cause: reasonOf(cause) }
      this.#parts.log.error(facts, 'a role could not be removed; the sweep goes on with it')
    } finally {
      this.#parts.brokers.inHand.delete(this.#leaseId)
    }
  }

  async #remove(): Promise<void> {
    const { store, audit } = this.#parts
    await store.leases.advance(this.#leaseId, 'ending')
    const { role, group } = this.#use
    const ended = await endRole(this.#broker, role, group)
    if (!ended.existed && this.#role === 'unknown') return
    audit.append({ kind: 'credential-removed', ...this.#names, ...endedFields(ended), by: 'session' })
    await store.leases.remove(this.#leaseId)
  }

  get #names() {
    const { session, target, role } = this.#use
    return { id: this.#leaseId, session, target, role }
  }

  async #lease(): Promise<void> {
    const { store, clock, owner } = this.#parts
    await store.leases.insert({
      id: this.#leaseId,
      session: this.#use.session,
      target: this.#use.target,
      kind: 'postgres-role',
      detail: encodeDetail(this.#use),
      owner,
      state: 'intended',
      createdAtMs: clock.nowMs(),
      expiresAtMs: undefined,
    })
  }

  /** One text, so one transaction: the role exists with all of this or not at all. */
  #creation(verifier: string, validUntil: string, comment: string): string {
    const [role, group] = [quoteName(this.#use.role), quoteName(this.#use.group)]
    return [
      `CREATE ROLE ${role} LOGIN NOINHERIT CONNECTION LIMIT 1 PASSWORD ${quoteText(verifier)} VALID UNTIL ${quoteText(validUntil)}`,
      `GRANT ${group} TO ${role}`,
      `ALTER ROLE ${role} SET role = ${quoteText(this.#use.group)}`,
      `COMMENT ON ROLE ${role} IS ${quoteText(comment)}`,
    ].join(';\n')
  }

  #notMade(cause: unknown): Fault {
    if (cause instanceof Fault) return cause
    const { target, role, group } = this.#use
    const hint = hintFor(sqlState(cause), target)
    const userText = `The gateway could not make a role on ${target} for this session. Tell the operator.`
    const log = `the role ${role}, a member of ${group}, could not be made on ${target}: ${reasonOf(cause)}${hint}`
    return new Fault('UPSTREAM_FAILED', userText, { log, cause })
  }
}

/** How it ended, for the audit log. */
export function endedFields({ reassignedIn, ...ended }: EndedRole) {
  return { ...ended, reassignedIn: reassignedIn.join(' ') }
}

function hintFor(state: string | undefined, target: string): string {
  if (state === '42704') return '; logins of rules for this target must be roles that exist there'
  if (state === '42501') return `; run the SQL that "sallyport targets setup ${target}" prints`
  return ''
}

async function soonByItsClock(connection: BrokerConnection): Promise<string> {
  const [row] = await connection.query(
    `SELECT to_char((clock_timestamp() + interval '${secretLifetimeSeconds} s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS soon`,
  )
  return String(row?.['soon'])
}

/** Everything but letters, digits and a few signs would be read differently by some log. */
function plainText(text: string, maxLength: number): string {
  return text.replace(/[^A-Za-z0-9@._+:%/-]/g, '?').slice(0, maxLength)
}

export function applicationNameOf(session: string, person: string): string {
  return `sallyport ${session} ${plainText(person, 32)}`.slice(0, 63)
}

/** `key=value` with blanks between, in this order: the sweep reads installation and owner. */
function commentOf(use: Use, person: string, about: About, parts: PostgresMintParts): string {
  const fields = {
    installation: parts.installation,
    owner: parts.owner,
    gateway: parts.gateway,
    session: use.session,
    person: plainText(person, 200),
    from: plainText(about.clientAddress, 64),
    database: plainText(about.database, 63),
  }
  const text = Object.entries(fields).map(([key, value]) => `${key}=${value}`)
  return `sallyport ${text.join(' ')}`
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= work())
}
