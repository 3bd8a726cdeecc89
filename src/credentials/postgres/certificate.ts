/**
 * The other connector: a client certificate for one session, for servers whose pg_hba.conf says `cert`. It writes nothing into
 * the server's catalogs, and the server sees a role that sessions share.
 */
import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { reasonOf } from '../../errors.ts'
import type { TargetProof } from './target-proof.ts'
import { issueClientCertificate, type X509Authority } from '../x509.ts'
import {
  type About,
  applicationNameOf,
  mintPostgresRole,
  mintProbeRole,
  newPostgresCredential,
  type PostgresCredential,
  type PostgresEvidence,
  type PostgresMintParts,
  type ProbeEvidence,
  requireSameTarget,
} from './role.ts'

/** Either side of now: signing in takes milliseconds, the rest is for clocks that disagree. */
const certificateSkewMs = 30_000
const serialBytes = 16

const newKeys = promisify(generateKeyPair)

export type PostgresCredentialParts = PostgresMintParts & {
  /** The authority *databases*. */
  readonly databases: X509Authority
}

/** Mints what the target's connector wants. Throws Fault UPSTREAM_FAILED. */
export function mintPostgresCredential(
  evidence: PostgresEvidence,
  about: About,
  parts: PostgresCredentialParts,
): Promise<PostgresCredential> {
  return evidence.proof.target.connector === 'role'
    ? mintPostgresRole(evidence, about, parts)
    : mintPostgresCertificate(evidence, parts)
}

/** The lease is on disk before the key exists (invariant 6). */
async function mintPostgresCertificate(
  evidence: PostgresEvidence,
  parts: PostgresCredentialParts,
): Promise<PostgresCredential> {
  const { grant, recording, proof } = evidence
  requireSameTarget(grant, proof)
  const { login, principal } = grant.fields
  const use = { session: recording.session, person: principal.fields.name, login }
  return mintCertificate(use, proof, parts)
}

/** For `sallyport check`, which signs in to see whether it can. */
export function mintProbeCredential(
  evidence: ProbeEvidence,
  parts: PostgresCredentialParts,
): Promise<PostgresCredential> {
  const { probe, proof, login } = evidence
  if (proof.target.connector === 'role') return mintProbeRole(evidence, parts)
  if (probe.target !== proof.target.name) throw new TypeError('the probe and the proven target differ')
  return mintCertificate({ session: 'check', person: 'check', login }, proof, parts)
}

async function mintCertificate(
  { session, person, login }: { session: string; person: string; login: string },
  proof: TargetProof,
  parts: PostgresCredentialParts,
): Promise<PostgresCredential> {
  const { store, audit, clock, owner } = parts
  const [serial, nowMs] = [randomBytes(serialBytes), clock.nowMs()]
  const [notBeforeMs, notAfterMs] = [nowMs - certificateSkewMs, nowMs + certificateSkewMs]
  const detail = serial.toString('hex')
  const lease = {
    id: `${session}.${detail}`,
    session,
    target: proof.target.name,
  }
  await store.leases.insert({
    ...lease,
    kind: 'postgres-certificate',
    detail,
    owner,
    state: 'intended',
    createdAtMs: nowMs,
    expiresAtMs: notAfterMs,
  })
  const { publicKey, privateKey } = await newKeys('ec', { namedCurve: 'P-256' })
  const certificate = await issueClientCertificate(
    { publicKey, commonName: login, serial, notBeforeMs, notAfterMs },
    parts.databases,
  )
  audit.append({ kind: 'credential-minted', ...lease, login, serial: detail })
  return newPostgresCredential({
    kind: 'certificate',
    user: login,
    applicationName: applicationNameOf(session, person),
    told: {
      type: 'credential',
      credential: 'postgres-certificate',
      serial: detail,
      user: login,
      validFromMs: notBeforeMs,
      validUntilMs: notAfterMs,
    },
    secret: {
      kind: 'certificate',
      certificate,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    },
    signedIn: () => store.leases.advance(lease.id, 'live'),
    remove: () => remove(lease, detail, parts),
  })
}

type Lease = { readonly id: string; readonly session: string; readonly target: string }

/** The key is forgotten and the certificate expires by itself. */
async function remove(lease: Lease, serial: string, parts: PostgresCredentialParts): Promise<void> {
  try {
    await parts.store.leases.advance(lease.id, 'ending')
    parts.audit.append({ kind: 'credential-removed', ...lease, serial, by: 'session' })
    await parts.store.leases.remove(lease.id)
  } catch (cause) {
    parts.log.error(
      { ...lease, cause: reasonOf(cause) },
      'a lease could not be closed; the sweep goes on with it',
    )
  }
}
