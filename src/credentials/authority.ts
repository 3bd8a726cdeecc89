/**
 * The gateway's own keys, one for each purpose and never shared: a sign-in certificate must be useless at a target, and
 * who can sign recordings must not thereby be able to mint credentials.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Fault, reasonOf } from '../errors.ts'
import type { Signer } from '../model.ts'
import { fingerprint, publicKeyBlob } from './ssh-key.ts'

/**
 * `targets`: what sshd servers trust (TrustedUserCAKeys). `sign-in`: what only the gateway trusts. `hosts`: inner servers.
 * `recording-heads`, `log-checkpoints`: what auditors verify with. `gateway-host`: what users' known_hosts hold.
 * `databases`: whose client certificates PostgreSQL servers accept. `sign-in-x509`: whose client certificates the gateway accepts.
 */
export const purposes = [
  'targets',
  'sign-in',
  'hosts',
  'recording-heads',
  'log-checkpoints',
  'gateway-host',
  'databases',
  'sign-in-x509',
] as const
export type Purpose = (typeof purposes)[number]

export type Authorities = Readonly<Record<Purpose, Signer>> & {
  /** The SSH transport signs its key exchanges itself, so it alone gets private keys. */
  readonly gatewayHostKey: KeyObject
  /** The same for clients that know no Ed25519. */
  readonly gatewayRsaHostKey: KeyObject
}

/** The gateway's second host key. It is no purpose of its own: whoever trusts one of the two trusts the gateway. */
export const rsaHostKeyName = 'gateway-host-rsa'

/** As strong as AES-128 is thought to be (NIST SP 800-57, part 1, table 2). */
const rsaBits = 3072

type KeyKind = 'ed25519' | 'rsa'

/** Opens the keys in `folder`, making those that do not exist yet. Throws Fault KEY_UNUSABLE. */
export function openAuthorities(folder: string): Authorities {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keys = purposes.map(purpose => [purpose, loadOrCreate(join(folder, `${purpose}.pem`))] as const)
  const signers = keys.map(([purpose, key]) => [purpose, fileSigner(key)] as const)
  const gatewayHostKey = keys.find(([purpose]) => purpose === 'gateway-host')?.[1]
  const gatewayRsaHostKey = loadOrCreate(join(folder, `${rsaHostKeyName}.pem`), 'rsa')
  return { ...Object.fromEntries(signers), gatewayHostKey, gatewayRsaHostKey } as unknown as Authorities
}

/** The public halves only, for commands that must not need the private ones. */
export function publicKeyOf(folder: string, purpose: Purpose): KeyObject {
  return createPublicKey(loadKey(join(folder, `${purpose}.pem`)))
}

/** Undefined until a gateway that knows of this key has started. */
export function rsaHostPublicKeyOf(folder: string): KeyObject | undefined {
  const file = join(folder, `${rsaHostKeyName}.pem`)
  return existsSync(file) ? createPublicKey(loadKey(file, 'rsa')) : undefined
}

/** The key in `file`, made if there is none. Throws Fault KEY_UNUSABLE. */
export function loadOrCreate(file: string, kind: KeyKind = 'ed25519'): KeyObject {
  return existsSync(file) ? loadKey(file, kind) : createKey(file, kind)
}

function loadKey(file: string, kind: KeyKind = 'ed25519'): KeyObject {
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw new Error('others than its owner may read it (chmod 600)')
    const key = createPrivateKey(readFileSync(file))
    checkKind(key, kind)
    return key
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `The key ${file} cannot be used: ${reasonOf(cause)}.`, { cause })
  }
}

function checkKind(key: KeyObject, kind: KeyKind): void {
  if (key.asymmetricKeyType !== kind) throw new Error(`not an ${kind === 'rsa' ? 'RSA' : 'Ed25519'} key`)
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (kind === 'rsa' && bits < rsaBits) throw new Error(`${bits} bits are too few, it takes ${rsaBits}`)
}

/** Exclusive and synced: a half-written authority must not be taken for one, and none may be overwritten. */
function createKey(file: string, kind: KeyKind): KeyObject {
  const { privateKey } =
    kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: rsaBits }) : generateKeyPairSync('ed25519')
  const fd = openSync(file, 'wx', 0o600)
  try {
    writeSync(fd, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  return privateKey
}

/** A Signer over a key in this process's memory. */
export function fileSigner(key: KeyObject): Signer {
  const publicKey = createPublicKey(key)
  return {
    keyId: fingerprint(publicKeyBlob(publicKey)),
    algorithm: 'ed25519',
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    // At once: it takes 40 µs, and a thread of the pool costs more than that on top of it.
    sign: async data => sign(null, data, key),
  }
}
