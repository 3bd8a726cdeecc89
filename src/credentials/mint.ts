/**
 * Just-once credentials for SSH targets: a new key in memory and a certificate that lives for a minute, for one session on
 * one connection. Minting takes the evidence that access was granted, is recorded, and that the target proved itself.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { AuditLog, Probe } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import { Fault } from '../errors.ts'
import type { Signer } from '../model.ts'
import type { Grant } from '../policy/decide.ts'
import type { Recording } from '../recorder/recorder.ts'
import type { Store } from '../store/store.ts'
import type { HostProof } from './host-key.ts'
import { certificateAlgorithm, issueCertificate } from './ssh-certificate.ts'
import { ed25519 } from './ssh-key.ts'

/** Either side of now, in seconds: sign-in takes milliseconds, the rest is for clocks that disagree. */
export const certificateSkewSeconds = 30

/** One session's key and certificate. The key signs once; after that nothing can reach it. */
class SshCredential {
  readonly #issued = true
  readonly algorithm = certificateAlgorithm
  readonly signatureAlgorithm = ed25519
  readonly certificate: Buffer
  readonly serial: string
  readonly login: string
  /** What sshd writes to its log. */
  readonly keyId: string
  readonly validFromMs: number
  readonly validUntilMs: number
  #key: KeyObject | undefined
  readonly #remove: () => Promise<void>

  constructor(fields: {
    certificate: Buffer
    serial: string
    login: string
    keyId: string
    validFromMs: number
    validUntilMs: number
    key: KeyObject
    remove: () => Promise<void>
  }) {
    this.certificate = fields.certificate
    this.serial = fields.serial
    this.login = fields.login
    this.keyId = fields.keyId
    this.validFromMs = fields.validFromMs
    this.validUntilMs = fields.validUntilMs
    this.#key = fields.key
    this.#remove = fields.remove
  }

  static is(value: object): value is SshCredential {
    return #issued in value
  }

  /** Signs the one authentication request that this credential is for. Throws Fault CREDENTIAL_USED from then on. */
  signOnce(data: Uint8Array): Buffer {
    const key = this.#key
    this.#key = undefined
    if (key === undefined) {
      throw new Fault('CREDENTIAL_USED', 'The session credential was used already. Connect again.')
    }
    return sign(null, data, key)
  }

  /** Forgets the key and closes the lease. Safe to call twice. */
  async remove(): Promise<void> {
    this.#key = undefined
    await this.#remove()
  }
}
export type { SshCredential }

export type MintParts = {
  store: Store
  audit: AuditLog
  clock: Clock
  authority: Signer
  owner: string
  /** Where new key pairs come from; a seam for the test that nothing keeps them. */
  generateKeys?: () => { privateKey: KeyObject; publicKey: KeyObject }
}

/**
 * Mints the credential of one session. `sourceAddress` is the local address of the connection that is already open to the
 * target (or the address that a NAT gives it). The lease is on disk before the key exists (invariant 6).
 */
export async function mintSshCredential(
  evidence: { grant: Grant; recording: Recording; proof: HostProof },
  sourceAddress: string,
  parts: MintParts,
): Promise<SshCredential> {
  const { grant, recording, proof } = evidence
  requireSameTarget(grant, proof)
  const { login, principal } = grant.fields
  const use = { session: recording.session, login, keyId: keyIdFor(recording.session, principal.fields.name) }
  return mint({ ...use, target: proof.target.name, extensions: extensionsFor(grant) }, sourceAddress, parts)
}

/** Mints the credential with which `sallyport check` finds out whether a target trusts us. It permits nothing but signing in. */
export async function mintProbeCredential(
  evidence: { probe: Probe; proof: HostProof; login: string },
  sourceAddress: string,
  parts: MintParts,
): Promise<SshCredential> {
  const { probe, proof, login } = evidence
  if (probe.target !== proof.target.name) throw new TypeError('the probe and the proven target differ')
  const use = { session: 'probe', login, keyId: keyIdFor('probe', 'check') }
  return mint({ ...use, target: proof.target.name, extensions: [] }, sourceAddress, parts)
}

type Use = { session: string; target: string; login: string; keyId: string; extensions: readonly string[] }

async function mint(use: Use, sourceAddress: string, parts: MintParts): Promise<SshCredential> {
  const nowSeconds = Math.floor(parts.clock.nowMs() / 1000)
  const validAfterSeconds = nowSeconds - certificateSkewSeconds
  const validBeforeSeconds = nowSeconds + certificateSkewSeconds
  const number = randomBytes(8).readBigUInt64BE()
  const serial = number.toString()
  const lease = { id: `${use.session}.${serial}`, session: use.session, target: use.target }
  await parts.store.leases.insert({
    ...lease,
    kind: 'ssh-certificate',
    detail: serial,
    owner: parts.owner,
    state: 'intended',
    createdAtMs: parts.clock.nowMs(),
    expiresAtMs: validBeforeSeconds * 1000,
  })
  const { privateKey, publicKey } = (parts.generateKeys ?? newKeys)()
  const certificate = await issueCertificate(
    publicKey,
    {
      serial: number,
      type: 'user',
      keyId: use.keyId,
      principals: [use.login],
      validAfterSeconds,
      validBeforeSeconds,
      criticalOptions: { 'source-address': sourceAddress },
      extensions: use.extensions,
    },
    parts.authority,
  )
  parts.audit.append({ kind: 'credential-minted', ...lease, login: use.login, serial })
  await parts.store.leases.advance(lease.id, 'live')
  const remove = onceAsync(async () => {
    await parts.store.leases.advance(lease.id, 'ending')
    parts.audit.append({ kind: 'credential-removed', ...lease, serial, by: 'session' })
    await parts.store.leases.remove(lease.id)
  })
  return new SshCredential({
    certificate,
    serial,
    login: use.login,
    keyId: use.keyId,
    validFromMs: validAfterSeconds * 1000,
    validUntilMs: validBeforeSeconds * 1000,
    key: privateKey,
    remove,
  })
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ed25519')
}

/** A grant for one target must never become a credential for another. */
function requireSameTarget(grant: Grant, proof: HostProof): void {
  if (grant.fields.target !== proof.target) throw new TypeError('the grant and the proven target differ')
}

/** What sshd writes to its log: session and person, without anything that could break a log line. */
function keyIdFor(session: string, principalName: string): string {
  const name = principalName.replace(/[^\x21-\x7e]/g, '?').slice(0, 128)
  return `sallyport session=${session} principal=${name}`
}

/** Only what the grant needs: a terminal for shells and for commands that are not limited to patterns. */
function extensionsFor(grant: Grant): string[] {
  const { channels, exec } = grant.fields
  const extensions = {
    'permit-agent-forwarding': channels.includes('agent'),
    'permit-port-forwarding': channels.includes('forward'),
    'permit-pty': exec === undefined && channels.length > 0,
  }
  return Object.entries(extensions).flatMap(([name, needed]) => (needed ? [name] : []))
}

function onceAsync(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= work())
}
