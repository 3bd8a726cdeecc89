/**
 * What both legs offer, in our order of preference. A server follows the client's order; as a client ours counts.
 * Left out on purpose: everything with SHA-1 or CBC, MACs that are not encrypt-then-MAC, finite-field groups (65 ms of
 * CPU for a stranger's one packet), and compression (an inflated packet has no limit).
 */
import crypto from 'node:crypto'

/** RFC 10042; without it, what is recorded on the way today can be read once there are quantum computers. */
export const postQuantumKeyExchange = 'mlkem768x25519-sha256'

/** What clients may choose from: no NIST curves, which auditors' tools fail. Only clients in FIPS mode know nothing else. */
export const serverKeyExchangeAlgorithms: readonly string[] = [
  // Node before 24.7 has no ML-KEM.
  ...(typeof crypto.encapsulate === 'function' ? [postQuantumKeyExchange] : []),
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
]

/** What we ask targets for. One in FIPS mode may know nothing but NIST curves, and is not ours to change. */
export const clientKeyExchangeAlgorithms: readonly string[] = [
  ...serverKeyExchangeAlgorithms,
  'ecdh-sha2-nistp256',
]

const aesCiphers: readonly string[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
]

export const chacha20Poly1305 = 'chacha20-poly1305@openssh.com'

/**
 * CVE-2023-48795: without strict key exchange, a stranger on the path can cut messages off the beginning of a ChaCha20-Poly1305
 * stream, unnoticed. AES-GCM counts for itself; under CTR all that follows the cut turns into noise, which ends the connection
 * (docs/decisions/0090).
 */
export function needsStrictKeyExchange(cipher: string): boolean {
  return cipher === chacha20Poly1305
}

/** Without the native binding ChaCha20-Poly1305 needs a WebAssembly module, which is loaded a moment after the start. */
export function cipherAlgorithms(withChacha20: boolean): readonly string[] {
  return withChacha20 ? [...aesCiphers.slice(0, 2), chacha20Poly1305, ...aesCiphers.slice(2)] : aesCiphers
}

export const macAlgorithms: readonly string[] = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
]

/** What a target may prove itself with. */
export const hostKeyAlgorithms: readonly string[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'rsa-sha2-512',
  'rsa-sha2-256',
]

/** The same as OpenSSH host certificates; whoever offers these must judge the certificate. */
export const hostCertificateAlgorithms: readonly string[] = hostKeyAlgorithms.map(
  name => `${name}-cert-v01@openssh.com`,
)
