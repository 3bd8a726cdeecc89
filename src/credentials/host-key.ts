/**
 * Whether a target is who it says: its host key is pinned, certified by a host authority, or was learned on first use.
 * Only what passed here can be connected to as anybody (invariant 1).
 */
import type { SshTarget } from '../config/config.ts'
import type { Clock } from '../clock.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { HostKeyRow } from '../model.ts'
import type { Store } from '../store/store.ts'
import { WireReader } from '../wire.ts'
import { checkCertificate } from './ssh-certificate.ts'
import { fingerprint } from './ssh-key.ts'

/** Evidence that a connection ends at the target that the configuration names. */
class HostProof {
  readonly #issued = true
  readonly target: SshTarget
  readonly fingerprint: string
  readonly by: 'pinned' | 'authority' | 'first-use' | 'learned'

  constructor(target: SshTarget, keyFingerprint: string, by: HostProof['by']) {
    this.target = target
    this.fingerprint = keyFingerprint
    this.by = by
  }

  static is(value: object): value is HostProof {
    return #issued in value
  }
}
export type { HostProof }

export type HostKeyDecision =
  | { readonly kind: 'proven'; readonly proof: HostProof }
  | { readonly kind: 'refused'; readonly userText: string; readonly logText: string }

export type HostKeyCheck = { store: Store; audit: AuditLog; clock: Clock }

/** The public key lines of the configuration, as blobs. */
export function keyLineBlob(line: string): Buffer {
  return Buffer.from(line.trim().split(/\s+/)[1] ?? '', 'base64')
}

/** Decides on the host key (or host certificate) blob that `target` showed and proved in the key exchange. */
export async function proveHostKey(
  target: SshTarget,
  blob: Buffer,
  parts: HostKeyCheck,
): Promise<HostKeyDecision> {
  const certified = proveByAuthority(target, blob, parts.clock)
  if (certified !== undefined) return certified
  if (target.hostKeys === 'first-use') return proveByFirstUse(target, blob, parts)
  const pinned = target.hostKeys.map(keyLineBlob)
  if (pinned.some(key => key.equals(blob))) return proven(target, blob, 'pinned')
  return changed(target, blob, pinned.map(fingerprint))
}

function proven(target: SshTarget, blob: Buffer, by: HostProof['by']): HostKeyDecision {
  return { kind: 'proven', proof: new HostProof(target, fingerprint(blob), by) }
}

/** Undefined when authorities have no say: none is configured, or a plain key was shown and plain keys are trusted too. */
function proveByAuthority(target: SshTarget, blob: Buffer, clock: Clock): HostKeyDecision | undefined {
  if (!isCertificate(blob)) return undefined
  const result = checkCertificate(blob, {
    type: 'host',
    authorities: target.hostAuthorities.map(keyLineBlob),
    principal: target.host,
    nowMs: clock.nowMs(),
  })
  if (typeof result !== 'string') return proven(target, blob, 'authority')
  return {
    kind: 'refused',
    userText: `The target ${target.name} showed a host certificate that cannot be trusted (${result}). Tell the operator.`,
    logText: `host certificate of ${target.name} refused: ${result}`,
  }
}

function isCertificate(blob: Buffer): boolean {
  return new WireReader(blob).text().endsWith('-cert-v01@openssh.com')
}

async function proveByFirstUse(
  target: SshTarget,
  blob: Buffer,
  parts: HostKeyCheck,
): Promise<HostKeyDecision> {
  const known = await parts.store.hostKeys.of(target.name)
  if (known.some(row => row.key === blob.toString('base64'))) return proven(target, blob, 'learned')
  if (known.length > 0) {
    return changed(target, blob, fingerprints(known))
  }
  parts.audit.append({ kind: 'host-key-learned', target: target.name, fingerprint: fingerprint(blob) })
  const key = blob.toString('base64')
  const row = {
    target: target.name,
    algorithm: new WireReader(blob).text(),
    key,
    firstSeenAtMs: parts.clock.nowMs(),
  }
  const held = await parts.store.hostKeys.learn(row)
  return held.some(other => other.key === key)
    ? proven(target, blob, 'first-use')
    : changed(target, blob, fingerprints(held))
}

function fingerprints(rows: readonly HostKeyRow[]): string[] {
  return rows.map(row => fingerprint(Buffer.from(row.key, 'base64')))
}

/** Both fingerprints are named, so that whoever changed the key on purpose can recognise it. */
function changed(target: SshTarget, blob: Buffer, expected: readonly string[]): HostKeyDecision {
  const shown = fingerprint(blob)
  const text =
    `The host key of ${target.name} is not the one that the gateway knows: expected ${expected.join(' or ')}, ` +
    `got ${shown}. No credential was made. Tell the operator.`
  const advice = `If the server was reinstalled, put its new key under hostKeys of ${target.name}.`
  return { kind: 'refused', userText: text, logText: `${text} ${advice}` }
}
