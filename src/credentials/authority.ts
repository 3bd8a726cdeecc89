/**
 * The gateway's own keys, one for each purpose and never shared: a sign-in certificate must be useless at a target, and
 * who can sign recordings must not thereby be able to mint credentials.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Signer } from '../model.ts'
import { loadKey } from './key-file.ts'
import { type Purpose, purposes, rsaHostKeyName } from './key-list.ts'
import { KeyRing } from './key-ring.ts'

export { fileSigner, loadOrCreate } from './key-file.ts'
export { type Purpose, purposes } from './key-list.ts'

/** Each signs with whatever key is current. */
export type Authorities = Readonly<Record<Purpose, Signer>> & {
  readonly ring: KeyRing
  /** The SSH transport signs its key exchanges itself, so it alone gets private keys. */
  readonly gatewayHostKey: KeyObject
  /** The same for clients that know no Ed25519. */
  readonly gatewayRsaHostKey: KeyObject
}

/** Opens the keys in `folder`, making those that do not exist yet. Throws Fault KEY_UNUSABLE. */
export function openAuthorities(folder: string): Authorities {
  const ring = KeyRing.open(folder)
  const signers = Object.fromEntries(purposes.map(purpose => [purpose, ring.live(purpose)]))
  return Object.defineProperties({ ...signers, ring } as unknown as Authorities, {
    gatewayHostKey: { get: () => ring.privateKey('gateway-host'), enumerable: true },
    gatewayRsaHostKey: { get: () => ring.privateKey(rsaHostKeyName), enumerable: true },
  })
}

/** The public half only. */
export function publicKeyOf(folder: string, purpose: Purpose): KeyObject {
  return createPublicKey(loadKey(join(folder, `${purpose}.pem`)))
}

/** Undefined until a gateway that knows of this key has started. */
export function rsaHostPublicKeyOf(folder: string): KeyObject | undefined {
  const file = join(folder, `${rsaHostKeyName}.pem`)
  return existsSync(file) ? createPublicKey(loadKey(file, 'rsa')) : undefined
}
